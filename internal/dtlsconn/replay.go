package dtlsconn

const (
	// replayWindow is how far, in records, a record may fall behind the newest and still be told from a
	// replay. RFC 6347 asks for at least 32 and prefers 64, which is less than one batch of today's
	// sockets: a GRO super-packet holds 52 records of 1,200 bytes, and paths with several queues
	// overtake by whole batches. 4,096 records are 40 ms at 1 Gbit/s, and cost 512 bytes an association.
	// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.1.2.6
	replayWindow = 4096

	replayWords = replayWindow / 64
)

// replayFilter is the sliding window of received sequence numbers, as a ring of words that moves
// forward without shifting (RFC 6479). The word that holds the newest number is only partly in the future, so
// the window spans between replayWindow-63 and replayWindow numbers.
// The zero value has seen nothing.
type replayFilter struct {
	newest uint64
	seen   [replayWords]uint64
}

// fresh reports whether sequence may be accepted. It changes nothing: only a record that has proved
// authentic may move the window.
func (f *replayFilter) fresh(sequence uint64) bool {
	word := sequence / 64
	switch newest := f.newest / 64; {
	case word > newest:
		return true
	case newest-word >= replayWords:
		return false
	default:
		return f.seen[word%replayWords]&(1<<(sequence%64)) == 0
	}
}

// Newest returns the greatest sequence number of an authentic record so far, and false before there can be one: while the handshake
// goes on, and with a cipher suite that has no fast path. A caller that compares it before and after Receive learns whether the
// datagram was authentic and newer than all others (https://www.rfc-editor.org/rfc/rfc9146.html#section-6). It may be called where
// Receive may.
func (c *Conn) Newest() (sequence uint64, ok bool) {
	rx := c.rx.Load()
	if rx == nil {
		return 0, false
	}
	return rx.replay.newest, true
}

// accept notes the sequence number of an authentic record for which fresh was true.
func (f *replayFilter) accept(sequence uint64) {
	word := sequence / 64
	if newest := f.newest / 64; word > newest {
		for i := range min(word-newest, replayWords) {
			f.seen[(word-i)%replayWords] = 0
		}
	}
	f.newest = max(f.newest, sequence)
	f.seen[word%replayWords] |= 1 << (sequence % 64)
}
