package dtlsconn

import (
	"sync"
	"sync/atomic"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// Limits of the queue of outgoing datagrams. A flight of the handshake has some four datagrams of
// 1,200 bytes, or some twenty of the smallest MTU with a large certificate; the queue holds several
// flights of an owner that has no path yet. Beyond a limit the oldest datagrams are dropped: the
// newest flight is the one to send, and nothing follows an alert.
const (
	maxQueuedDatagrams = 64
	maxQueuedBytes     = 64 << 10
)

// outgoing is the queue between the Conn and Transmit: all datagrams that the owner does not seal
// itself, in the order in which they are to be sent.
type outgoing struct {
	length atomic.Int32 // datagrams in the queue

	mu        sync.Mutex
	sizes     ring.Queue[int] // of the datagrams, whose bytes lie one after the other in
	bytes     []byte          // from
	start     int             // on
	announced bool            // Ready was called since the queue was empty last
	silent    bool            // Ready is not called any more
	transient bool            // an empty queue keeps no memory
	dropped   uint64
}

// add appends a copy of a datagram, if it is not empty.
func (q *outgoing) add(datagram []byte) {
	if len(datagram) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.sizes.Len() > 0 && (q.sizes.Len() >= maxQueuedDatagrams || len(q.bytes)-q.start+len(datagram) > maxQueuedBytes) {
		q.pop()
		q.dropped++
	}
	if q.start > 0 && len(q.bytes)+len(datagram) > cap(q.bytes) {
		q.bytes = q.bytes[:copy(q.bytes, q.bytes[q.start:])]
		q.start = 0
	}
	q.bytes = append(q.bytes, datagram...)
	q.sizes.Push(len(datagram))
	q.length.Store(int32(q.sizes.Len()))
}

// pop removes the oldest datagram and returns its bytes, which are valid until the next add. The
// queue is not empty, and mu is held.
func (q *outgoing) pop() []byte {
	size, _ := q.sizes.Pop()
	datagram := q.bytes[q.start : q.start+size]
	q.start += size
	q.length.Store(int32(q.sizes.Len()))
	if q.sizes.Len() == 0 {
		q.bytes, q.start, q.announced = q.bytes[:0], 0, false
		if q.transient {
			q.bytes = nil
			q.sizes.Clear()
		}
	}
	return datagram
}

// transmit moves the oldest datagram to dst.
func (q *outgoing) transmit(dst []byte) ([]byte, bool) {
	if q.length.Load() == 0 {
		return dst, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sizes.Len() == 0 {
		return dst, false
	}
	return append(dst, q.pop()...), true
}

// announce calls start, which starts a goroutine for Ready, unless the owner has been notified
// already that the queue is not empty. The goroutine is started under mu, so that none is started
// after silence has returned.
func (q *outgoing) announce(start func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sizes.Len() > 0 && !q.announced && !q.silent {
		q.announced = true
		start()
	}
}

// silence ends announcements.
func (q *outgoing) silence() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.silent = true
}

// shrink frees the memory of the queue whenever it is empty: after the handshake it hardly ever is
// not.
func (q *outgoing) shrink() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.transient = true
	if q.sizes.Len() == 0 {
		q.bytes = nil
		q.sizes.Clear()
	}
}

// Transmit appends the next outgoing datagram to dst and returns the extended slice, or dst and
// false if there is none: flights of the handshake, alerts, and everything that Write sends. It is
// complete: the owner sends it to the peer as it is, in the order of the calls.
//
// The owner calls Transmit until it reports false
//
//   - after Ready was called, and only then: Ready is not called again before;
//   - after each call of Receive, Write and Close, and of Seal when it returns
//     ErrSequenceExhausted: none of these calls Ready for what it queues;
//   - before it sends a datagram with records of Seal, so that the last flight of the handshake
//     precedes the first of them. A record sealed before Close precedes close_notify if the owner
//     sends it before it calls Transmit.
//
// It may be called from any goroutine, also with the owner's lock held, and does not wait for a
// callback. An owner that calls it from several goroutines must send the datagrams in the same
// order.
// It does not allocate if dst has room, Config.MTU bytes for datagrams of the handshake.
func (c *Conn) Transmit(dst []byte) ([]byte, bool) { return c.out.transmit(dst) }

// HasOutput reports whether Transmit has a datagram. It takes no lock.
func (c *Conn) HasOutput() bool { return c.out.length.Load() > 0 }

// handshakeOutput queues a datagram of pion/dtls, which calls it from its goroutines, with locks of
// its own held, or from within Write and Close of the Conn. Ready is called in another goroutine,
// so that the owner's lock is not taken with those held.
func (c *Conn) handshakeOutput(datagram []byte) {
	c.out.add(datagram)
	if c.calls.Load() > 0 {
		return // the owner is in Write or Close, and calls Transmit afterwards
	}
	c.out.announce(func() { c.goroutines.Go(c.cfg.Ready) })
}

// notify calls Ready if something is queued. It is for the Conn's own goroutines, without locks.
func (c *Conn) notify() {
	if c.out.length.Load() > 0 {
		c.cfg.Ready()
	}
}
