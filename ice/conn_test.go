package ice

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

// Read falls behind: what does not fit the queue is dropped, and what did comes in order.
func TestConnDropsWhenFull(t *testing.T) {
	a, b := connectedConns(t)
	for i := range byte(20) {
		_, err := b.Write([]byte{i})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(a.queue) == 4 }, patience, time.Millisecond)
	buf := make([]byte, 1)
	for i := range byte(4) {
		n, err := a.Read(buf)
		require.NoError(t, err)
		require.Equal(t, []byte{i}, buf[:n])
	}
}
