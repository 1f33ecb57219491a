package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// DefaultTimeout bounds a call of DialContext if Dialer.Timeout is 0: a proxy has to resolve the
// name of the target and to try its addresses, and SYNs may be lost on both connections.
const DefaultTimeout = 30 * time.Second

// Dialer opens connections through a proxy. It may be used by any number of goroutines at once, as
// long as its fields are not changed. Its methods are those of a [net.Dialer], and satisfy the
// interfaces Dialer and ContextDialer of golang.org/x/net/proxy.
type Dialer struct {
	// Proxy is the proxy. It must not be nil.
	Proxy *Config

	// Forward opens the connection to the proxy; nil is the DialContext of a zero net.Dialer. The
	// network is "tcp", the address that of the proxy. The DialContext of another Dialer makes a
	// chain of proxies; ForwardThrough adapts dialers of golang.org/x/net/proxy.
	Forward func(ctx context.Context, network, address string) (net.Conn, error)

	// Timeout bounds the whole of DialContext, in addition to the context. 0 is DefaultTimeout,
	// negative no bound.
	Timeout time.Duration
}

// Dial is DialContext without a context; Timeout still applies.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext requests a connection to address from the proxy, a "host:port" as for [net.Dial]. The
// network is "tcp", "tcp4" or "tcp6"; the last two exclude IP addresses of the other family. The
// proxy resolves host names, to addresses of any family.
//
// The result is the connection that Forward opened, without a deadline; the next byte to be read is
// the first one of the tunnel. After an error no connection is left open. An error is an *[Error],
// or matches [ErrInvalidProxy] or [ErrInvalidTarget].
//
// If ctx has already ended, the call fails at once. After DialContext has returned, ctx has no
// effect on the connection.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := d.Proxy.check(); err != nil {
		return nil, err
	}
	to, err := parseTarget(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn, err := d.dial(ctx, to)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Proxy != "" { // the error of another Dialer, in Forward
			e = &Error{Op: OpDial, Err: err}
		}
		e.Proxy, e.Target = d.Proxy.String(), to.String()
		return nil, e
	}
	return conn, nil
}

func (d *Dialer) dial(ctx context.Context, to target) (net.Conn, error) {
	if timeout := cmp.Or(d.Timeout, DefaultTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if err := ended(ctx); err != nil {
		return nil, err // a Forward may not check
	}
	forward := d.Forward
	if forward == nil {
		forward = new(net.Dialer).DialContext
	}
	conn, err := forward(ctx, "tcp", d.Proxy.Address())
	if err != nil {
		if ended := ended(ctx); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
		return nil, err
	}
	// conn is closed instead of being given a deadline, because not every net.Conn has deadlines.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	h := d.Proxy.newHandshake(to)
	err = converse(conn, h)
	if !stop() {
		err = &Error{Op: h.op(), Err: ended(ctx)}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// ended returns the error of a context that has ended, which matches both ctx.Err() and
// context.Cause(ctx), and nil before.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// handshake is the client's side of the exchange with a proxy, without I/O.
type handshake interface {
	// start appends the client's first message to dst.
	start(dst []byte) []byte
	// need returns the number of bytes of the answer that are certain to follow, so that reading
	// them reads no byte of the tunnel: 1 to maxNeed, and 0 when the tunnel is established.
	need() int
	// receive handles bytes of the answer, at most as many as need returned, and appends the
	// client's next message, if any, to dst. An error is an *Error, without Proxy and Target.
	receive(dst, answer []byte) ([]byte, error)
	// op returns the current step.
	op() Op
}

// maxNeed is the largest result of handshake.need: the rest of a SOCKS5 reply with the longest host
// name.
const maxNeed = 255 + 2

func (c *Config) newHandshake(to target) handshake {
	if c.Protocol == SOCKS5 {
		return &socks5Handshake{target: to, username: c.Username, password: c.Password}
	}
	return &connectHandshake{target: to, username: c.Username, password: c.Password}
}

// converse performs the handshake. It does not read beyond it.
func converse(conn io.ReadWriter, h handshake) error {
	var in [maxNeed]byte
	out := h.start(nil)
	for {
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return &Error{Op: h.op(), Err: err}
			}
		}
		n := h.need()
		if n == 0 {
			return nil
		}
		n, err := conn.Read(in[:n])
		if n == 0 && err != nil {
			if err == io.EOF {
				err = fmt.Errorf("closed by the proxy: %w", io.ErrUnexpectedEOF)
			}
			return &Error{Op: h.op(), Err: err}
		}
		if out, err = h.receive(out[:0], in[:n]); err != nil {
			return err
		}
	}
}
