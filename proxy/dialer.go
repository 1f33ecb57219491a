package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// DefaultTimeout is how long a Dialer takes at most, unless it is told otherwise: what a proxy needs to find the name of the
// target and to try its addresses, with room for a few lost SYNs on either leg.
const DefaultTimeout = 30 * time.Second

// Dialer opens connections through a proxy. It may be used by any number of goroutines at once, as long as nobody changes it.
type Dialer struct {
	// Proxy is the proxy. There must be one.
	Proxy *Config

	// Forward opens the connection to the proxy; nil is that of the zero net.Dialer. The network is "tcp", the address
	// that of the proxy. The DialContext of another Dialer makes a chain of proxies.
	Forward func(ctx context.Context, network, address string) (net.Conn, error)

	// Timeout bounds the whole of DialContext, besides the context: 0 is DefaultTimeout, a negative one is none.
	Timeout time.Duration
}

// DialContext asks the proxy for a connection to the address, which is the "host:port" of [net.Dial]. The network is "tcp",
// "tcp4" or "tcp6"; the last two exclude addresses of the other family, while a host name is always resolved by the proxy, to
// whatever family it chooses.
//
// The connection is the one that Forward opened, with the tunnel's first byte next to be read, and without a deadline. After
// an error there is none left open. Errors are *[Error], or match [ErrInvalidProxy] or [ErrInvalidTarget].
//
// A context that has ended already ends the call at once. The end of the context, once the connection is there, does not
// affect it.
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
		if !errors.As(err, &e) || e.Proxy != "" { // another Dialer's is the cause of ours
			e = &Error{Op: OpDial, Err: err}
		}
		e.Proxy, e.Target = d.Proxy.String(), to.String()
		return nil, e
	}
	return conn, nil
}

func (d *Dialer) dial(ctx context.Context, to target) (net.Conn, error) {
	timeout := d.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if err := ended(ctx); err != nil {
		return nil, err // a Forward may not look
	}
	forward := d.Forward
	if forward == nil {
		forward = new(net.Dialer).DialContext
	}
	conn, err := forward(ctx, "tcp", d.Proxy.Address())
	if err != nil {
		if ended := ended(ctx); ended != nil {
			err = fmt.Errorf("%w: %w", ended, err)
		}
		return nil, err
	}
	// Closing, unlike a deadline, is something that every net.Conn can do, and it would be closed anyway.
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

// ended returns an error that matches both ctx.Err() and context.Cause(ctx), nil for a context that goes on.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// handshake is the client's side of a conversation with a proxy, without the connection.
type handshake interface {
	// start appends what the client says first to dst.
	start(dst []byte) []byte
	// need returns how many bytes of the answer are certain to come, so that as many may be read without reading any of
	// the tunnel's: 1 to maxNeed, and 0 when the tunnel stands.
	need() int
	// receive takes bytes of the answer, at most as many as need said, and appends what the client says to them to dst. An
	// error is an *Error, without Proxy and Target.
	receive(dst, answer []byte) ([]byte, error)
	// op returns what is going on.
	op() Op
}

// maxNeed is the most that a handshake can be certain about: the rest of a SOCKS5 reply with the longest host name.
const maxNeed = 255 + 2

func (c *Config) newHandshake(to target) handshake {
	if c.Protocol == SOCKS5 {
		return &socks5Handshake{target: to, username: c.Username, password: c.Password}
	}
	return &connectHandshake{target: to, username: c.Username, password: c.Password}
}

// converse carries the handshake out, reading not a byte more than belongs to it.
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
