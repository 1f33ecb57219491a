package ice

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/stun"
)

// patience is how long a test waits for what should come at once; a busy machine may take seconds.
const patience = 20 * time.Second

func loopbackConn(t *testing.T, config Config) *Conn {
	c, err := NewConn(config, ConnOptions{BindAddress: netip.MustParseAddr("127.0.0.1"), ReceiveQueue: 4})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// trickle signals from one connection to another with the callbacks.
func trickle(t *testing.T, from, to *Conn) {
	from.OnCandidate(func(c Candidate) { require.NoError(t, to.AddRemoteCandidate(c)) })
	from.OnGatheringComplete(to.SetRemoteComplete)
	ufrag, pwd := from.LocalCredentials()
	require.NoError(t, to.SetRemote(RemoteParameters{Ufrag: ufrag, Pwd: pwd}))
}

func connectedConns(t *testing.T) (a, b *Conn) {
	a, b = loopbackConn(t, Config{Controlling: true}), loopbackConn(t, Config{})
	trickle(t, a, b)
	trickle(t, b, a)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, a.Wait(ctx))
	require.NoError(t, b.Wait(ctx))
	return a, b
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
	require.ErrorIs(t, err, ErrLimit)
}

// A socket is open to the world: what does not come from the peer is not for Read.
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
	c := loopbackConn(t, Config{})
	require.Nil(t, c.RemoteAddr())
	require.Equal(t, StateNew, c.State())
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
	require.Equal(t, StateClosed, c.State())

	_, err = NewConn(Config{Ufrag: "x"}, ConnOptions{})
	require.ErrorIs(t, err, ErrCredentials)
	_, err = NewConn(Config{}, ConnOptions{BindAddress: netip.MustParseAddr("192.0.2.1")})
	require.Error(t, err) // not an address of this host
}

func TestConnLeavesNoGoroutine(t *testing.T) {
	a, b := connectedConns(t)
	a.Close()
	b.Close()
	require.Eventually(t, func() bool {
		buf := make([]byte, 1<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "(*Conn).serve")
	}, patience, time.Millisecond)
}

// The timer of a Conn works, and failure reaches those who wait.
func TestConnFails(t *testing.T) {
	c := loopbackConn(t, Config{RTO: time.Millisecond, CheckInterval: time.Millisecond, Patience: 100 * time.Millisecond})
	states := make(chan State, 8)
	c.OnStateChange(func(s State) { states <- s })
	require.NoError(t, c.SetRemote(RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}))
	c.SetRemoteComplete()
	require.ErrorIs(t, c.Wait(t.Context()), ErrFailed)
	_, err := c.Read(nil)
	require.ErrorIs(t, err, ErrFailed)
	_, err = c.Write(nil)
	require.ErrorIs(t, err, ErrFailed)
	require.Equal(t, StateChecking, <-states)
	require.Equal(t, StateFailed, <-states)
	require.Equal(t, StateFailed, c.Stats().State)
	_, ok := c.Selected()
	require.False(t, ok)
}

// Read falls behind: what does not fit the queue is dropped and counted, and what did comes in order.
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

// The receive queue is limited by bytes too, and what Read takes makes room.
func TestConnBoundsTheBytesOfItsQueue(t *testing.T) {
	c := loopbackConn(t, Config{})
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

// What the peer would take for a check is refused, and only that.
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

// All kinds of waiting end with Close, whether the peer lives or not and whatever the deadlines.
func TestConnCloseEndsWaiting(t *testing.T) {
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
		a, b := connectedConns(t)
		require.NoError(t, b.Close())
		require.NoError(t, a.SetDeadline(deadline))
		stuck := &stuckPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0")), stuck: make(chan bool, 2), closed: make(chan bool)}
		socket := must(udp.New(stuck, udp.Options{}))
		a.mu.Lock()
		for _, s := range *a.sockets.Load() {
			t.Cleanup(func() { s.Close() })
		}
		a.sockets.Store(&[]*udp.Socket{socket})
		a.path.socket = socket
		a.mu.Unlock()

		errs := make(chan error, 4)
		for range 2 {
			go func() {
				_, err := a.Read(make([]byte, 1))
				errs <- err
			}()
		}
		go func() {
			_, err := a.Write([]byte("x"))
			errs <- err
		}()
		<-stuck.stuck
		go func() { // the agent sends with the mutex held
			a.mu.Lock()
			defer a.mu.Unlock()
			var w udp.Writer
			w.Commit(append(w.Reserve(1), 1), a.path.remote)
			_ = w.Flush(socket)
			errs <- net.ErrClosed
		}()
		<-stuck.stuck
		require.NoError(t, a.Close())
		for range 4 {
			require.ErrorIs(t, <-errs, net.ErrClosed)
		}
		for _, set := range []func(time.Time) error{a.SetDeadline, a.SetReadDeadline, a.SetWriteDeadline} {
			require.ErrorIs(t, set(time.Time{}), net.ErrClosed)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// stuckPackets is a socket whose buffer is full until it is closed.
type stuckPackets struct {
	net.PacketConn
	stuck  chan bool // an element for each Write
	closed chan bool
}

func (s *stuckPackets) WriteTo([]byte, net.Addr) (int, error) {
	s.stuck <- true
	<-s.closed
	return 0, net.ErrClosed
}

func (s *stuckPackets) Close() error {
	close(s.closed)
	return s.PacketConn.Close()
}

// What had arrived before the connection failed can be read, before the error; not so after Close.
func TestConnReadsWhatWasThereBeforeFailure(t *testing.T) {
	c := loopbackConn(t, Config{})
	c.mu.Lock()
	c.enqueue([]byte("x"))
	c.enqueue([]byte("y"))
	c.enqueue([]byte("z"))
	c.end(ErrFailed)
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

// A Conn closes the sockets that its agent frees, and goes on with the other.
func TestConnClosesUnusedSockets(t *testing.T) {
	var conns []*Conn
	for _, controlling := range []bool{true, false} {
		c, err := NewConn(Config{
			Controlling: controlling, NominationGrace: time.Millisecond, UnusedTimeout: 50 * time.Millisecond,
		}, ConnOptions{BindAddress: netip.MustParseAddr("0.0.0.0"), Loopback: true})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		extra := must(udp.ListenPort(netip.MustParseAddr("127.0.0.1"), 0, 0, udp.Options{}))
		c.mu.Lock()
		sockets := append(slices.Clone(*c.sockets.Load()), extra)
		c.sockets.Store(&sockets)
		c.agent.localComplete, c.agent.gathered = false, false
		require.NoError(t, c.agent.AddLocal(time.Now(), extra.LocalAddr()))
		c.agent.localComplete, c.agent.gathered = true, true
		c.mu.Unlock()
		go c.serve(extra)
		conns = append(conns, c)
	}
	a, b := conns[0], conns[1]
	trickle(t, a, b)
	trickle(t, b, a)
	for _, c := range conns {
		eventually(t, func() bool { return len(*c.sockets.Load()) == 1 })
		c.mu.Lock()
		require.Equal(t, (*c.sockets.Load())[0], c.path.socket)
		c.mu.Unlock()
	}
	_, err := a.Write([]byte("still here"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := b.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "still here", string(buf[:n]))
}
