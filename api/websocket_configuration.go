package rtc

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/rtcstack/rtcstack/websocket"
)

// The defaults of WebSockets, those of the C API.
const (
	// DefaultTCPConnectionTimeout is how long a TCP connection to the server, or to the proxy, may take.
	DefaultTCPConnectionTimeout = 5 * time.Second
	// DefaultConnectionTimeout is how long it may take all in all until a WebSocket is open: TCP, the proxy, TLS and
	// the opening handshake.
	DefaultConnectionTimeout = 30 * time.Second
	// DefaultPingInterval is how often the peer is pinged: less than the time after which NATs and HTTP proxies
	// forget a connection that is silent, which is often 30 to 60 seconds.
	DefaultPingInterval = 10 * time.Second
)

// WebSocketConfiguration sets up a WebSocket client. The zero value works. A duration or limit of 0 is its default, a
// negative one turns it off.
type WebSocketConfiguration struct {
	// DisableTLSVerification accepts any certificate of the server.
	DisableTLSVerification bool
	// ProxyServer is a proxy to connect through: [("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"].
	// The scheme is http when there is none, the port 3128, or 1080 for SOCKS5. The proxy resolves the server's name.
	ProxyServer string
	// Protocols are the subprotocols offered to the server, in order of preference.
	Protocols []string
	// TCPConnectionTimeout bounds the TCP connection; 0: DefaultTCPConnectionTimeout.
	TCPConnectionTimeout time.Duration
	// ConnectionTimeout bounds everything until the WebSocket is open; 0: DefaultConnectionTimeout.
	ConnectionTimeout time.Duration
	// PingInterval is how often the server is pinged; 0: DefaultPingInterval.
	PingInterval time.Duration
	// MaxOutstandingPings is how many pings may be unanswered when the next one is due; then the WebSocket fails.
	// 0 and less: any number.
	MaxOutstandingPings int
	// MaxMessageSize is the largest message that is sent and accepted, in bytes; 0: DefaultMaxMessageSize.
	MaxMessageSize int

	// Header holds further fields of the request, such as Authorization, Cookie or Origin.
	Header http.Header
	// TLSConfig is for wss URLs; nil: the roots of the system, the name in the URL.
	TLSConfig *tls.Config
	// Compression offers permessage-deflate (RFC 7692) to the server; nil: it is not offered.
	Compression *websocket.CompressionOptions
	// DialContext replaces TCP by another way to reach the server, or the proxy if there is one. nil: that of a
	// net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// WebSocketServerConfiguration sets up a WebSocket server. The zero value works: it listens on a free port of all
// addresses. A duration or limit of 0 is its default, a negative one turns it off.
type WebSocketServerConfiguration struct {
	// Port is the TCP port to listen on; 0: a free one, see WebSocketServer.Port.
	Port uint16
	// EnableTLS makes it a server for wss URLs.
	EnableTLS bool
	// CertificatePEMFile and KeyPEMFile hold the server's certificate, with its chain, and the private key in PEM, or
	// the path of a file that does; both or none. KeyPEMPass decrypts the key. None: a certificate is made, which
	// no client trusts unless told to.
	CertificatePEMFile, KeyPEMFile, KeyPEMPass string
	// BindAddress is the only local IP address to listen on. Empty: all of the machine.
	BindAddress string
	// ConnectionTimeout bounds the time from the TCP connection until the WebSocket is open, so that a client that
	// never finishes is let go of; 0: DefaultConnectionTimeout.
	ConnectionTimeout time.Duration
	// MaxMessageSize is the largest message that is sent and accepted, in bytes; 0: DefaultMaxMessageSize.
	MaxMessageSize int

	// Protocols are the subprotocols that the server speaks, in order of preference.
	Protocols []string
	// OriginPatterns are the hosts whose pages may connect, beside the server's own: "*.example.com", or with a
	// scheme "https://example.com" (path.Match), see websocket.AcceptOptions. Others are refused by a 403 that says which
	// origin for which host. A pattern that can match no origin is ErrInvalid. Empty: THE PAGES OF ALL HOSTS MAY CONNECT,
	// and the program must not trust a client because of where the user is logged in
	// (RFC 6455, section 10.2).
	OriginPatterns []string
	// CheckRequest may refuse a client by an error; see websocket.AcceptOptions. It is called from the goroutine of
	// the connection, several at once. The client callback came before it.
	CheckRequest func(*websocket.Request) error
	// TLSConfig is used with EnableTLS, for example to choose the certificate by name. The certificate above, if
	// there is one, takes the place of its own ones.
	TLSConfig *tls.Config
	// Compression accepts permessage-deflate (RFC 7692) from clients that offer it; nil: it is not accepted.
	Compression *websocket.CompressionOptions
	// PingInterval is how often clients are pinged; 0: DefaultPingInterval.
	PingInterval time.Duration
	// MaxOutstandingPings is how many pings may be unanswered when the next one is due; then the WebSocket fails.
	// 0 and less: any number.
	MaxOutstandingPings int
}

// unlimitedMessageSize is what MaxMessageSize gives where the configuration turned the limit off: what fits in an int
// everywhere.
const unlimitedMessageSize = math.MaxInt32

// durationOr fills a default in: 0 is the default, negative is off, which the packages below understand as well.
func durationOr(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

func messageSizeOr(configured int) int {
	switch {
	case configured == 0:
		return DefaultMaxMessageSize
	case configured < 0:
		return unlimitedMessageSize
	}
	return min(configured, unlimitedMessageSize)
}

// webSocketTarget is a URL and a configuration that have been found valid.
type webSocketTarget struct {
	raw     string // the URL, as Dial takes it
	url     *websocket.URL
	proxied bool
	timeout time.Duration // of everything, negative: none
	options websocket.DialOptions
}

// target checks URL and configuration. All its errors are ErrInvalid.
func (c *WebSocketConfiguration) target(rawURL string, tune webSocketTuning) (webSocketTarget, error) {
	t := webSocketTarget{
		raw:     rawURL,
		timeout: durationOr(c.ConnectionTimeout, DefaultConnectionTimeout),
		options: websocket.DialOptions{
			Header:               c.Header,
			Protocols:            c.Protocols,
			TCPConnectionTimeout: -1, // by the dialer below: the proxy's part is not TCP's
			ConnectionTimeout:    -1, // by the context
			Compression:          c.Compression,
			MaxMessageSize:       messageSizeOr(c.MaxMessageSize),
			PingInterval:         durationOr(c.PingInterval, DefaultPingInterval),
			MaxOutstandingPings:  c.MaxOutstandingPings,
			CloseTimeout:         tune.closeTimeout,
		},
	}
	if c.TLSConfig != nil {
		t.options.TLSConfig = c.TLSConfig.Clone()
	}
	if c.DisableTLSVerification {
		if t.options.TLSConfig == nil {
			t.options.TLSConfig = &tls.Config{}
		}
		t.options.TLSConfig.InsecureSkipVerify = true
	}

	var err error
	if t.url, err = websocket.ParseURL(rawURL); err != nil {
		return t, wrapError(ErrInvalid, err, "WebSocket")
	}
	if err = t.options.Validate(); err != nil {
		return t, wrapError(ErrInvalid, err, "WebSocket")
	}

	dial := c.DialContext
	if dial == nil {
		dialer := net.Dialer{Timeout: max(durationOr(c.TCPConnectionTimeout, DefaultTCPConnectionTimeout), 0)}
		dial = dialer.DialContext
	}
	if c.ProxyServer != "" {
		through, err := proxy.Parse(c.ProxyServer)
		if err != nil {
			return t, wrapError(ErrInvalid, err, "WebSocket")
		}
		dial = (&proxy.Dialer{Proxy: through, Forward: dial, Timeout: -1}).DialContext
		t.proxied = true
	}
	t.options.DialContext = dial
	return t, nil
}
