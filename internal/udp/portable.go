package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// maxDatagram is the largest datagram that is received one by one: a jumbo frame. Larger ones are cut or lost. The buffer of this
	// size is held while waiting, as only some systems can tell beforehand that there is something to read.
	maxDatagram = 9216

	// maxReadErrors in succession end Serve, which otherwise would spin on a broken socket.
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

// sendPortable writes one datagram a call. A conn that is not the system's may wait in each, and therefore is written to by a goroutine of
// its own.
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
