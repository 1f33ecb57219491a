package udp

import (
	"errors"
	"net"
	"net/netip"
)

const (
	// maxDatagram is the largest datagram that is received one by one: a jumbo frame. Larger ones are cut or lost. The buffer of this
	// size is held while waiting, as only some systems can tell beforehand that there is something to read.
	maxDatagram = 9216

	// maxReadErrors in succession end Serve, which otherwise would spin on a broken socket.
	maxReadErrors = 100
)

// servePortable reads one datagram a call.
func (s *Socket) servePortable(handle func(*Batch)) error {
	buf := make([]byte, maxDatagram)
	var batch Batch
	for failures := 0; ; {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if failures++; errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				return err
			}
			continue
		}
		failures = 0
		s.readCalls.Add(1)
		s.received.Add(1)
		batch.datagrams = batch.datagrams[:0]
		batch.add(buf[:n:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		handle(&batch)
	}
}

// sendPortable writes one datagram a call.
func (s *Socket) sendPortable(datagrams []datagram) error {
	var failed *SendError
	sent := 0
	for i := range datagrams {
		d := &datagrams[i]
		to := netip.AddrPortFrom(d.to.Addr().Unmap(), d.to.Port())
		var err error
		if to.Addr().Is4() != s.local.Addr().Is4() {
			err = ErrAddressFamily
		} else {
			_, err = s.conn.WriteToUDPAddrPort(d.data, to)
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err == nil {
			sent++
			continue
		}
		if failed == nil {
			failed = &SendError{To: d.to, Err: err}
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
