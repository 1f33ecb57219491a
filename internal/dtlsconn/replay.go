package dtlsconn

const (
	// replayWindow is the number of records by which an accepted record may be older than the
	// newest. RFC 6347, section 4.1.2.6 requires 32 and prefers 64. That is about one batch of a
	// socket: datagrams merged by GRO hold 52 records of 1,200 bytes, and paths with several queues
	// reorder whole batches. 4,096 records are 40 ms at 1 Gbit/s, and take 512 bytes of memory.
	replayWindow = 4096

	replayWords = replayWindow / 64
)

// replayFilter is the sliding window of received sequence numbers, a ring of words that moves
// forward without shifting (RFC 6479). Because it moves by whole words, the window has between
// replayWindow-63 and replayWindow numbers. The zero value is a window without received numbers.
type replayFilter struct {
	newest uint64
	seen   [replayWords]uint64
}

// fresh reports whether a record with the sequence number may be accepted. It does not change the
// window: only an authentic record does.
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

// Newest returns the greatest sequence number of an authentic record so far. It reports false
// during the handshake, and for a cipher suite without a fast path. An owner compares it before and
// after Receive to find out whether the datagram was authentic and newer than all others, which RFC
// 9146, section 6 requires before the address of the peer is changed. It must not be called
// concurrently with Receive.
func (c *Conn) Newest() (sequence uint64, ok bool) {
	rx := c.rx.Load()
	if rx == nil {
		return 0, false
	}
	return rx.replay.newest, true
}

// accept adds the sequence number of an authentic record for which fresh has reported true.
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
