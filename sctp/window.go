package sctp

import "time"

// receiveWindow determines the advertised receive window. It grows when the reader keeps up, so
// that a path of any bandwidth and delay can be filled, or when none of the buffered data can be
// read yet. It does not grow when the reader does not keep up: the data that a stalled reader
// accumulates is bounded by the most that it has read in a round trip.
type receiveWindow struct {
	limit int // bytes
	max   int
	since instant // of the measurement
	taken int     // bytes released since then
}

const (
	// windowGrowth: a sender in slow start sends nearly three times as much in each round trip as
	// in the one before (the startup gain of BBR), and growth of the window takes effect a round
	// trip later.
	windowGrowth = 4
	// unknownRTT is used while there is no measurement.
	unknownRTT = 100 * time.Millisecond
)

func (w *receiveWindow) init(c *Config) {
	w.max = c.MaxReceiveWindow
	w.limit = min(max(InitialBuffer, 4*min(c.MaxMessageSize, MaxBuffer/4)), w.max)
}

// released accounts for bytes that the reader released.
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

// ReceiveWindow returns the size of the receive window in bytes, of which received data may take a
// part: at most [Config.MaxReceiveWindow].
func (a *Association) ReceiveWindow() int { return a.window.limit }

// GrowReceiveWindow raises the receive window to size bytes, at most [Config.MaxReceiveWindow]. The
// window grows by itself when the reader keeps up. The owner may raise it earlier if unread data
// blocks data that would be read at once.
func (a *Association) GrowReceiveWindow(size int) {
	a.window.limit = max(a.window.limit, min(size, a.window.max))
}

// incomplete grows the window when the reader has read all that can be read, so that the data held
// waits for more from the peer: for a lost packet, or, with interleaving, for the rest of a message
// on each of many streams. A window full of such data could never open again. Unreleased messages
// do not count as a reason to grow.
func (w *receiveWindow) incomplete(size, lent int) {
	if size > w.limit/2 {
		w.limit = max(w.limit, min(lent+2*size, w.max))
	}
}

// unsentLimit bounds the bytes that wait for their first transmission: a congestion window, so that
// the next one is available when one is acknowledged. Data in flight, or acknowledged behind a gap,
// does not count, so that it does not make the sender run dry.
func (a *Association) unsentLimit() int {
	return min(max(InitialBuffer, a.cc.window()), a.cfg.MaxSendBuffer)
}

// sendRoom reports whether Send can take size more bytes when that many are buffered and unsent.
func (a *Association) sendRoom(size, buffered, unsent int) bool {
	return buffered <= 0 || buffered+size <= a.cfg.MaxSendBuffer && unsent+size <= a.unsentLimit()
}
