package dtlsconn

import "bytes"

// What is kept of datagrams that arrive before anything can be done with them: before Start, when the peer's
// ClientHello is faster than our signalling, and application data that overtakes the end of the handshake.
// Losing either costs the peer a retransmission timeout. A handshake flight is some four datagrams, and the first
// application data an SCTP INIT; whoever sends more than this has a congestion window already.
const (
	maxEarlyDatagrams = 64
	maxEarlyBytes     = 64 << 10
)

// earlyQueue keeps copies of early datagrams, in order.
type earlyQueue struct {
	datagrams [][]byte
	bytes     int
}

// add keeps a copy of the datagram, or reports false when the limits forbid it.
func (q *earlyQueue) add(datagram []byte) bool {
	if len(q.datagrams) >= maxEarlyDatagrams || q.bytes+len(datagram) > maxEarlyBytes {
		return false
	}
	q.datagrams = append(q.datagrams, bytes.Clone(datagram))
	q.bytes += len(datagram)
	return true
}

// take empties the queue.
func (q *earlyQueue) take() [][]byte {
	datagrams := q.datagrams
	*q = earlyQueue{}
	return datagrams
}
