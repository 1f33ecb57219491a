package udp

import (
	"errors"
	"fmt"
	"net"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// maxDatagram is the size of the largest datagram that is received one by one: a jumbo frame.
	// Larger ones are truncated or lost. The buffer is held while waiting, because only some
	// systems can wait without one.
	maxDatagram = 9216

	// maxReadErrors is the number of successive errors that end Serve, so that a broken socket does
	// not cause a busy loop.
	maxReadErrors = 100
)

// servePortable reads one datagram a call.
func (s *Socket) servePortable(handle func(*link.Inbound)) error {
	buf := make([]byte, maxDatagram)
	var batch link.Inbound
	for failures := 0; ; {
		n, from, err := s.readOne(buf)
		if err != nil {
			if failures++; s.connClosed.Load() || errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				return err
			}
			continue
		}
		failures = 0
		if !from.IsValid() {
			continue
		}
		s.readCalls.Add(1)
		s.received.Add(1)
		batch.Reset()
		batch.Add(buf[:n:n], from)
		handle(&batch)
	}
}

// sendPortable writes one datagram a call. It queues the datagrams for which the system has no
// room, and all of them if every call may block: that of a conn that is not a kernel socket, and
// that of a system without another call. A goroutine of the backlog sends those.
func (s *Socket) sendPortable(datagrams []link.Datagram) error {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	if s.closed.Load() {
		return fmt.Errorf("udp: send: %w", net.ErrClosed)
	}
	if s.direct == nil || s.backlog.active.Load() {
		s.keep(datagrams, s.drainOneByOne)
		return nil
	}
	n, err := s.direct.send(datagrams)
	if n < len(datagrams) && (err == nil || errors.As(err, new(*SendError))) {
		s.keep(datagrams[n:], s.drainOneByOne)
	}
	return err
}
