package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
)

// newOver returns a socket that wraps conn.
func newOver(t *testing.T, conn net.PacketConn, options Options) *Socket {
	t.Helper()
	s, err := New(conn, options)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func listenUDP(t *testing.T, network, addr string) *net.UDPConn {
	t.Helper()
	a, err := net.ResolveUDPAddr(network, addr)
	require.NoError(t, err)
	conn, err := net.ListenUDP(network, a)
	if err != nil && network != "udp4" {
		t.Skip("no IPv6 here:", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// echo returns the datagrams of a socket to their senders.
func echo(t *testing.T, s *Socket) {
	var w link.Outbound
	serve(t, s, func(b *link.Inbound) {
		for i := range b.Len() {
			data, from := b.At(i)
			w.Commit(append(w.Reserve(len(data)), data...), from)
		}
		if err := w.Flush(s); err != nil {
			t.Error(err)
		}
	})
}

// wantEcho sends a burst to an address and waits until all of it is returned.
func wantEcho(t *testing.T, client *Socket, to netip.AddrPort) {
	t.Helper()
	in := newInbox(t, client)
	const count = 30
	var w link.Outbound
	for i := range count {
		w.Commit(numbered(i, 900), to)
	}
	require.NoError(t, w.Flush(client))
	for i, p := range in.wait(t, count) {
		require.Equal(t, string(numbered(i, 900)), p)
	}
	for _, from := range in.from {
		require.Equal(t, to, from)
	}
}

// A conn that the program has created has all features of a socket of Listen.
func TestConnOfTheProgram(t *testing.T) {
	for _, level := range levels {
		for _, c := range []struct{ network, addr string }{
			{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}, {"udp", "127.0.0.1:0"}, {"udp", "[::1]:0"},
		} {
			t.Run(level.name+"/"+c.network+"/"+c.addr, func(t *testing.T) {
				conn := listenUDP(t, c.network, c.addr)
				// A deadline that the program has set before does not end Serve.
				require.NoError(t, conn.SetDeadline(time.Now().Add(-time.Hour)))
				server := newOver(t, conn, level.options)
				reference := listen(t, netip.MustParseAddrPort(c.addr), level.options)
				require.Equal(t, reference.Stats(), server.Stats(), "the same levels")
				require.Equal(t, conn.LocalAddr().String(), server.LocalAddr().String())
				echo(t, server)
				wantEcho(t, reference, server.LocalAddr())

				var w link.Outbound
				other := netip.MustParseAddrPort("127.0.0.1:9")
				if server.LocalAddr().Addr().Is4() {
					other = netip.MustParseAddrPort("[::1]:9")
				}
				w.Commit([]byte("x"), other)
				require.ErrorIs(t, w.Flush(server), ErrAddressFamily)

				require.NoError(t, server.Close())
				_, err := conn.Write(nil)
				require.ErrorIs(t, err, net.ErrClosed)
			})
		}
	}
}

// A conn that is bound to all addresses of both families can be used with both, and its peers never
// have IPv4-mapped addresses.
func TestConnOfBothFamilies(t *testing.T) {
	for _, level := range levels {
		t.Run(level.name, func(t *testing.T) {
			server := newOver(t, listenUDP(t, "udp", "[::]:0"), level.options)
			echo(t, server)
			port := server.LocalAddr().Port()
			for _, loopback := range loopbacks {
				addr := netip.MustParseAddrPort(loopback)
				client := listen(t, addr, level.options)
				wantEcho(t, client, netip.AddrPortFrom(addr.Addr(), port))
			}
		})
	}
}

func TestConnThatCannotBeUsed(t *testing.T) {
	_, err := New(nil, Options{})
	require.ErrorIs(t, err, errNoConn)

	connected, err := net.Dial("udp4", "127.0.0.1:9")
	require.NoError(t, err)
	defer connected.Close()
	_, err = New(connected.(*net.UDPConn), Options{})
	require.ErrorIs(t, err, errConnected)

	closed := listenUDP(t, "udp4", "127.0.0.1:0")
	require.NoError(t, closed.Close())
	_, err = New(closed, Options{})
	require.ErrorIs(t, err, net.ErrClosed)
}

// New may enlarge the buffers of the program's conn. It reduces them only to sizes in Options.
func TestBuffersOfAConnOfTheProgram(t *testing.T) {
	conn := listenUDP(t, "udp4", "127.0.0.1:0")
	large := newOver(t, conn, Options{ReadBuffer: DefaultBuffer * 2, WriteBuffer: DefaultBuffer * 2})
	read, write := large.buffers()
	again := newOver(t, conn, Options{})
	gotRead, gotWrite := again.buffers()
	if large.Stats().Batch { // elsewhere the granted sizes are unknown
		require.Equal(t, read, gotRead)
		require.Equal(t, write, gotWrite)
	}
	small := newOver(t, conn, Options{ReadBuffer: 100_000, WriteBuffer: 50_000})
	read, write = small.buffers()
	require.Equal(t, 100_000, read)
	require.Equal(t, 50_000, write)
}

// A relay is a conn that is not a kernel socket: a pair of channels.
type relay struct {
	addr     net.Addr
	in, out  chan string
	closed   chan struct{}
	once     sync.Once
	failures int // reads that fail before the next one succeeds
	peer     net.Addr
}

func (r *relay) ReadFrom(b []byte) (int, net.Addr, error) {
	if r.failures > 0 {
		r.failures--
		return 0, nil, errors.New("relay: for once")
	}
	select {
	case p := <-r.in:
		return copy(b, p), r.peer, nil
	case <-r.closed:
		// A conn outside package net need not return net.ErrClosed.
		return 0, nil, errors.New("relay: closed")
	}
}

func (r *relay) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-r.closed:
		return 0, errors.New("relay: closed")
	default:
	}
	if to.String() != r.peer.String() {
		return 0, os.ErrInvalid
	}
	r.out <- string(b)
	return len(b), nil
}

func (r *relay) Close() error                     { r.once.Do(func() { close(r.closed) }); return nil }
func (r *relay) LocalAddr() net.Addr              { return r.addr }
func (r *relay) SetDeadline(time.Time) error      { return nil }
func (r *relay) SetReadDeadline(time.Time) error  { return nil }
func (r *relay) SetWriteDeadline(time.Time) error { return nil }

// textAddr is an address type of another package.
type textAddr string

func (textAddr) Network() string  { return "relay" }
func (a textAddr) String() string { return string(a) }

func TestConnOfAnotherKind(t *testing.T) {
	for _, peer := range []net.Addr{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 77}, textAddr("192.0.2.7:77"), textAddr("[::ffff:192.0.2.7]:77")} {
		r := &relay{addr: textAddr("[2001:db8::1]:1234"), in: make(chan string, 9), out: make(chan string, 9), closed: make(chan struct{}), failures: 5}
		want := netip.MustParseAddrPort("192.0.2.7:77")
		r.peer = peer
		s := newOver(t, r, Options{})
		require.Equal(t, netip.MustParseAddrPort("[2001:db8::1]:1234"), s.LocalAddr())
		read, write := s.buffers()
		require.Zero(t, read+write)
		in := newInbox(t, s)
		r.in <- "one"
		r.in <- "two"
		require.Equal(t, []string{"one", "two"}, in.wait(t, 2))
		require.Equal(t, []netip.AddrPort{want, want}, in.from)

		if peer.String() == want.String() {
			var w link.Outbound
			w.Commit([]byte("three"), want)
			w.Commit([]byte("refused"), netip.MustParseAddrPort("192.0.2.8:77"))
			w.Commit([]byte("four"), want)
			require.NoError(t, w.Flush(s)) // a goroutine writes to such a conn
			require.Equal(t, "three", <-r.out)
			require.Equal(t, "four", <-r.out)
			for deadline := time.Now().Add(patience); s.Congested() && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			require.EqualValues(t, 2, s.Stats().Sent)
			require.EqualValues(t, 1, s.Stats().Unsent)
			w.Commit([]byte("last"), want)
			require.NoError(t, w.Flush(s))
			require.NoError(t, s.Close())
			require.Equal(t, "last", <-r.out, "Close does not drop what is queued")
			w.Commit([]byte("late"), want)
			err := w.Flush(s)
			require.ErrorIs(t, err, net.ErrClosed)
			var sendError *SendError
			require.False(t, errors.As(err, &sendError), "the error is not that of a destination")
		}
	}
}

// Datagrams of a sender without a usable address are dropped, because they cannot be answered.
func TestSenderWithoutAnAddress(t *testing.T) {
	r := &relay{addr: textAddr("somewhere"), in: make(chan string, 9), closed: make(chan struct{}), peer: textAddr("nobody")}
	s := newOver(t, r, Options{})
	require.False(t, s.LocalAddr().IsValid())
	r.in <- "dropped"
	done := make(chan struct{})
	go func() {
		defer close(done)
		require.NoError(t, s.Serve(func(*link.Inbound) { t.Error("received") }))
	}()
	for deadline := time.Now().Add(patience); len(r.in) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, s.Close())
	<-done
}

// A conn whose reads all fail ends Serve with the error.
func TestBrokenConn(t *testing.T) {
	r := &relay{addr: textAddr("[::1]:1"), closed: make(chan struct{}), failures: maxReadErrors + 1}
	s := newOver(t, r, Options{})
	require.ErrorContains(t, s.Serve(func(*link.Inbound) {}), "for once")
}
