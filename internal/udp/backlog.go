package udp

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// maxBacklog bounds the bytes that a socket keeps for lack of room in the system: two full
	// batches. An owner stops at its first batch that does not fit; the second is for others that
	// share the socket.
	maxBacklog = 2 * link.MaxOutbound
	// maxUrgentBacklog bounds the bytes of STUN kept in addition. They are sent first: without them
	// consent would expire.
	maxUrgentBacklog = 1 << 16
	// closeDelay bounds the time in which the backlog of a closed socket is sent.
	closeDelay = 500 * time.Millisecond
	// lastSTUN is the greatest first byte of a STUN message: RFC 7983, section 7.
	lastSTUN = 3
)

// backlog is the queue of datagrams of a socket while the system has no room for them. A goroutine
// that exists only while the queue is not empty sends them. Meanwhile Send only adds to the queue:
// the goroutine waits with a lock of the socket held.
type backlog struct {
	mu      sync.Mutex // held during attempts to send, which do not block
	active  atomic.Bool
	lanes   [2]lane // STUN, and all others
	waiters []func()
	drains  sync.WaitGroup // the goroutine
	// closing is the timer that closes the conn if a closed socket still has a backlog.
	closing *time.Timer
}

// lane is a queue of datagrams.
type lane struct {
	out  link.Outbound
	done int // datagrams sent or given up
}

// add copies datagrams to the backlog, and returns the number that did not fit.
func (b *backlog) add(datagrams []link.Datagram) (dropped int) {
	for i := range datagrams {
		d := &datagrams[i]
		l, limit := &b.lanes[1], maxBacklog
		if len(d.Data) > 0 && d.Data[0] <= lastSTUN {
			l, limit = &b.lanes[0], maxUrgentBacklog
		}
		if l.out.Size()+len(d.Data) > limit {
			dropped++
			continue
		}
		l.out.Commit(d.Data, d.To)
	}
	return dropped
}

// next returns the lane to send from, or nil.
func (b *backlog) next() *lane {
	for i := range b.lanes {
		if l := &b.lanes[i]; l.done < l.out.Len() {
			return l
		}
	}
	return nil
}

// clear ends the backlog. The caller calls the returned functions after it has released the mutex:
// those passed to NotifyClear, and one that closes the conn of a closed socket.
func (s *Socket) clear() (calls []func()) {
	b := &s.backlog
	for i := range b.lanes {
		b.lanes[i].out.Reset()
		b.lanes[i].done = 0
	}
	b.active.Store(false)
	calls, b.waiters = b.waiters, nil
	if b.closing != nil && b.closing.Stop() {
		calls = append(calls, func() { _ = s.closeConn() })
	}
	return calls
}

// Congested reports whether datagrams are queued because the system has no room.
func (s *Socket) Congested() bool { return s.backlog.active.Load() }

// NotifyClear arranges for one call of f, on another goroutine, when the socket is no longer
// congested. It reports false and has no effect if the socket is not congested.
func (s *Socket) NotifyClear(f func()) bool {
	b := &s.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.active.Load() {
		return false
	}
	b.waiters = append(b.waiters, f)
	return true
}

// keep queues datagrams and starts drain in a goroutine if none runs. The mutex of the backlog is
// held.
func (s *Socket) keep(datagrams []link.Datagram, drain func()) {
	if n := s.backlog.add(datagrams); n > 0 {
		s.dropped.Add(int64(n))
	}
	if !s.backlog.active.Swap(true) {
		s.backlog.drains.Go(drain)
	}
}

// drainOneByOne sends the backlog over a conn whose calls may block.
func (s *Socket) drainOneByOne() {
	b := &s.backlog
	b.mu.Lock()
	for l := b.next(); l != nil && !s.connClosed.Load(); l = b.next() {
		d := l.out.Datagrams()[l.done]
		b.mu.Unlock()
		err := s.writeOne(d.Data, d.To)
		s.writeCalls.Add(1)
		if err == nil {
			s.sentCount.Add(1)
		} else {
			s.unsent.Add(1)
		}
		b.mu.Lock()
		l.done++
	}
	calls := s.clear()
	b.mu.Unlock()
	for _, f := range calls {
		f()
	}
}
