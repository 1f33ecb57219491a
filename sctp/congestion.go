package sctp

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// congestionControl determines how much may be in flight and the sending rate. Sizes are in bytes,
// chunk headers included.
type congestionControl interface {
	// acked is called for each SACK that acknowledged something new.
	acked(s *ackSample)
	// lost is called for each chunk marked lost.
	lost(s *lostSample)
	// congested is called once for each loss episode, when its first chunk is marked lost; inFlight
	// is the bytes outstanding before.
	congested(t instant, inFlight int)
	// recovered is called at the end of a loss episode.
	recovered(t instant)
	// timedOut is called when the retransmission timer expired.
	timedOut(t instant, inFlight int)
	// undo undoes the last congested or timedOut: nothing was lost.
	undo(t instant)
	// restart is called before the first packet when nothing is in flight, after timeouts times the
	// retransmission timeout.
	restart(t instant, timeouts int)
	// setMTU changes the packet size; it does not widen the window.
	setMTU(mtu int)
	// window returns the congestion window.
	window() int
	// pacingRate returns bytes per second; 0: not paced.
	pacingRate(srtt time.Duration) float64
}

// CongestionControl selects a congestion control algorithm.
type CongestionControl uint8

// The algorithms. See the package documentation for the measurements behind
// the default.
const (
	CongestionDefault CongestionControl = iota // BBR
	CongestionNewReno                          // RFC 9260, section 7.2, RFC 6582
	CongestionCUBIC                            // RFC 9438 with HyStart++, RFC 9406
	CongestionBBR                              // draft-ietf-ccwg-bbr, version 3
)

var congestionControlNames = [...]string{"default", "newreno", "cubic", "bbr"}

// String returns the name of the algorithm in lower case.
func (c CongestionControl) String() string {
	if int(c) < len(congestionControlNames) {
		return congestionControlNames[c]
	}
	return fmt.Sprintf("congestion control %d", uint8(c))
}

func (a *Association) newCongestionControl() congestionControl {
	mtu, initial := a.mtu.current, a.cfg.InitialCongestionWindow
	switch a.cfg.CongestionControl {
	case CongestionNewReno:
		return newNewReno(mtu, initial)
	case CongestionCUBIC:
		return newCubic(mtu, initial)
	default:
		var seed [8]byte
		a.random(seed[:])
		return newBBR(mtu, initial, rand.NewPCG(uint64(a.hand.myTag), uint64(seed[0])<<56|uint64(seed[1])))
	}
}

// ackSample describes one SACK.
type ackSample struct {
	t             instant
	newlyAcked    int           // bytes acknowledged for the first time
	inFlight      int           // bytes outstanding after this SACK
	priorInFlight int           // and before
	rtt           time.Duration // of the newest packet acknowledged, 0 if ambiguous
	srtt, minRTT  time.Duration
	inRecovery    bool // the SACK came within a loss episode
	windowLimited bool // the congestion window delayed data since the last SACK
	rateSample
}

// lostSample describes a chunk that was marked lost.
type lostSample struct {
	t          instant
	size       int
	txInFlight int    // bytes in flight when it was sent, itself included
	lost       uint64 // bytes marked lost since it was sent, itself included
	delivered  uint64 // bytes delivered so far
	// priorDelivered is the bytes delivered when it was sent.
	priorDelivered uint64
	appLimited     bool
}

// pacer spaces packets by a rate, with a burst that hides the granularity of timers and lets
// packets leave in batches.
type pacer struct {
	next instant // when the next packet may leave, were there no burst
}

const (
	// paceBurstTime is how far ahead of the rate the sender may run: a timer's
	// granularity.
	paceBurstTime = time.Millisecond
	// paceBurstPackets is the least burst.
	paceBurstPackets = 4
)

// ready reports whether a packet may leave at t, and if not, when it may.
func (p *pacer) ready(t instant, rate float64, mtu int) (bool, instant) {
	if rate == 0 {
		return true, 0
	}
	burst := max(paceBurstTime, time.Duration(float64(paceBurstPackets*mtu)/rate*1e9))
	if p.next <= t+burst {
		return true, 0
	}
	// Wait for half a burst, not for each packet.
	return false, p.next - burst/2
}

func (p *pacer) sent(t instant, rate float64, bytes int) {
	if rate == 0 {
		return
	}
	p.next = max(p.next, t) + time.Duration(float64(bytes)/rate*1e9)
}
