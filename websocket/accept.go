package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// AcceptOptions are the options of Accept and Handshake. Each zero field is its default. The
// options are read during the call only.
type AcceptOptions struct {
	// Protocols are the subprotocols that the server supports, in order of preference. The first
	// one that the client offers is agreed on; if there is none in common, the connection has no
	// subprotocol.
	Protocols []string

	// OriginPatterns are the hosts, besides the server's own, whose pages may connect: patterns of
	// path.Match for host[:port] or scheme://host[:port], such as "*.example.com" or
	// "https://example.com:8443". If there is no port, it is that of the scheme; case and a final
	// slash are ignored. A pattern that can match no origin, for example one with a path, is an
	// ErrInvalidOption. Without this check, any page that a user visits could connect in the user's
	// name. Clients that send no Origin are not browsers, and are accepted. A refusal contains the
	// origin.
	//
	// RFC 6455, section 10.2.
	OriginPatterns []string
	// InsecureSkipOriginCheck accepts the pages of all hosts.
	InsecureSkipOriginCheck bool

	// CheckRequest, if not nil, is called with a request that is otherwise acceptable. It refuses
	// the request by an error: a *HandshakeError determines the Status (300 to 999), Header and
	// Body of the response; any other error is answered by 403 Forbidden, and not shown to the
	// client.
	CheckRequest func(*Request) error
	// Header holds further fields of the response that accepts the request, such as Set-Cookie. A
	// field that the handshake sets itself is an ErrInvalidOption.
	Header http.Header
	// ConnectionTimeout bounds the whole opening handshake. 0 is DefaultConnectionTimeout, negative
	// no bound.
	ConnectionTimeout time.Duration

	// Compression, if not nil, accepts permessage-deflate if the client offers it.
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

// checkedAcceptOptions are valid options.
type checkedAcceptOptions struct {
	AcceptOptions
	compression CompressionOptions // with defaults instead of zeros
	origins     []string           // OriginPatterns in normal form
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

// Validate returns an error that matches ErrInvalidOption if Accept and Handshake would refuse the
// options. o may be nil.
func (o *AcceptOptions) Validate() error {
	_, err := o.check()
	return err
}

// config returns the configuration of a connection that was accepted.
func (o *checkedAcceptOptions) config(a *acceptance, early []byte) connConfig {
	cfg := connConfig{
		subprotocol:    a.subprotocol,
		early:          early,
		maxMessageSize: o.MaxMessageSize,
		closeTimeout:   o.CloseTimeout,
		beforeClose:    o.BeforeClose,
		noDelay:        o.NoDelay,
	}
	cfg.pingInterval, cfg.maxOutstandingPings = pingSettings(o.PingInterval, o.MaxOutstandingPings)
	if a.deflate != nil {
		cfg.compression = a.deflate.agreed()
		cfg.compressionThreshold = o.compression.Threshold
	}
	return cfg
}

// Accept performs the opening handshake in a handler of net/http, for a request of HTTP/1.1.
// (Clients that open WebSockets do not offer HTTP/2.) opts may be nil. Header fields that are set
// on w are sent with the response.
//
// If Accept returns an error, it has responded to the client, and the handler only has to return.
// The status is 405, 426 or 400 if the request is not one for a WebSocket of version 13, 403 for
// its origin, the choice of CheckRequest, or 500 or 501 if the options are invalid
// (ErrInvalidOption) or w cannot be hijacked (http.ErrNotSupported). After success w and r must not
// be used any more; the handler may return or continue.
//
// Shutdown of the http.Server neither closes the connection nor waits for it: see the example.
//
// The time that a client may take to send its request is bounded by the http.Server: by its
// ReadHeaderTimeout or ReadTimeout, which end with the handshake.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	checked, err := opts.check()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}
	request := &Request{Path: r.RequestURI, Host: r.Host, Header: r.Header}
	if !strings.HasPrefix(request.Path, "/") {
		request.Path = r.URL.RequestURI() // the request target was in absolute form
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
		return nil, &opError{"accept", err}
	}
	// The server's buffer holds the bytes that the client has sent after its request.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	early = append([]byte(nil), early...)
	// The stream still has the deadlines of the http.Server.
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
		return nil, &opError{fmt.Sprint("accept ", stream.RemoteAddr()), err}
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
