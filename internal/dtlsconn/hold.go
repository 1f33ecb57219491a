package dtlsconn

import "bytes"

// What is kept of datagrams that arrive before anything can be done with them: before Start, when the peer's
// ClientHello is faster than our signalling, and application data that overtakes the end of the handshake.
// Losing either costs the peer a retransmission timeout. A handshake flight is some four datagrams, and the first
// application data an SCTP INIT; whoever sends more than this has a congestion window already.
const (
	maxHeldDatagrams = 64
	maxHeldBytes     = 64 << 10
)

// holdQueue keeps copies of early datagrams, in order.
type holdQueue struct {
	datagrams [][]byte
	bytes     int
}

// add keeps a copy of the datagram, or reports false when the limits forbid it.
func (q *holdQueue) add(datagram []byte) bool {
	if len(q.datagrams) >= maxHeldDatagrams || q.bytes+len(datagram) > maxHeldBytes {
		return false
	}
	q.datagrams = append(q.datagrams, bytes.Clone(datagram))
	q.bytes += len(datagram)
	return true
}

// take empties the queue.
func (q *holdQueue) take() [][]byte {
	datagrams := q.datagrams
	*q = holdQueue{}
	return datagrams
}
