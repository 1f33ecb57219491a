package icenet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/stun"
)

// patience bounds the wait for events that are due at once. A busy machine may take seconds.
const patience = 20 * time.Second

const peerUfrag, peerPwd = "peer", "peerpeerpeerpeerpeerpeer"

// testConn is a Conn whose callbacks write to channels.
type testConn struct {
	*Conn
	candidates chan ice.Candidate // closed when they are complete
	states     chan ice.State
}

func newTestConn(t *testing.T, config ice.Config, options Options) *testConn {
	c := &testConn{candidates: make(chan ice.Candidate, 100), states: make(chan ice.State, 100)}
	restarted := false
	options.OnCandidate = func(candidate ice.Candidate, _ string) {
		if !restarted {
			c.candidates <- candidate
		}
	}
	options.OnGatheringComplete = func(string) {
		if !restarted {
			close(c.candidates)
		}
		restarted = true
	}
	options.OnStateChange = func(s ice.State) { c.states <- s }
	var err error
	c.Conn, err = NewConn(t.Context(), config, options)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func loopbackConn(t *testing.T, config ice.Config) *testConn {
	return newTestConn(t, config, Options{BindAddress: netip.MustParseAddr("127.0.0.1"), ReceiveQueue: 4})
}

// trickle signals from one connection to another by the callbacks.
func trickle(t *testing.T, from, to *testConn) {
	ufrag, pwd := from.LocalCredentials()
	require.NoError(t, to.SetRemote(ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd}))
	for c := range from.candidates {
		require.NoError(t, to.AddRemoteCandidate(c))
	}
	to.SetRemoteComplete()
}

func connectedConns(t *testing.T) (a, b *testConn) {
	a, b = loopbackConn(t, ice.Config{Controlling: true}), loopbackConn(t, ice.Config{})
	connect(t, a, b)
	return a, b
}

func connect(t *testing.T, a, b *testConn) {
	trickle(t, a, b)
	trickle(t, b, a)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, a.Wait(ctx))
	require.NoError(t, b.Wait(ctx))
}

func TestConnCarriesDatagrams(t *testing.T) {
	a, b := connectedConns(t)
	require.Equal(t, a.LocalAddr(), b.RemoteAddr())
	require.Equal(t, b.LocalAddr(), a.RemoteAddr())

	buf := make([]byte, 16)
	for _, text := range []string{"one", "", "three"} {
		_, err := b.Write([]byte(text))
		require.NoError(t, err)
	}
	for _, text := range []string{"one", "", "three"} { // each in its own Read
		n, err := a.Read(buf)
		require.NoError(t, err)
		require.Equal(t, text, string(buf[:n]))
	}

	_, err := b.Write([]byte("longer than the buffer"))
	require.NoError(t, err)
	n, err := a.Read(buf)
	require.ErrorIs(t, err, io.ErrShortBuffer)
	require.Equal(t, "longer than the b"[:n], string(buf[:n]))

	_, err = b.Write(make([]byte, maxDatagram+1))
	require.ErrorIs(t, err, ErrTooLarge)
}

// Datagrams from others than the peer do not reach Read.
func TestConnRefusesStrangers(t *testing.T) {
	a, b := connectedConns(t)
	stranger, err := net.Dial("udp", a.LocalAddr().String())
	require.NoError(t, err)
	defer stranger.Close()
	_, err = stranger.Write([]byte("forged"))
	require.NoError(t, err)
	_, err = b.Write([]byte("genuine"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := a.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "genuine", string(buf[:n]))
	eventually(t, func() bool { return a.Stats().StrangersDropped == 1 })
}

func TestConnDeadlines(t *testing.T) {
	a, _ := connectedConns(t)
	require.NoError(t, a.SetDeadline(time.Now().Add(-time.Second)))
	_, err := a.Read(nil)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = a.Write([]byte("late"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var netError net.Error
	require.ErrorAs(t, err, &netError)
	require.True(t, netError.Timeout())

	require.NoError(t, a.SetDeadline(time.Time{}))
	_, err = a.Write([]byte("in time"))
	require.NoError(t, err)

	require.NoError(t, a.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = a.Read(make([]byte, 16)) // blocks until the deadline
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestConnBeforeAndAfter(t *testing.T) {
	c := loopbackConn(t, ice.Config{})
	require.Nil(t, c.RemoteAddr())
	require.Equal(t, ice.StateNew, c.State())
	_, err := c.Write([]byte("early"))
	require.ErrorIs(t, err, ErrNotConnected)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Wait(ctx), context.Canceled)

	readErr := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		readErr <- err
	}()
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-readErr, net.ErrClosed)
	require.ErrorIs(t, c.Wait(t.Context()), net.ErrClosed)
	_, err = c.Write([]byte("late"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.Equal(t, ice.StateClosed, c.State())

	_, err = NewConn(t.Context(), ice.Config{Ufrag: "x"}, Options{})
	require.ErrorIs(t, err, ice.ErrCredentials)
	_, err = NewConn(t.Context(), ice.Config{}, Options{BindAddress: netip.MustParseAddr("192.0.2.1")})
	require.Error(t, err) // not an address of this host
	_, err = NewConn(ctx, ice.Config{}, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestConnLeavesNoGoroutine(t *testing.T) {
	a, b := connectedConns(t)
	a.Close()
	b.Close()
	require.Eventually(t, func() bool {
		buf := make([]byte, 1<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "(*Driver).add")
	}, patience, time.Millisecond)
}

// The timer of a Conn works, and failure ends Wait, Read and Write.
func TestConnFails(t *testing.T) {
	c := loopbackConn(t, ice.Config{RTO: time.Millisecond, CheckInterval: time.Millisecond, Patience: 100 * time.Millisecond})
	require.NoError(t, c.SetRemote(ice.RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}))
	c.SetRemoteComplete()
	require.ErrorIs(t, c.Wait(t.Context()), ErrFailed)
	_, err := c.Read(nil)
	require.ErrorIs(t, err, ErrFailed)
	_, err = c.Write(nil)
	require.ErrorIs(t, err, ErrFailed)
	require.Equal(t, ice.StateChecking, <-c.states)
	require.Equal(t, ice.StateFailed, <-c.states)
	require.Equal(t, ice.StateFailed, c.Stats().State)
	_, ok := c.Selected()
	require.False(t, ok)
}

// Datagrams that do not fit the queue are dropped and counted. The others are read in order.
func TestConnDropsWhenFull(t *testing.T) {
	a, b := connectedConns(t)
	for i := range byte(20) {
		_, err := b.Write([]byte{i})
		require.NoError(t, err)
	}
	require.EqualValues(t, 20, b.Stats().DatagramsSent)
	eventually(t, func() bool { s := a.Stats(); return s.DatagramsReceived+s.QueueDropped == 20 })
	require.EqualValues(t, 4, a.Stats().DatagramsReceived)
	buf := make([]byte, 1)
	for i := range byte(4) {
		n, err := a.Read(buf)
		require.NoError(t, err)
		require.Equal(t, []byte{i}, buf[:n])
	}
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, time.Millisecond)
}

// The receive queue is limited by bytes too, and Read makes room in it.
func TestConnBoundsTheBytesOfItsQueue(t *testing.T) {
	c := loopbackConn(t, ice.Config{})
	c.queue = make(chan *bufpool.Buffer, 1000) // more than the bytes allow
	const size = 60000
	enqueue := func() uint64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.enqueue(make([]byte, size))
		return c.stats.QueueDropped
	}
	for range maxQueuedBytes / size {
		require.Zero(t, enqueue())
	}
	require.EqualValues(t, 1, enqueue())
	n, err := c.Read(make([]byte, size))
	require.NoError(t, err)
	require.Equal(t, size, n)
	require.EqualValues(t, 1, enqueue())
	require.EqualValues(t, 2, enqueue())
}

// Write rejects datagrams that the peer would take for checks, and no others.
func TestConnDoesNotSendWhatLooksLikeSTUN(t *testing.T) {
	a, b := connectedConns(t)
	builder := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.TransactionID{})
	indication := builder.Bytes()
	_, err := a.Write(indication)
	require.ErrorIs(t, err, ErrLooksLikeSTUN)
	require.Zero(t, a.Stats().DatagramsSent)
	for _, datagram := range [][]byte{indication[:19], append([]byte{0x40}, indication[1:]...), make([]byte, 20)} {
		_, err := a.Write(datagram)
		require.NoError(t, err)
		buf := make([]byte, 100)
		n, err := b.Read(buf)
		require.NoError(t, err)
		require.Equal(t, datagram, buf[:n])
	}
}

// Close ends every wait, with and without a live peer, and with any deadlines.
func TestConnCloseEndsWaiting(t *testing.T) {
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
		stuck := &stuckPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0")), closed: make(chan bool)}
		a, b := newTestConn(t, ice.Config{}, Options{Sockets: []net.PacketConn{stuck}}), loopbackConn(t, ice.Config{Controlling: true})
		connect(t, a, b)
		require.NoError(t, b.Close())
		require.NoError(t, a.SetDeadline(deadline))
		stuck.full.Store(true)

		errs := make(chan error, 5)
		for range 2 {
			go func() {
				_, err := a.Read(make([]byte, 1))
				errs <- err
			}()
			go func() {
				for {
					if _, err := a.Write([]byte("x")); err != nil {
						errs <- err
						return
					}
				}
			}()
		}
		go func() {
			<-a.closed
			errs <- net.ErrClosed
		}()
		eventually(t, func() bool { return a.driver.bases[0].link.Congested() })
		require.NoError(t, a.Close())
		for range 5 {
			require.ErrorIs(t, <-errs, net.ErrClosed)
		}
		for _, set := range []func(time.Time) error{a.SetDeadline, a.SetReadDeadline, a.SetWriteDeadline} {
			require.ErrorIs(t, set(time.Time{}), net.ErrClosed)
		}
	}
}

// If the socket is full, only Write waits, and only until its deadline.
func TestConnWithAFullSocket(t *testing.T) {
	stuck := &stuckPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0")), closed: make(chan bool)}
	a, b := newTestConn(t, ice.Config{}, Options{Sockets: []net.PacketConn{stuck}}), loopbackConn(t, ice.Config{Controlling: true})
	connect(t, a, b)
	stuck.full.Store(true)
	require.NoError(t, a.SetWriteDeadline(time.Now().Add(5*time.Millisecond)))
	var err error
	for err == nil {
		_, err = a.Write([]byte("x"))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NotEqual(t, ice.StateFailed, a.State())
	_, _, err = a.Restart()
	require.NoError(t, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// stuckPackets is a socket whose buffer is full from some moment on, until it is closed.
type stuckPackets struct {
	net.PacketConn
	full   atomic.Bool
	closed chan bool
}

func (s *stuckPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.full.Load() {
		<-s.closed
		return 0, net.ErrClosed
	}
	return s.PacketConn.WriteTo(b, to)
}

func (s *stuckPackets) Close() error {
	close(s.closed)
	return s.PacketConn.Close()
}

// Datagrams that arrived before a failure are read before the error, but not after Close.
func TestConnReadsWhatWasThereBeforeFailure(t *testing.T) {
	c := loopbackConn(t, ice.Config{})
	c.mu.Lock()
	c.enqueue([]byte("x"))
	c.enqueue([]byte("y"))
	c.enqueue([]byte("z"))
	c.failed.set(true)
	c.mu.Unlock()
	buf := make([]byte, 1)
	for _, want := range []string{"x", "y"} {
		_, err := c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, want, string(buf))
	}
	require.NoError(t, c.Close())
	_, err := c.Read(buf)
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, c.queue)
}

// A Conn closes the sockets that its agent frees, and continues with the other.
func TestConnClosesUnusedSockets(t *testing.T) {
	var conns []*testConn
	for _, controlling := range []bool{true, false} {
		conns = append(conns, newTestConn(t, ice.Config{
			Controlling: controlling, NominationGrace: time.Millisecond, UnusedTimeout: 50 * time.Millisecond,
		}, Options{Sockets: []net.PacketConn{must(net.ListenPacket("udp", "127.0.0.1:0")), must(net.ListenPacket("udp", "127.0.0.1:0"))}}))
	}
	a, b := conns[0], conns[1]
	connect(t, a, b)
	for _, c := range conns {
		eventually(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.driver.bases) == 1 && c.driver.bases[0].link == c.driver.path.Link
		})
	}
	_, err := a.Write([]byte("still here"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := b.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "still here", string(buf[:n]))
}

// A socket whose reader fails is removed, and another replaces it at once.
func TestConnSurvivesASocketThatFails(t *testing.T) {
	broken := &brokenPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0"))}
	a := newTestConn(t, ice.Config{Controlling: true}, Options{Sockets: []net.PacketConn{broken, must(net.ListenPacket("udp", "127.0.0.1:0"))}})
	b := loopbackConn(t, ice.Config{})
	connect(t, a, b)
	eventually(t, func() bool { return a.Stats().ValidPairs == 2 && b.State() == ice.StateCompleted })
	pair, _ := a.Selected()
	require.Equal(t, broken.LocalAddr().String(), pair.Base.String())
	broken.broken.Store(true)
	require.NoError(t, broken.SetReadDeadline(time.Now())) // this wakes the reader
	eventually(t, func() bool {
		pair, ok := a.Selected()
		return ok && pair.Base.String() != broken.LocalAddr().String()
	})
	_, err := a.Write([]byte("from the other"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := b.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "from the other", string(buf[:n]))
}

// brokenPackets is a socket that fails from some moment on.
type brokenPackets struct {
	net.PacketConn
	broken atomic.Bool
}

func (b *brokenPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := b.PacketConn.ReadFrom(p)
	if b.broken.Load() {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return n, from, err
}

// If the only socket fails at once, NewConn returns an error or a Conn without a socket.
func TestNewConnWithABrokenSocket(t *testing.T) {
	for range 1000 {
		broken := &deadPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0"))}
		c, err := NewConn(t.Context(), ice.Config{}, Options{Sockets: []net.PacketConn{broken}})
		if err != nil {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			continue
		}
		require.Equal(t, broken.LocalAddr(), c.LocalAddr())
		require.NoError(t, c.Close())
		c.driver.Wait()
	}
}

// deadPackets is a socket that cannot be read.
type deadPackets struct{ net.PacketConn }

func (*deadPackets) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, io.ErrUnexpectedEOF }

// An ICE restart over the same sockets, while datagrams flow.
func TestConnRestarts(t *testing.T) {
	a, b := connectedConns(t)
	before, _ := a.Stats(), b.Stats()
	ufragA, pwdA, err := a.Restart()
	require.NoError(t, err)
	ufragB, pwdB, err := b.Restart()
	require.NoError(t, err)
	_, err = a.Write([]byte("meanwhile"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := b.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "meanwhile", string(buf[:n]))
	candidatesA, err := a.Gather(t.Context())
	require.NoError(t, err)
	candidatesB, err := b.Gather(t.Context())
	require.NoError(t, err)
	require.NoError(t, a.SetRemote(ice.RemoteParameters{Ufrag: ufragB, Pwd: pwdB}))
	require.NoError(t, b.SetRemote(ice.RemoteParameters{Ufrag: ufragA, Pwd: pwdA}))
	for _, c := range candidatesA {
		require.NoError(t, b.AddRemoteCandidate(c))
	}
	for _, c := range candidatesB {
		require.NoError(t, a.AddRemoteCandidate(c))
	}
	eventually(t, func() bool {
		return a.State() == ice.StateCompleted && b.State() == ice.StateCompleted && a.Stats().RequestsSent > before.RequestsSent
	})
	_, err = b.Write([]byte("afterwards"))
	require.NoError(t, err)
	n, err = a.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "afterwards", string(buf[:n]))
}
