package dtlsconn

import "bytes"

// Limits of the early datagrams: those that arrive before Start, such as a ClientHello that is
// faster than the signalling, and application data and alerts that overtake the end of the
// handshake. If they are dropped the peer retransmits them after a timeout. A flight of the
// handshake has some four datagrams, and the first application data is an SCTP INIT; a peer that
// sends more than this has opened its congestion window, and handles losses.
const (
	maxEarlyDatagrams = 64
	maxEarlyBytes     = 64 << 10
)

// earlyQueue holds copies of early datagrams, in order.
type earlyQueue struct {
	datagrams [][]byte
	bytes     int
}

// add appends a copy of a datagram. It reports false if a limit is reached.
func (q *earlyQueue) add(datagram []byte) bool {
	if len(q.datagrams) >= maxEarlyDatagrams || q.bytes+len(datagram) > maxEarlyBytes {
		return false
	}
	q.datagrams = append(q.datagrams, bytes.Clone(datagram))
	q.bytes += len(datagram)
	return true
}

// take returns the datagrams and empties the queue.
func (q *earlyQueue) take() [][]byte {
	datagrams := q.datagrams
	*q = earlyQueue{}
	return datagrams
}
