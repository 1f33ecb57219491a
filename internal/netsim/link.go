package netsim

import (
	"math/rand/v2"
	"time"
)

// defaultReorderDelay holds a reordered packet back long enough that packets of a sender at 1
// Mbit/s and more overtake it.
const defaultReorderDelay = 10 * time.Millisecond

// LinkConfig describes one direction of a link. The zero value is a perfect link without delay.
type LinkConfig struct {
	// Rate in bits per second at which packets are put on the link one after the other; 0:
	// unlimited.
	Rate int64
	// Queue is how many bytes may wait for the link, without the packet that is being put on it; a
	// packet that does not fit is dropped. 0: unlimited.
	Queue int

	// Delay is the time from the last bit's leaving to the packet's arrival.
	Delay time.Duration
	// Jitter is added to Delay, uniformly distributed between 0 and it. It does not reorder: a
	// packet does not arrive before its predecessor.
	Jitter time.Duration

	// Loss is the probability that a packet is lost on the link, after it has used its share of
	// Rate.
	Loss float64
	// Burst adds losses that come in groups.
	Burst Burst

	// Reorder is the probability that a packet is held back by ReorderDelay while those behind it
	// pass.
	Reorder float64
	// ReorderDelay is for how long; 0: 10 ms.
	ReorderDelay time.Duration

	// Duplicate is the probability that a packet arrives twice.
	Duplicate float64
	// Corrupt is the probability that one to three bits of a packet are inverted.
	Corrupt float64

	// MTU is the size in bytes of the largest packet that passes; larger ones vanish. 0: unlimited.
	MTU int
}

// Burst is a Gilbert-Elliott model: the link is in a good or in a bad state, and may change state
// with each packet. In the good state the losses are those of LinkConfig.Loss alone. The mean
// length of a burst is 1/PBadToGood packets.
type Burst struct {
	PGoodToBad, PBadToGood float64 // probabilities per packet; PGoodToBad 0: no bursts
	LossBad                float64 // loss probability in the bad state; 0: 1
}

// LinkStats counts what happened on one direction of a link.
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

// A sink takes packets off a link and owns them from then on: a core, or a segment of a network.
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

	waiting      fifo // for the bottleneck; the head is being put on the link while service is armed
	waitingBytes int  // of all but the head
	service      timer

	flying      fifo // in order of arrival
	arrival     timer
	lastArrival int64

	bad bool // state of the burst model
}

func (s *Sim) newLink(name string, to sink, config LinkConfig) *Link {
	l := &Link{sim: s, name: name, to: to, config: config, rng: s.stream()}
	l.service.fire = l.served
	l.arrival.fire = l.arrived
	return l
}

// Config returns the current configuration.
func (l *Link) Config() LinkConfig { return l.config }

// SetConfig changes the link during a run. Packets already on the link arrive as planned, and the
// one being put on it ends at the old rate; those in the queue see the new configuration.
func (l *Link) SetConfig(config LinkConfig) { l.config = config }

// SetFilter has keep decide for each packet whether it may enter the link. This is how a test loses
// exactly the packet it means to lose. The packet is valid during the call, and must not be
// changed. nil removes the filter.
func (l *Link) SetFilter(keep func(now time.Time, packet []byte) bool) { l.filter = keep }

// Stats returns what was counted so far.
func (l *Link) Stats() LinkStats { return l.stats }

// QueueDelay is how long a packet that entered the link now would wait before its turn.
func (l *Link) QueueDelay() time.Duration {
	if l.service.pos == 0 {
		return 0
	}
	return time.Duration(l.service.at-l.sim.now) + l.transmissionTime(l.waitingBytes)
}

func (l *Link) transmissionTime(bytes int) time.Duration {
	if l.config.Rate <= 0 {
		return 0
	}
	bits := int64(bytes) * 8
	whole, rest := bits/l.config.Rate, bits%l.config.Rate
	return time.Duration(whole)*time.Second + time.Duration(float64(rest)/float64(l.config.Rate)*1e9)
}

// send puts p on the link, which owns it from now on.
func (l *Link) send(p *packet) {
	l.stats.Sent++
	l.stats.SentBytes += int64(len(p.data))
	switch {
	case l.filter != nil && !l.filter(l.sim.clock, p.data):
		l.stats.Filtered++
		l.vanish(p, "filtered")
	case l.config.MTU > 0 && len(p.data) > l.config.MTU:
		l.stats.TooLarge++
		l.vanish(p, "too large")
	case l.service.pos != 0:
		if l.config.Queue > 0 && l.waitingBytes+len(p.data) > l.config.Queue {
			l.stats.Dropped++
			l.vanish(p, "queue full")
			return
		}
		p.queued = l.sim.now
		l.waiting.push(p)
		l.waitingBytes += len(p.data)
		l.stats.MaxQueueBytes = max(l.stats.MaxQueueBytes, l.waitingBytes)
	case l.config.Rate > 0:
		l.waiting.push(p)
		l.sim.arm(&l.service, l.sim.now+int64(l.transmissionTime(len(p.data))))
	default:
		l.fly(p)
	}
}

// served ends the transmission of the packet at the head of the queue and begins that of the next.
func (l *Link) served() {
	p := l.waiting.pop()
	if next := l.waiting.head; next != nil {
		l.waitingBytes -= len(next.data)
		l.stats.MaxQueueDelay = max(l.stats.MaxQueueDelay, time.Duration(l.sim.now-next.queued))
		l.sim.arm(&l.service, l.sim.now+int64(l.transmissionTime(len(next.data))))
	}
	l.fly(p)
}

// fly takes p from the bottleneck to its arrival.
func (l *Link) fly(p *packet) {
	c := &l.config
	if l.loses() {
		l.stats.Lost++
		l.vanish(p, "lost")
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
		l.flyAlone(p)
		return
	}
	p.at = max(p.at, l.lastArrival)
	l.lastArrival = p.at
	var twin *packet
	if c.Duplicate > 0 && l.rng.Float64() < c.Duplicate {
		l.stats.Duplicated++
		twin = l.sim.takePacket()
		twin.data = append(twin.data[:0], p.data...)
		twin.at, twin.src, twin.dst = p.at, p.src, p.dst
	}
	l.flying.push(p)
	if twin != nil {
		l.flying.push(twin)
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

// arrived hands over the packet at the head of those that fly in order.
func (l *Link) arrived() {
	p := l.flying.pop()
	if next := l.flying.head; next != nil {
		l.sim.arm(&l.arrival, next.at)
	}
	l.handOver(p)
}

// A stray is the timer of a packet that flies outside the order of its link.
type stray struct {
	timer
	link   *Link
	packet *packet
}

func (l *Link) flyAlone(p *packet) {
	if p.stray == nil {
		st := &stray{packet: p}
		st.fire = func() { st.link.handOver(st.packet) }
		p.stray = st
	}
	p.stray.link = l
	l.sim.arm(&p.stray.timer, p.at)
}

func (l *Link) handOver(p *packet) {
	l.stats.Delivered++
	l.stats.DeliveredBytes += int64(len(p.data))
	if l.sim.trace != nil {
		l.sim.tracef("%s: %d bytes", l.name, len(p.data))
	}
	l.to.deliver(p)
}

func (l *Link) vanish(p *packet, why string) {
	if l.sim.trace != nil {
		l.sim.tracef("%s: %d bytes %s", l.name, len(p.data), why)
	}
	l.sim.dropPacket(p)
}
