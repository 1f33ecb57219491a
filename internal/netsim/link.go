package netsim

import (
	"math/rand/v2"
	"time"
)

// defaultReorderDelay is long enough that packets of a sender at 1 Mbit/s or more overtake the
// delayed one.
const defaultReorderDelay = 10 * time.Millisecond

// LinkConfig describes one direction of a link. The zero value is a perfect link without delay.
type LinkConfig struct {
	// Rate is the bandwidth in bits per second; 0: unlimited.
	Rate int64
	// Queue is the number of bytes that may wait for the link, without the packet being
	// transmitted. A packet that does not fit is dropped. 0: unlimited.
	Queue int

	// Delay is the time from the end of the transmission of a packet to its arrival.
	Delay time.Duration
	// Jitter is the maximum of a random delay that is added to Delay, uniformly distributed. It
	// does not reorder: a packet does not arrive before its predecessor.
	Jitter time.Duration

	// Loss is the probability that a packet is lost, after its transmission.
	Loss float64
	// Burst adds losses in bursts.
	Burst Burst

	// Reorder is the probability that a packet is delayed by ReorderDelay while later ones are not.
	Reorder float64
	// ReorderDelay is the delay of reordered packets; 0: 10 ms.
	ReorderDelay time.Duration

	// Duplicate is the probability that a packet arrives twice.
	Duplicate float64
	// Corrupt is the probability that one to three bits of a packet are inverted.
	Corrupt float64

	// MTU is the size in bytes of the largest packet that the link carries; larger ones are
	// discarded. 0: unlimited.
	MTU int
}

// Burst is a Gilbert-Elliott model: the link is in a good or a bad state and may change it with
// each packet. In the good state only LinkConfig.Loss applies. The mean length of a burst is
// 1/PBadToGood packets.
type Burst struct {
	PGoodToBad, PBadToGood float64 // probabilities per packet; PGoodToBad 0: no bursts
	LossBad                float64 // loss probability in the bad state; 0: 1
}

// LinkStats are the counters of one direction of a link.
type LinkStats struct {
	Sent, SentBytes           int64 // offered to the link
	Delivered, DeliveredBytes int64 // arrived, copies included
	Lost                      int64 // by Loss and Burst
	Dropped                   int64 // by a full queue
	TooLarge                  int64 // by MTU
	Filtered                  int64 // by the filter
	Duplicated                int64
	Corrupted                 int64
	Reordered                 int64
	MaxQueueDelay             time.Duration // the longest wait for the link
	MaxQueueBytes             int           // the largest queue
}

// A sink receives the packets of a link and then owns them: a core, or a segment of a network.
type sink interface {
	deliver(p *packet)
}

// Link is one direction of a connection between two points.
type Link struct {
	sim    *Sim
	name   string
	to     sink
	config LinkConfig
	rng    *rand.Rand
	filter func(now time.Time, packet []byte) bool
	stats  LinkStats

	queue        fifo // its head is being transmitted while the timer transmission is armed
	queueBytes   int  // of all but the head
	transmission timer

	inFlight    fifo // in order of arrival
	arrival     timer
	lastArrival int64

	bad bool // state of the burst model
}

func (s *Sim) newLink(name string, to sink, config LinkConfig) *Link {
	l := &Link{sim: s, name: name, to: to, config: config, rng: s.stream()}
	l.transmission.fire = l.transmitted
	l.arrival.fire = l.arriveNext
	return l
}

// Config returns the current configuration.
func (l *Link) Config() LinkConfig { return l.config }

// SetConfig changes the link during a run. Packets in flight arrive as planned, and the
// transmission in progress ends at the old rate; the new configuration applies to the queued
// packets.
func (l *Link) SetConfig(config LinkConfig) { l.config = config }

// SetFilter makes the link discard the packets for which keep returns false, so that a test can
// lose a particular packet. The packet is valid during the call and must not be changed. nil
// removes the filter.
func (l *Link) SetFilter(keep func(now time.Time, packet []byte) bool) { l.filter = keep }

// Stats returns the counters of the link.
func (l *Link) Stats() LinkStats { return l.stats }

// QueueDelay returns how long a packet that entered the link now would wait for its transmission.
func (l *Link) QueueDelay() time.Duration {
	if l.transmission.pos == 0 {
		return 0
	}
	return time.Duration(l.transmission.at-l.sim.now) + l.transmissionTime(l.queueBytes)
}

func (l *Link) transmissionTime(bytes int) time.Duration {
	if l.config.Rate <= 0 {
		return 0
	}
	bits := int64(bytes) * 8
	whole, rest := bits/l.config.Rate, bits%l.config.Rate
	return time.Duration(whole)*time.Second + time.Duration(float64(rest)/float64(l.config.Rate)*1e9)
}

// send puts p on the link, which then owns it.
func (l *Link) send(p *packet) {
	l.stats.Sent++
	l.stats.SentBytes += int64(len(p.data))
	switch {
	case l.filter != nil && !l.filter(l.sim.clock, p.data):
		l.stats.Filtered++
		l.discard(p, "filtered")
	case l.config.MTU > 0 && len(p.data) > l.config.MTU:
		l.stats.TooLarge++
		l.discard(p, "too large")
	case l.transmission.pos != 0:
		if l.config.Queue > 0 && l.queueBytes+len(p.data) > l.config.Queue {
			l.stats.Dropped++
			l.discard(p, "queue full")
			return
		}
		p.queued = l.sim.now
		l.queue.push(p)
		l.queueBytes += len(p.data)
		l.stats.MaxQueueBytes = max(l.stats.MaxQueueBytes, l.queueBytes)
	case l.config.Rate > 0:
		l.queue.push(p)
		l.sim.arm(&l.transmission, l.sim.now+int64(l.transmissionTime(len(p.data))))
	default:
		l.propagate(p)
	}
}

// transmitted ends the transmission of the packet at the head of the queue and begins the next one.
func (l *Link) transmitted() {
	p := l.queue.pop()
	if next := l.queue.head; next != nil {
		l.queueBytes -= len(next.data)
		l.stats.MaxQueueDelay = max(l.stats.MaxQueueDelay, time.Duration(l.sim.now-next.queued))
		l.sim.arm(&l.transmission, l.sim.now+int64(l.transmissionTime(len(next.data))))
	}
	l.propagate(p)
}

// propagate schedules the arrival of p after its transmission.
func (l *Link) propagate(p *packet) {
	c := &l.config
	if l.loses() {
		l.stats.Lost++
		l.discard(p, "lost")
		return
	}
	if c.Corrupt > 0 && len(p.data) > 0 && l.rng.Float64() < c.Corrupt {
		l.corrupt(p)
	}
	p.at = l.sim.now + int64(c.Delay)
	if c.Jitter > 0 {
		p.at += l.rng.Int64N(int64(c.Jitter) + 1)
	}
	if c.Reorder > 0 && l.rng.Float64() < c.Reorder {
		l.stats.Reordered++
		extra := c.ReorderDelay
		if extra == 0 {
			extra = defaultReorderDelay
		}
		p.at += int64(extra)
		l.deliverLate(p)
		return
	}
	p.at = max(p.at, l.lastArrival)
	l.lastArrival = p.at
	var duplicate *packet
	if c.Duplicate > 0 && l.rng.Float64() < c.Duplicate {
		l.stats.Duplicated++
		duplicate = l.sim.newPacket()
		duplicate.data = append(duplicate.data[:0], p.data...)
		duplicate.at, duplicate.src, duplicate.dst = p.at, p.src, p.dst
	}
	l.inFlight.push(p)
	if duplicate != nil {
		l.inFlight.push(duplicate)
	}
	if l.arrival.pos == 0 {
		l.sim.arm(&l.arrival, p.at)
	}
}

func (l *Link) loses() bool {
	c := &l.config
	if b := &c.Burst; b.PGoodToBad > 0 {
		if l.bad {
			l.bad = l.rng.Float64() >= b.PBadToGood
		} else {
			l.bad = l.rng.Float64() < b.PGoodToBad
		}
		if l.bad && (b.LossBad == 0 || l.rng.Float64() < b.LossBad) {
			return true
		}
	}
	return c.Loss > 0 && l.rng.Float64() < c.Loss
}

// corrupt inverts one to three different bits.
func (l *Link) corrupt(p *packet) {
	l.stats.Corrupted++
	bits := len(p.data) * 8
	for first, n := l.rng.IntN(bits), l.rng.IntN(3); n >= 0; n-- {
		p.data[first/8] ^= 1 << (first % 8)
		// Steps below a third of the packet never return to a bit already inverted.
		first = (first + 1 + l.rng.IntN((bits-1)/3)) % bits
	}
	if l.sim.trace != nil {
		l.sim.tracef("%s: %d bytes corrupted", l.name, len(p.data))
	}
}

// arriveNext delivers the packet at the head of those in flight.
func (l *Link) arriveNext() {
	p := l.inFlight.pop()
	if next := l.inFlight.head; next != nil {
		l.sim.arm(&l.arrival, next.at)
	}
	l.arrive(p)
}

// A lateArrival is the timer of a packet that is delivered out of order.
type lateArrival struct {
	timer
	link   *Link
	packet *packet
}

func (l *Link) deliverLate(p *packet) {
	if p.late == nil {
		late := &lateArrival{packet: p}
		late.fire = func() { late.link.arrive(late.packet) }
		p.late = late
	}
	p.late.link = l
	l.sim.arm(&p.late.timer, p.at)
}

func (l *Link) arrive(p *packet) {
	l.stats.Delivered++
	l.stats.DeliveredBytes += int64(len(p.data))
	if l.sim.trace != nil {
		l.sim.tracef("%s: %d bytes", l.name, len(p.data))
	}
	l.to.deliver(p)
}

func (l *Link) discard(p *packet, why string) {
	if l.sim.trace != nil {
		l.sim.tracef("%s: %d bytes %s", l.name, len(p.data), why)
	}
	l.sim.freePacket(p)
}
