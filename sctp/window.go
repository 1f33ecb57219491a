package sctp

import "time"

// receiveWindow decides how much the peer may have on its way to us. It grows
// when the reader keeps up, so that a path of any bandwidth and delay can be
// filled, or when nothing of what is held can be read yet, and stays where it is
// when the reader does not keep up: what a stalled reader can make pile up is
// bounded by what it once took in a round trip.
type receiveWindow struct {
	limit int // bytes
	max   int
	since instant // of the measurement
	taken int     // bytes released since then
}

const (
	// windowGrowth: a sender in slow start sends nearly three times as much in
	// each round trip as in the one before (BBR's startup gain), and it takes
	// a round trip until the window's growth arrives.
	windowGrowth = 4
	// unknownRTT stands in while this side has no measurement.
	unknownRTT = 100 * time.Millisecond
)

func (w *receiveWindow) init(c *Config) {
	w.max = c.MaxReceiveWindow
	w.limit = min(max(InitialBuffer, 4*min(c.MaxMessageSize, MaxBuffer/4)), w.max)
}

// released takes note of what the reader gave back.
func (w *receiveWindow) released(t instant, n int, rtt *rttState) {
	if w.limit == w.max {
		return
	}
	w.taken += n
	period := rtt.srtt
	if period == 0 {
		period = unknownRTT
	}
	if w.since == 0 || t-w.since > 2*period { // idle in between
		w.since, w.taken = t, 0
		return
	}
	if t-w.since < period {
		return
	}

	w.limit = max(w.limit, min(windowGrowth*w.taken, w.max))
	w.since, w.taken = t, 0
}

// ReceiveWindow returns the size of the receive window in bytes, what is held included: at most [Config.MaxReceiveWindow].
func (a *Association) ReceiveWindow() int { return a.window.limit }

// GrowReceiveWindow lets the receive window grow to size bytes, at most [Config.MaxReceiveWindow]. The window grows by itself
// when the reader keeps up. An owner that knows that what is not read yet holds up what would be read at once may let
// it grow earlier.
func (a *Association) GrowReceiveWindow(size int) {
	a.window.limit = max(a.window.limit, min(size, a.window.max))
}

// incomplete makes room when the reader has taken all that there is, so that what
// is held waits for more from the peer: for a lost packet, or, with interleaving,
// for the rest of a message on each of many streams. A window full of that could
// never open again. What the reader has and did not release, lent, is its own
// affair, and no reason to grow.
func (w *receiveWindow) incomplete(size, lent int) {
	if size > w.limit/2 {
		w.limit = max(w.limit, min(lent+2*size, w.max))
	}
}

// unsentLimit bounds what waits to be sent for the first time: a congestion
// window, so that the next one is at hand when one is acknowledged. What is in
// flight, or acknowledged behind a hole, does not count: a sender must not run
// dry because of it.
func (a *Association) unsentLimit() int {
	return min(max(InitialBuffer, a.cc.window()), a.cfg.MaxSendBuffer)
}

// sendRoom reports whether Send can take size more bytes when so many are
// buffered, and so many of them unsent.
func (a *Association) sendRoom(size, buffered, unsent int) bool {
	return buffered <= 0 || buffered+size <= a.cfg.MaxSendBuffer && unsent+size <= a.unsentLimit()
}
