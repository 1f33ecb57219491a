package udp

import (
	"sync"
	"sync/atomic"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// maxBacklog is how many bytes a socket keeps for which the system has no room: two full batches. Owners stop at the first that
	// does not fit, so that the second is for those who share the socket.
	maxBacklog = 2 * link.MaxOutbound
	// maxUrgentBacklog is how many bytes of STUN it keeps besides. They go first: without them consent expires.
	maxUrgentBacklog = 1 << 16
	// lastSTUN is the last value of the first byte of a STUN message (https://www.rfc-editor.org/rfc/rfc7983.html#section-7).
	lastSTUN = 3
)

// backlog is the datagrams that a socket keeps while the system has no room for them. A goroutine that exists only while there are
// any sends them. Whoever sends meanwhile adds to them and does not touch the socket, whose lock the goroutine holds while it waits.
type backlog struct {
	mu      sync.Mutex // held during attempts to send, which do not wait
	active  atomic.Bool
	lanes   [2]lane // STUN, and everything else
	waiters []func()
}

// lane is a queue of datagrams.
type lane struct {
	out  link.Outbound
	done int // how many of its first datagrams are sent or given up
}

// add copies datagrams to the backlog, and returns how many there was no room for.
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

// next returns the lane to send from, nil if all is sent.
func (b *backlog) next() *lane {
	for i := range b.lanes {
		if l := &b.lanes[i]; l.done < l.out.Len() {
			return l
		}
	}
	return nil
}

// clear ends the backlog, and returns what to call without the mutex.
func (b *backlog) clear() (waiters []func()) {
	for i := range b.lanes {
		b.lanes[i].out.Reset()
		b.lanes[i].done = 0
	}
	b.active.Store(false)
	waiters, b.waiters = b.waiters, nil
	return waiters
}

// Congested reports whether the system has no room for what was sent last.
func (s *Socket) Congested() bool { return s.backlog.active.Load() }

// NotifyClear has f called once, on another goroutine, when the socket is not congested any more. It reports false, and
// does nothing, if it is not now.
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

// keep adds datagrams that the system has no room for to the backlog, and starts the goroutine that sends them, if none runs. The mutex of the
// backlog is held.
func (s *Socket) keep(datagrams []link.Datagram, drain func()) {
	if n := s.backlog.add(datagrams); n > 0 {
		s.dropped.Add(int64(n))
	}
	if !s.backlog.active.Swap(true) {
		go drain()
	}
}

// drainOneByOne sends the backlog over a conn that may wait in each call.
func (s *Socket) drainOneByOne() {
	b := &s.backlog
	b.mu.Lock()
	for l := b.next(); l != nil && !s.closed.Load(); l = b.next() {
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
	waiters := b.clear()
	b.mu.Unlock()
	for _, f := range waiters {
		f()
	}
}
