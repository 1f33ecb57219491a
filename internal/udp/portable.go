package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

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
			if failures++; s.closed.Load() || errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				return err
			}
			continue
		}
		failures = 0
		if s.closed.Load() {
			return nil
		}
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

// sendPortable writes one datagram a call. The calls of a conn that is not a kernel socket may
// block, and are therefore made by a goroutine of the backlog.
func (s *Socket) sendPortable(datagrams []link.Datagram) error {
	if s.closed.Load() {
		return fmt.Errorf("udp: send: %w", net.ErrClosed)
	}
	if s.packets != nil {
		s.backlog.mu.Lock()
		defer s.backlog.mu.Unlock()
		s.keep(datagrams, s.drainOneByOne)
		return nil
	}
	var failed *SendError
	sent := 0
	for i := range datagrams {
		d := &datagrams[i]
		to := netip.AddrPortFrom(d.To.Addr().Unmap(), d.To.Port())
		var err error
		if !s.families.speaks(to.Addr()) {
			err = ErrAddressFamily
		} else {
			err = s.writeOne(d.Data, to)
		}
		if err != nil && (s.closed.Load() || errors.Is(err, net.ErrClosed)) {
			return fmt.Errorf("udp: send: %w", err)
		}
		if err == nil {
			sent++
			continue
		}
		if failed == nil {
			failed = &SendError{To: d.To, Err: err}
		}
		failed.Count++
	}
	s.writeCalls.Add(int64(len(datagrams)))
	s.sentCount.Add(int64(sent))
	if failed == nil {
		return nil
	}
	s.unsent.Add(int64(failed.Count))
	return failed
}
