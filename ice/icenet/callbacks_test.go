package icenet

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
)

// callbackConn returns a Conn that calls a function with the states StateChecking and StateFailed
// after SetRemote.
func callbackConn(t *testing.T, f func(*Conn, ice.State)) *Conn {
	t.Helper()
	var c *Conn
	known := make(chan struct{})
	c = must(NewConn(t.Context(), ice.Config{RTO: time.Millisecond, CheckInterval: time.Millisecond, Patience: 10 * time.Millisecond}, Options{
		BindAddress: netip.MustParseAddr("127.0.0.1"),
		OnStateChange: func(s ice.State) {
			<-known
			f(c, s)
		},
	}))
	close(known)
	t.Cleanup(func() { c.Close() })
	return c
}

func begin(t *testing.T, c *Conn) {
	t.Helper()
	require.NoError(t, c.SetRemote(ice.RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}))
	c.SetRemoteComplete()
}

// A callback never runs inside a method that the program calls: it may take a lock that the caller
// holds.
func TestCallbacksDoNotRunOnTheCaller(t *testing.T) {
	var mu sync.Mutex
	states := make(chan ice.State, 10)
	c := callbackConn(t, func(_ *Conn, s ice.State) {
		mu.Lock()
		defer mu.Unlock()
		states <- s
	})
	mu.Lock()
	begin(t, c)
	mu.Unlock()
	require.Equal(t, ice.StateChecking, <-states)
	require.Equal(t, ice.StateFailed, <-states)
	eventually(t, func() bool { return !callbackGoroutine() })
}

// callbackGoroutine reports whether a goroutine for callbacks exists.
func callbackGoroutine() bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "(*callbackQueue).run")
}

// Close waits for a callback that is running, and drops those that are due.
func TestCloseEndsCallbacks(t *testing.T) {
	begun, proceed := make(chan ice.State, 10), make(chan struct{})
	returned := false
	c := callbackConn(t, func(_ *Conn, s ice.State) {
		begun <- s
		<-proceed
		returned = true
	})
	begin(t, c)
	<-begun
	eventually(t, func() bool { return c.State() == ice.StateFailed }) // its callback is due
	closed := make(chan struct{})
	for range 2 {
		go func() {
			_ = c.Close()
			closed <- struct{}{}
		}()
	}
	eventually(t, func() bool { return c.State() == ice.StateClosed })
	select {
	case <-closed:
		t.Fatal("Close has returned while a callback is running")
	default:
	}
	close(proceed)
	<-closed
	<-closed
	require.True(t, returned)
	require.Empty(t, begun)
	eventually(t, func() bool { return !callbackGoroutine() })
}

// Close may be called from a callback, which is then the last one.
func TestCloseFromACallback(t *testing.T) {
	called := make(chan ice.State, 10)
	c := callbackConn(t, func(c *Conn, s ice.State) {
		_ = c.Close()
		called <- s
	})
	begin(t, c)
	require.Equal(t, ice.StateChecking, <-called)
	require.NoError(t, c.Close())
	c.driver.Wait()
	require.Empty(t, called)
}

// A callback that ends its goroutine, as FailNow does, does not prevent later ones.
func TestCallbackThatExits(t *testing.T) {
	states := make(chan ice.State, 10)
	c := callbackConn(t, func(_ *Conn, s ice.State) {
		states <- s
		runtime.Goexit()
	})
	begin(t, c)
	require.Equal(t, ice.StateChecking, <-states)
	require.Equal(t, ice.StateFailed, <-states)
	require.NoError(t, c.Close())
}
