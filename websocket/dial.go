package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// DialOptions are the options of Dial; the zero value has all defaults. They are
// read during the call only.
type DialOptions struct {
	// Header holds further fields of the request, such as Authorization or Cookie.
	// The fields of the handshake itself cannot be set here: that is an error.
	Header http.Header
	// Origin is what a browser would say about the page that connects, such as
	// "https://example.com". Programs that are no browsers leave it empty.
	Origin string
	// Protocols are offered to the server in order of preference;
	// Conn.Protocol has its choice, which may be none.
	Protocols []string

	// TLSConfig is for wss; nil is the zero tls.Config. An empty ServerName becomes
	// the host of the URL, and NextProtos is always http/1.1.
	TLSConfig *tls.Config
	// DialContext opens the stream to the server; nil is that of a net.Dialer, which
	// tries the IPv4 and IPv6 addresses of a name by the rules of RFC 8305. It is given
	// the network "tcp" and the host of the URL, unresolved, with its port: so a proxy
	// can be in between that resolves names by itself. TLS, if any, goes on top.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TCPConnectionTimeout bounds DialContext. 0 is DefaultTCPConnectionTimeout, negative none.
	TCPConnectionTimeout time.Duration
	// ConnectionTimeout bounds the whole call of Dial: connecting, TLS and the
	// opening handshake. 0 is DefaultConnectionTimeout, negative none.
	ConnectionTimeout time.Duration

	// Compression, if not nil, offers permessage-deflate to the server.
	Compression *CompressionOptions

	// MaxMessageSize is the size of the largest message that is accepted, in bytes,
	// decompressed. 0 is DefaultMaxMessageSize, negative no limit.
	MaxMessageSize int
	// PingInterval is how often the peer is pinged; 0 or negative: never.
	PingInterval time.Duration
	// MaxOutstandingPings fails the connection with ErrPingTimeout when a ping is due
	// and so many before it are unanswered; 0 or negative: never.
	MaxOutstandingPings int
	// CloseTimeout is how long Conn.Close waits for the peer. 0 is a default,
	// negative not at all.
	CloseTimeout time.Duration
	// NoDelay makes every Write, and every pong, leave at once. Without it, those between
	// two Reads wait up to 16 ms for company while more messages have been received
	// already; see Conn, "Coalescing". WriteBuffered is not affected.
	NoDelay bool
	// BeforeClose, if not nil, is called when the peer has sent its close frame (a
	// *CloseError), has broken the protocol (a *ProtocolError) or has ended its side of
	// the stream (io.ErrUnexpectedEOF), with the error that Read is going to return. The
	// connection answers the peer when BeforeClose has returned: messages that are written
	// before that still leave, in front of the close frame. A program that reads in one
	// goroutine and answers in another waits here until it has written its answers, for no
	// longer than the peer is likely to wait. BeforeClose runs in the goroutine that reads,
	// at most once, and not after the program itself has closed the connection. It must not
	// read, nor wait for Close.
	BeforeClose func(err error)
}

// Validate returns an error that matches ErrInvalidOption for options that Dial
// would refuse. o may be nil.
func (o *DialOptions) Validate() error {
	if o == nil {
		return nil
	}
	_, err := newClientHandshake(&URL{}, "", o)
	return err
}

// Dial connects to a WebSocket server. The URL has the scheme ws or wss, a host,
// which may be an IPv6 address in brackets, and optionally a port, a path and a
// query. User and password in it are sent as Basic credentials (RFC 7617) unless
// the options have an Authorization field. opts may be nil.
//
// ctx and the timeouts of opts bound the call, not the connection. Redirects are
// not followed: the HandshakeError has the response with its Location.
//
// Errors can be told apart with errors.Is and errors.As: ErrInvalidURL and
// ErrInvalidOption before anything is sent; what DialContext returns (a
// *net.OpError, with syscall.ECONNREFUSED for a closed port, or the error of a
// proxy); what crypto/tls returns (a *tls.CertificateVerificationError, for
// instance); *HandshakeError, which is an ErrBadHandshake, when the server is none
// for WebSockets or refuses; ErrHandshakeTimeout; and, after the end of ctx, both
// ctx.Err() and context.Cause(ctx).
func Dial(ctx context.Context, url string, opts *DialOptions) (*Conn, error) {
	if opts == nil {
		opts = &DialOptions{}
	}
	u, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	h, err := newClientHandshake(u, base64.StdEncoding.EncodeToString(nonce[:]), opts)
	if err != nil {
		return nil, err
	}

	ctx, cancel := withTimeout(ctx, opts.ConnectionTimeout, DefaultConnectionTimeout)
	defer cancel()
	if ctx.Err() != nil { // a DialContext may not look
		return nil, dialError(ctx, "connect to "+u.Address(), nil)
	}
	stream, err := connect(ctx, u, opts)
	if err != nil {
		return nil, err
	}
	release := interruptible(ctx, stream)
	cfg, err := h.run(stream)
	if ended := release(); ended != nil || err != nil {
		abort(stream)
		if refusal, ok := err.(*HandshakeError); ok {
			return nil, refusal
		}
		return nil, dialError(ctx, "handshake with "+u.Address(), err)
	}
	cfg.maxMessageSize = opts.MaxMessageSize
	cfg.pingInterval = opts.PingInterval
	cfg.maxOutstandingPings = opts.MaxOutstandingPings
	cfg.closeTimeout = opts.CloseTimeout
	cfg.beforeClose = opts.BeforeClose
	cfg.noDelay = opts.NoDelay
	if opts.Compression != nil {
		cfg.compressionThreshold = opts.Compression.Threshold
	}
	return newConn(stream, cfg), nil
}

// connect opens the stream, with TLS for wss.
func connect(ctx context.Context, u *URL, opts *DialOptions) (net.Conn, error) {
	dial := opts.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	connectCtx, cancel := withTimeout(ctx, opts.TCPConnectionTimeout, DefaultTCPConnectionTimeout)
	defer cancel()
	stream, err := dial(connectCtx, "tcp", u.Address())
	if err != nil {
		return nil, dialError(connectCtx, "connect to "+u.Address(), err)
	}
	if !u.Secure {
		return stream, nil
	}

	config := &tls.Config{}
	if opts.TLSConfig != nil {
		config = opts.TLSConfig.Clone()
	}
	if config.ServerName == "" {
		// A certificate knows no zones.
		config.ServerName, _, _ = strings.Cut(u.Hostname, "%")
	}
	// With another protocol there would be no HTTP/1.1 to upgrade from.
	// https://www.rfc-editor.org/rfc/rfc7301.html
	config.NextProtos = []string{"http/1.1"}
	secure := tls.Client(stream, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		stream.Close()
		return nil, dialError(ctx, "TLS handshake with "+u.Address(), err)
	}
	return secure, nil
}

// dialError wraps err with what was being done. If ctx has ended, the error says so first,
// and matches the error of ctx and its cause as well; err may be nil then.
func dialError(ctx context.Context, doing string, err error) error {
	switch ended := ended(ctx); {
	case ended == nil:
		return fmt.Errorf("websocket: %s: %w", doing, err)
	case err == nil:
		return fmt.Errorf("websocket: %s: %w", doing, ended)
	default:
		return fmt.Errorf("websocket: %s: %w: %w", doing, ended, err)
	}
}
