package rtc

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sdp"
)

// world is two connections whose associations exchange their packets over a simulated path, without
// ICE and DTLS, in virtual time.
type world struct {
	pair
	mu    sync.Mutex
	rng   *rand.Rand // of the test
	loss  *rand.Rand // of lose, which mu guards
	delay time.Duration
	lose  func(toB bool) bool // reports whether a packet is lost

	underWay map[bool][]carried // by whether they go to b
	free     [][]byte           // buffers of packets that have arrived
}

type carried struct {
	packet []byte
	at     time.Time
}

// inWorld runs a test in virtual time, with a path of the given one-way delay and packet loss.
func inWorld(t *testing.T, seed uint64, delay time.Duration, loss float64, a, b Configuration, f func(t *testing.T, w *world)) {
	t.Helper()
	inTunedWorld(t, seed, delay, loss, a, b, tuning{}, f)
}

func inTunedWorld(t *testing.T, seed uint64, delay time.Duration, loss float64, a, b Configuration, tune tuning, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{rng: rand.New(rand.NewPCG(seed, seed)), loss: rand.New(rand.NewPCG(seed, ^seed)), delay: delay, underWay: make(map[bool][]carried)}
		w.lose = func(bool) bool { return w.loss.Float64() < loss }
		w.t = t
		w.a = w.connection(a, tune, true)
		w.b = w.connection(b, tune, false)
		for _, pc := range []*PeerConnection{w.a, w.b} {
			pc.lock()
			pc.transport.sctp.Connect(pc.now)
			pc.unlock()
		}
		defer func() {
			w.losing(nothing)
			_ = w.a.CloseAndWait()
			_ = w.b.CloseAndWait()
			time.Sleep(time.Minute) // packets in flight arrive, and timers expire
		}()
		f(t, w)
	})
}

func (w *world) connection(c Configuration, tune tuning, toB bool) *PeerConnection {
	c.DisableAutoNegotiation = true // negotiation would gather candidates
	tune.carry = func(packet []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.lose(toB) {
			return
		}
		var buffer []byte
		if n := len(w.free); n > 0 {
			buffer, w.free = w.free[n-1], w.free[:n-1]
		}
		w.underWay[toB] = append(w.underWay[toB], carried{append(buffer[:0], packet...), time.Now().Add(w.delay)})
		if len(w.underWay[toB]) == 1 {
			time.AfterFunc(w.delay, func() { w.arrive(toB) })
		}
	}
	tune = tune.withDefaults()
	pc, err := newPeerConnection(c, &tune)
	require.NoError(w.t, err)
	pc.transport.client = toB
	pc.iceState = ICEStateConnected
	require.NoError(w.t, pc.transport.startSCTP(sdp.DefaultSCTPPort))
	return pc
}

// arrive delivers the packets that are due, all at once, as a socket does.
func (w *world) arrive(toB bool) {
	to := w.a
	if toB {
		to = w.b
	}
	to.lock()
	defer to.unlock()
	w.mu.Lock()
	all := w.underWay[toB]
	due := 0
	for due < len(all) && !all[due].at.After(time.Now()) {
		due++
	}
	w.underWay[toB] = all[due:]
	if due < len(all) {
		time.AfterFunc(time.Until(all[due].at), func() { w.arrive(toB) })
	}
	w.mu.Unlock()
	for _, c := range all[:due] {
		if !to.ended {
			to.transport.sctp.Receive(to.now, c.packet)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range all[:due] {
		w.free = append(w.free, c.packet)
	}
}

// losing sets the function that selects the lost packets.
func (w *world) losing(f func(toB bool) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = f
}

func nothing(bool) bool    { return false }
func everything(bool) bool { return true }

// pause advances virtual time and waits until all other goroutines are blocked, so that the test
// may read their values.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
