package proxy

import (
	"context"
	"net"
)

// ForwardThrough returns a function for [Dialer.Forward] that opens connections with a dialer of
// another package, such as one of golang.org/x/net/proxy. If the dialer has a method DialContext
// with the usual signature, that is used. Otherwise Dial runs in a goroutine: if the context ends
// first, the function returns the error of the context, and closes the connection that Dial opens
// later.
func ForwardThrough(dialer interface {
	Dial(network, address string) (net.Conn, error)
}) func(ctx context.Context, network, address string) (net.Conn, error) {
	if d, ok := dialer.(interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	}); ok {
		return d.DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		type result struct {
			conn net.Conn
			err  error
		}
		done := make(chan result, 1)
		go func() {
			conn, err := dialer.Dial(network, address)
			done <- result{conn, err}
		}()
		select {
		case r := <-done:
			return r.conn, r.err
		case <-ctx.Done():
			go func() {
				if r := <-done; r.err == nil {
					r.conn.Close()
				}
			}()
			return nil, ended(ctx)
		}
	}
}
