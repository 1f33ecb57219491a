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

// DialOptions are the options of Dial. Each zero field is its default. The options are read during
// the call only.
type DialOptions struct {
	// Header holds further fields of the request, such as Authorization or Cookie. A field that the
	// handshake sets itself is an ErrInvalidOption.
	Header http.Header
	// Origin is the origin that a browser would send for the page that connects, such as
	// "https://example.com". Programs other than browsers leave it empty.
	Origin string
	// Protocols are the subprotocols offered to the server, in order of preference. Conn.Protocol
	// returns the server's choice, which may be none.
	Protocols []string

	// TLSConfig is for wss; nil is the zero tls.Config. An empty ServerName is replaced by the host
	// of the URL, and NextProtos by "http/1.1".
	TLSConfig *tls.Config
	// DialContext opens the stream to the server; nil is the DialContext of a net.Dialer, which
	// tries the IPv4 and IPv6 addresses of a name (RFC 8305). The network is "tcp", and the address
	// is the host of the URL, unresolved, with its port, so that a proxy can resolve the name. TLS,
	// if any, runs over the stream.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TCPConnectionTimeout bounds DialContext. 0 is DefaultTCPConnectionTimeout, negative no bound.
	TCPConnectionTimeout time.Duration
	// ConnectionTimeout bounds the whole call of Dial: connecting, TLS and the opening handshake. 0
	// is DefaultConnectionTimeout, negative no bound.
	ConnectionTimeout time.Duration

	// Compression, if not nil, offers permessage-deflate to the server.
	Compression *CompressionOptions

	// MaxMessageSize is the size of the largest message that is accepted, in bytes, decompressed. 0
	// is DefaultMaxMessageSize, negative no limit. Conn.SetMaxMessageSize changes it.
	MaxMessageSize int
	// PingInterval is the time between two pings. 0 is DefaultPingInterval, negative no pings.
	PingInterval time.Duration
	// MaxOutstandingPings is the number of unanswered pings after which, when the next one is due,
	// the connection fails with ErrPingTimeout. Only a waiting Read counts pings as unanswered. If
	// it is 0 and PingInterval is set, it is the number of pings in DefaultPingTimeout, at least 2.
	// If both are 0, or it is negative, there is no limit: the pings only keep the connection in
	// use.
	MaxOutstandingPings int
	// CloseTimeout is the time that Conn.Close waits for the peer. 0 is DefaultCloseTimeout; if it
	// is negative, Close does not wait.
	CloseTimeout time.Duration
	// NoDelay makes Write send its message, and Read every pong, at once. Otherwise, while more
	// messages have already been received, those between two Reads are held for up to 16 ms; see
	// Conn, "Coalescing". WriteBuffered is not affected.
	NoDelay bool
	// BeforeClose, if not nil, is called with the error that Read is going to return, after the
	// peer has sent its close frame (a *CloseError), has broken the protocol (a *ProtocolError) or
	// has ended its side of the stream (io.ErrUnexpectedEOF). The connection answers the peer after
	// BeforeClose has returned: messages written before that are sent in front of the close frame.
	// A program that reads in one goroutine and answers in another waits here until it has written
	// its answers. BeforeClose runs in the goroutine that reads, at most once, and not after the
	// program has closed the connection. It must not read, nor wait for Close.
	BeforeClose func(err error)
}

// Validate returns an error that matches ErrInvalidOption if Dial would refuse the options. o may
// be nil.
func (o *DialOptions) Validate() error {
	if o == nil {
		return nil
	}
	_, err := newClientHandshake(&URL{}, "", o)
	return err
}

// Dial connects to a WebSocket server. The URL has the scheme ws or wss, a host, which may be an
// IPv6 address in brackets, and optionally a port, a path and a query. The schemes http and https
// are accepted as ws and wss, as by browsers. User and password in the URL are sent as Basic
// credentials (RFC 7617) unless opts.Header has an Authorization field. opts may be nil.
//
// ctx and the timeouts of opts bound the call, not the connection. Redirects are not followed: the
// *HandshakeError has the response with its Location.
//
// Errors are distinguished with errors.Is and errors.As: ErrInvalidURL and ErrInvalidOption before
// anything is sent; the error of DialContext (for example a *net.OpError, with syscall.ECONNREFUSED
// for a closed port, or the error of a proxy); the error of crypto/tls (for example a
// *tls.CertificateVerificationError); a *HandshakeError, which matches ErrBadHandshake, if the
// server refuses or does not support WebSocket; ErrHandshakeTimeout; and, after the end of ctx,
// both ctx.Err() and context.Cause(ctx).
func Dial(ctx context.Context, url string, opts *DialOptions) (*Conn, error) {
	if opts == nil {
		opts = &DialOptions{}
	}
	u, err := parseURL(url, true)
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
	if ctx.Err() != nil { // a DialContext may not check
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
	cfg.pingInterval, cfg.maxOutstandingPings = pingSettings(opts.PingInterval, opts.MaxOutstandingPings)
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
		// The names in certificates have no zones.
		config.ServerName, _, _ = strings.Cut(u.Hostname, "%")
	}
	config.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
	secure := tls.Client(stream, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		stream.Close()
		return nil, dialError(ctx, "TLS handshake with "+u.Address(), err)
	}
	return secure, nil
}

// dialError wraps err with the step that failed. If ctx has ended, its error comes first, and the
// result also matches it and its cause; err may then be nil.
func dialError(ctx context.Context, doing string, err error) error {
	switch ended := ended(ctx); {
	case ended == nil:
		return &opError{doing, err}
	case err == nil:
		return &opError{doing, ended}
	default:
		return &opError{doing, fmt.Errorf("%w: %w", ended, err)}
	}
}
