package rtc

import (
	"cmp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is the time that a test waits for an event that is expected at once. A busy machine may
// need seconds.
const patience = 20 * time.Second

// pair is two connections in one process that signal to each other through their callbacks.
type pair struct {
	t    testing.TB
	a, b *PeerConnection
}

// newPair creates two connections. It changes the zero Configuration to loopback only, so that a
// test does not depend on the network of the machine.
func newPair(t testing.TB, a, b Configuration) *pair {
	return newTunedPair(t, a, b, tuning{})
}

func newTunedPair(t testing.TB, a, b Configuration, tune tuning) *pair {
	t.Helper()
	// The time without progress is long, so that a connection does not give up its peer on a busy
	// machine, unless the test sets it.
	tune.closeLinger = cmp.Or(tune.closeLinger, patience)
	tune = tune.withDefaults()
	p := &pair{t: t}
	for _, side := range []struct {
		pc **PeerConnection
		c  Configuration
	}{{&p.a, a}, {&p.b, b}} {
		if side.c.BindAddress == "" {
			side.c.BindAddress = "127.0.0.1"
		}
		pc, err := newPeerConnection(side.c, &tune)
		require.NoError(t, err)
		*side.pc = pc
	}
	checkLeaks(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a: %+v\nb: %+v", p.a.Stats(), p.b.Stats())
		}
		require.NoError(t, p.a.CloseAndWait())
		require.NoError(t, p.b.CloseAndWait())
	})
	signal(t, p.a, p.b)
	signal(t, p.b, p.a)
	return p
}

// signal delivers the descriptions and candidates of one connection to the other. It is no error if
// the other one is closed.
func signal(t testing.TB, from, to *PeerConnection) {
	from.OnLocalDescription(func(d SessionDescription) {
		if err := to.SetRemoteDescription(d); err != nil {
			t.Errorf("set remote description: %v", err)
		}
	})
	from.OnLocalCandidate(func(c Candidate) { _ = to.AddRemoteCandidate(c) })
}

// connect opens a channel from a to b, and returns both ends when both are open.
func (p *pair) connect(label string, init *DataChannelInit) (a, b *DataChannel) {
	p.t.Helper()
	accepted := make(chan *DataChannel, 1)
	p.b.OnDataChannel(func(dc *DataChannel) {
		if dc.Label() == label && !dc.IsOpen() { // no test closes it before this function returns
			p.t.Error("a received channel is not open")
		}
		accepted <- dc
	})
	a, err := p.a.CreateDataChannel(label, init)
	require.NoError(p.t, err)
	opened := make(chan struct{})
	a.OnOpen(func() { close(opened) })
	b = receive(p.t, accepted, "the data channel callback")
	receive(p.t, opened, "the open callback")
	return a, b
}

// receive returns a value that is expected soon.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s after %v\n%s", what, patience, stacks())
		panic("unreachable")
	}
}

// eventually waits until other goroutines have made a condition true.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s\n%s", patience, what, stacks())
		}
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// checkLeaks fails a test after which goroutines of this module remain. It must be called before
// the cleanup that closes the connections is registered, so that it runs after that.
func checkLeaks(t testing.TB) {
	if _, ok := t.(*testing.B); ok {
		return // it would change the measurement
	}
	// Only the first check of a test is after the end of all connections: at the others, one may
	// still be in its handshake.
	if _, done := leakChecks.LoadOrStore(t, true); done {
		return
	}
	t.Cleanup(func() {
		leakChecks.Delete(t)
		wantNoGoroutines(t)
	})
}

// leakChecks contains the tests that end with a check.
var leakChecks sync.Map

// wantNoGoroutines waits until no goroutine of this module remains. A goroutine that has finished
// its work may still have to return.
func wantNoGoroutines(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left := ownGoroutines()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("goroutines are left:\n%s", left)
			return
		}
	}
}

// ownGoroutines returns the stacks of the goroutines that this module or pion/dtls has started,
// except those of tests.
func ownGoroutines() string {
	var own []string
	for _, g := range strings.Split(stacks(), "\n\n") {
		created := g[max(strings.LastIndex(g, "created by "), 0):]
		if (strings.Contains(created, "rtcstack/") || strings.Contains(created, "pion/")) &&
			!strings.Contains(g, "testing.tRunner") && !strings.Contains(g, "_test.go") {
			own = append(own, g)
		}
	}
	return strings.Join(own, "\n\n")
}

// recorder collects lines, from any goroutine.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines...)
}

func TestTwoPeersExchangeMessages(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("chat", &DataChannelInit{Protocol: "proto"})
		require.Equal(t, "chat", b.Label())
		require.Equal(t, "proto", b.Protocol())

		got := make(chan string, 10)
		b.OnMessage(func(m Message) {
			require.True(t, m.IsText)
			got <- string(m.Data)
			require.NoError(t, b.Send(append([]byte("re: "), m.Data...)))
		})
		require.NoError(t, a.SendText("hello"))
		require.Equal(t, "hello", receive(t, got, "message"))
		var answer Message
		eventually(t, "the answer", func() bool {
			var err error
			answer, err = a.Receive()
			return err == nil
		})
		require.Equal(t, "re: hello", string(answer.Data))
		require.False(t, answer.IsText)
		eventually(t, "both connected", func() bool {
			return p.a.State() == StateConnected && p.b.State() == StateConnected
		})
	})
}
