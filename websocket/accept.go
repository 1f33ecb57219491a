package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// AcceptOptions are the options of Accept and Handshake; the zero value has all
// defaults. They are read during the call only.
type AcceptOptions struct {
	// Protocols are those that the server speaks, in order of preference. The
	// first one that the client offers is agreed on; with none in common the
	// connection is one without a subprotocol.
	Protocols []string

	// OriginPatterns are the hosts, besides the server's own, whose pages may
	// connect: patterns of path.Match for host[:port] or scheme://host[:port], such as
	// "*.example.com" or "https://example.com:8443". Without a port it is the scheme's
	// own; case and a slash at the end do not matter. A pattern that can match no origin,
	// because it has a path for instance, is an ErrInvalidOption. Without this check any
	// page that a user visits could connect in the user's name. Clients that send no
	// Origin are not browsers and pass. A refusal says which origin was refused.
	// https://www.rfc-editor.org/rfc/rfc6455.html#section-10.2
	OriginPatterns []string
	// InsecureSkipOriginCheck lets the pages of all hosts connect.
	InsecureSkipOriginCheck bool

	// CheckRequest, if not nil, is called with a request that is otherwise
	// acceptable. An error refuses it: a *HandshakeError with its Status (300 to 999), Header
	// and Body, any other with 403 Forbidden and without telling the client why.
	CheckRequest func(*Request) error
	// Header holds further fields of the response that accepts, such as Set-Cookie.
	// The fields of the handshake itself cannot be set here: that is an error.
	Header http.Header
	// ConnectionTimeout bounds the whole handshake. 0 is DefaultConnectionTimeout,
	// negative none.
	ConnectionTimeout time.Duration

	// Compression, if not nil, accepts permessage-deflate when the client offers it.
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

// checkedAcceptOptions are options that have been found valid.
type checkedAcceptOptions struct {
	AcceptOptions
	compression CompressionOptions // with defaults in the place of zeros
	origins     []string           // OriginPatterns in their normal form
}

// check returns an error that matches ErrInvalidOption unless o is nil or valid.
func (o *AcceptOptions) check() (*checkedAcceptOptions, error) {
	c := &checkedAcceptOptions{}
	if o != nil {
		c.AcceptOptions = *o
	}
	if err := checkSubprotocols(c.Protocols); err != nil {
		return nil, err
	}
	if err := checkHeader(c.Header, serverProtected); err != nil {
		return nil, err
	}
	var err error
	if c.origins, err = parseOriginPatterns(c.OriginPatterns); err != nil {
		return nil, err
	}
	if c.Compression != nil {
		if c.compression, err = c.Compression.check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Validate returns an error that matches ErrInvalidOption for options that Accept
// and Handshake would refuse. o may be nil.
func (o *AcceptOptions) Validate() error {
	_, err := o.check()
	return err
}

// config is what becomes of the connection.
func (o *checkedAcceptOptions) config(a *acceptance, early []byte) connConfig {
	cfg := connConfig{
		subprotocol:         a.subprotocol,
		early:               early,
		maxMessageSize:      o.MaxMessageSize,
		pingInterval:        o.PingInterval,
		maxOutstandingPings: o.MaxOutstandingPings,
		closeTimeout:        o.CloseTimeout,
		beforeClose:         o.BeforeClose,
		noDelay:             o.NoDelay,
	}
	if a.deflate != nil {
		cfg.compression = a.deflate.agreed()
		cfg.compressionThreshold = o.compression.Threshold
	}
	return cfg
}

// Accept does the opening handshake in a handler of net/http, for a request of
// HTTP/1.1: the server must not have negotiated HTTP/2, which clients that open
// WebSockets do not offer. opts may be nil. Header fields that are set on w go out
// with the response.
//
// On an error the client has got a response: 405, 426 or 400 if this was no request
// for a WebSocket of version 13, 403 for its origin, what CheckRequest chose, or
// 500 or 501 if the options are invalid (ErrInvalidOption) or w cannot be hijacked
// (http.ErrNotSupported). The handler has only to return. After success w and r
// must not be used; the handler may return or go on.
//
// How long a client may take to send its request is up to the http.Server, by its
// ReadHeaderTimeout or ReadTimeout; these end with the handshake.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	checked, err := opts.check()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	request := &Request{Path: r.RequestURI, Host: r.Host, Header: r.Header}
	if !strings.HasPrefix(request.Path, "/") {
		request.Path = r.URL.RequestURI() // of a request in absolute form
	}
	a, refusal := checked.checkRequest(request, r.Method, r.ProtoMajor, r.ProtoMinor)
	if refusal == nil && r.ContentLength != 0 {
		refusal = refuseContent()
	}
	if refusal != nil {
		refusal.serveHTTP(w)
		return nil, refusal
	}
	header := w.Header().Clone()
	stream, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, http.ErrNotSupported) {
			status = http.StatusNotImplemented
		}
		http.Error(w, http.StatusText(status), status)
		return nil, fmt.Errorf("websocket: accept: %w", err)
	}
	// What the client has sent after its request is in the server's buffer.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	early = append([]byte(nil), early...)
	// The deadlines of the http.Server are still on the stream.
	stream.SetDeadline(time.Time{})

	ctx, cancel := withTimeout(context.Background(), checked.ConnectionTimeout, DefaultConnectionTimeout)
	defer cancel()
	release := interruptible(ctx, stream)
	_, err = stream.Write(a.appendResponse(nil, header, checked.Header))
	if cause := release(); cause != nil {
		err = cause
	}
	if err != nil {
		abort(stream)
		return nil, fmt.Errorf("websocket: accept %v: %w", stream.RemoteAddr(), err)
	}
	return newConn(stream, checked.config(a, early)), nil
}

// serveHTTP sends the refusal through net/http.
func (e *HandshakeError) serveHTTP(w http.ResponseWriter) {
	body, mediaType := e.content()
	h := w.Header()
	for name, values := range e.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if !hasField(e.Header, "Content-Type") {
		h.Set("Content-Type", mediaType)
	}
	w.WriteHeader(e.Status)
	w.Write(body)
}
