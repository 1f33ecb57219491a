package rtc

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/rtcstack/rtcstack/websocket"
)

// The defaults of WebSockets, those of the C API.
const (
	// DefaultTCPConnectionTimeout bounds the TCP connection to the server, or to the proxy.
	DefaultTCPConnectionTimeout = websocket.DefaultTCPConnectionTimeout
	// DefaultConnectionTimeout bounds the time until a WebSocket is open: TCP, the proxy, TLS and
	// the opening handshake.
	DefaultConnectionTimeout = websocket.DefaultConnectionTimeout
	// DefaultPingInterval is the time between two pings.
	DefaultPingInterval = websocket.DefaultPingInterval
)

// WebSocketConfiguration configures a WebSocket client. The zero value works. A duration or limit
// of 0 is its default, a negative one is none.
type WebSocketConfiguration struct {
	// DisableTLSVerification accepts any certificate of the server.
	DisableTLSVerification bool
	// ProxyServer is the URI of a proxy to connect through:
	//
	//	[("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"]
	//
	// The default scheme is http, the default port 3128, or 1080 for SOCKS5. The proxy resolves the
	// name of the server.
	ProxyServer string
	// Protocols are the subprotocols offered to the server, in order of preference.
	Protocols []string
	// TCPConnectionTimeout bounds the TCP connection; 0: DefaultTCPConnectionTimeout.
	TCPConnectionTimeout time.Duration
	// ConnectionTimeout bounds the time until the WebSocket is open; 0: DefaultConnectionTimeout.
	ConnectionTimeout time.Duration
	// PingInterval is the time between two pings; 0: DefaultPingInterval; negative: no pings.
	PingInterval time.Duration
	// MaxOutstandingPings is the number of unanswered pings after which, when the next one is due,
	// the WebSocket fails. If it is 0 and PingInterval is set, it is the number of pings in
	// websocket.DefaultPingTimeout, at least 2. If both are 0, or it is negative, there is no
	// limit.
	MaxOutstandingPings int
	// MaxMessageSize is the size of the largest message that is sent and accepted, in bytes; 0:
	// DefaultMaxMessageSize.
	MaxMessageSize int

	// Logger is the logger of this WebSocket; nil: that of SetLogger. Its lines have the attribute
	// "ws", the number of the WebSocket in the process.
	Logger *slog.Logger
	// Header holds further fields of the request, such as Authorization, Cookie or Origin.
	Header http.Header
	// TLSConfig is for wss URLs; nil: the roots of the system and the name in the URL.
	TLSConfig *tls.Config
	// Compression offers permessage-deflate (RFC 7692) to the server; nil: it is not offered.
	Compression *websocket.CompressionOptions
	// DialContext opens the connection to the server, or to the proxy if there is one; nil: the
	// DialContext of a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// WebSocketServerConfiguration configures a WebSocket server. The zero value works: the server
// listens on a free port of all addresses. A duration or limit of 0 is its default, a negative one
// is none.
type WebSocketServerConfiguration struct {
	// Port is the TCP port to listen on; 0: a free one, see WebSocketServer.Port.
	Port uint16
	// EnableTLS makes it a server for wss URLs.
	EnableTLS bool
	// CertificatePEMFile and KeyPEMFile hold the server's certificate, with its chain, and its
	// private key in PEM, or the paths of files that do. Either both are set or none. KeyPEMPass
	// decrypts the key. If none is set, a certificate is generated, which clients do not trust by
	// default.
	CertificatePEMFile, KeyPEMFile, KeyPEMPass string
	// BindAddress is the local IP address to listen on. Empty: all addresses.
	BindAddress string
	// ConnectionTimeout bounds the time from the TCP connection until the WebSocket is open; 0:
	// DefaultConnectionTimeout.
	ConnectionTimeout time.Duration
	// MaxMessageSize is the size of the largest message that is sent and accepted, in bytes; 0:
	// DefaultMaxMessageSize.
	MaxMessageSize int

	// Protocols are the subprotocols that the server supports, in order of preference.
	Protocols []string
	// OriginPatterns are the hosts, besides the server's own, whose pages may connect, such as
	// "*.example.com" or, with a scheme, "https://example.com"; see websocket.AcceptOptions. Other
	// pages are refused by a 403 that contains the origin and the host. A pattern that can match no
	// origin is an ErrInvalid. Empty: THE PAGES OF ALL HOSTS MAY CONNECT, and the program must not
	// trust a client because of a cookie (RFC 6455, section 10.2).
	OriginPatterns []string
	// CheckRequest refuses a client by an error; see websocket.AcceptOptions. It is called in the
	// goroutine of the connection, concurrently for several connections, after the client callback.
	CheckRequest func(*websocket.Request) error
	// TLSConfig is used with EnableTLS, for example to choose the certificate by name.
	// CertificatePEMFile and KeyPEMFile, if set, replace its certificates.
	TLSConfig *tls.Config
	// Compression accepts permessage-deflate (RFC 7692) from clients that offer it; nil: it is not
	// accepted.
	Compression *websocket.CompressionOptions
	// Logger is the logger of the server and of the WebSockets that it accepts; nil: that of
	// SetLogger. Its lines have the attribute "wsserver" or "ws", the number of the server or the
	// WebSocket in the process.
	Logger *slog.Logger
	// PingInterval is the time between two pings; 0: DefaultPingInterval; negative: no pings.
	PingInterval time.Duration
	// MaxOutstandingPings is the number of unanswered pings after which, when the next one is due,
	// a WebSocket fails. If it is 0 and PingInterval is set, it is the number of pings in
	// websocket.DefaultPingTimeout, at least 2. If both are 0, or it is negative, there is no
	// limit.
	MaxOutstandingPings int
}

// unlimitedMessageSize is the result of MaxMessageSize if the configuration has no limit. It fits
// in an int on every platform.
const unlimitedMessageSize = math.MaxInt32

func messageSizeOr(configured int) int {
	switch {
	case configured == 0:
		return DefaultMaxMessageSize
	case configured < 0:
		return unlimitedMessageSize
	}
	return min(configured, unlimitedMessageSize)
}

// webSocketTarget is a valid URL with a valid configuration.
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
		timeout: cmp.Or(c.ConnectionTimeout, DefaultConnectionTimeout),
		options: websocket.DialOptions{
			Header:               c.Header,
			Protocols:            c.Protocols,
			TCPConnectionTimeout: -1, // applied by the dialer below, to TCP alone
			ConnectionTimeout:    -1, // applied by the context
			Compression:          c.Compression,
			MaxMessageSize:       messageSizeOr(c.MaxMessageSize),
			PingInterval:         c.PingInterval,
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
		dialer := net.Dialer{Timeout: max(cmp.Or(c.TCPConnectionTimeout, DefaultTCPConnectionTimeout), 0)}
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
