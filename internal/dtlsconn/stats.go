package dtlsconn

import "sync/atomic"

// Stats is a snapshot of a Conn's counters. Records are those of application data, bytes those of
// their plaintext.
type Stats struct {
	RecordsSent, RecordsReceived uint64
	BytesSent, BytesReceived     uint64

	// Replayed counts records whose sequence number was received before or is too old.
	Replayed uint64
	// BadMAC counts records that failed authentication.
	BadMAC uint64
	// Discarded counts records and datagrams that are malformed, of another epoch, or of no use
	// after the handshake.
	Discarded uint64
	// EarlyDropped counts datagrams that arrived before they could be processed, and that exceeded
	// a limit.
	EarlyDropped uint64
	// OutputDropped counts outgoing datagrams that the queue dropped before Transmit was called.
	OutputDropped uint64
	// FlightsRepeated counts the repetitions of the last flight that the peer has caused.
	FlightsRepeated uint64
}

// counters are the Stats that several goroutines may write.
type counters struct {
	recordsSent, recordsReceived atomic.Uint64
	bytesSent, bytesReceived     atomic.Uint64
	replayed, badMAC, discarded  atomic.Uint64
	earlyDropped                 atomic.Uint64
	flightsRepeated              atomic.Uint64
}

// Stats returns the counters. It may be called at any time, from any goroutine.
func (c *Conn) Stats() Stats {
	s := Stats{
		RecordsSent:     c.counters.recordsSent.Load(),
		RecordsReceived: c.counters.recordsReceived.Load(),
		BytesSent:       c.counters.bytesSent.Load(),
		BytesReceived:   c.counters.bytesReceived.Load(),
		Replayed:        c.counters.replayed.Load(),
		BadMAC:          c.counters.badMAC.Load(),
		Discarded:       c.counters.discarded.Load(),
		EarlyDropped:    c.counters.earlyDropped.Load(),
		FlightsRepeated: c.counters.flightsRepeated.Load(),
	}
	c.out.mu.Lock()
	s.OutputDropped = c.out.dropped
	c.out.mu.Unlock()
	if tx := c.tx.Load(); tx != nil {
		tx.mu.Lock()
		s.RecordsSent += tx.records
		s.BytesSent += tx.bytes
		tx.mu.Unlock()
	}
	return s
}
