package sctp

import "github.com/rtcstack/rtcstack/internal/ring"

// controlQueue holds the answers to packets until the next Transmit: chunks for the next packet of
// the association, and whole packets with a verification tag of their own. Its buffers are bounded,
// because the peer determines how much there is to answer.
type controlQueue struct {
	chunks  []byte             // encoded chunks, each padded
	errors  []byte             // error causes for one ERROR chunk
	packets ring.Queue[[]byte] // whole packets, without checksum
	dropped uint64             // answers for which there was no room
}

const (
	// maxControlBytes bounds the queued chunks: a few HEARTBEAT ACKs and the like. The peer's
	// timers repeat the request for an answer that is dropped.
	maxControlBytes = 4096
	// maxControlPackets bounds the queued packets likewise.
	maxControlPackets = 4
	// maxErrorBytes keeps the ERROR chunk small enough to be bundled.
	maxErrorBytes = 300
)

// add appends an encoded chunk.
func (q *controlQueue) add(c []byte) {
	if len(q.chunks)+len(c) > maxControlBytes {
		q.dropped++
		return
	}
	q.chunks = append(q.chunks, c...)
}

// flag queues a chunk without a value.
func (q *controlQueue) flag(t chunkType) {
	q.add([]byte{byte(t), 0, 0, chunkHeaderSize})
}

// errorCause queues a cause for the next ERROR chunk.
func (q *controlQueue) errorCause(code CauseCode, value []byte) {
	value = value[:min(len(value), maxErrorBytes/2)]
	if len(q.errors)+pad4(len(value)+paramHeaderSize) > maxErrorBytes {
		q.dropped++
		return
	}
	q.errors = appendCause(q.errors, code, value)
}

// take moves queued chunks to dst, as many as fit up to limit.
func (q *controlQueue) take(dst []byte, limit int) []byte {
	if n := len(q.errors); n > 0 && len(dst)+chunkHeaderSize+n <= limit {
		start := len(dst)
		dst = appendChunkHeader(dst, chunkError, 0)
		dst = append(dst, q.errors...)
		dst = endChunk(dst, start)
		q.errors = q.errors[:0]
	}
	used := 0
	for rest := q.chunks; len(rest) > 0; {
		_, next, _ := nextChunk(rest)
		n := len(rest) - len(next)
		if len(dst)+n > limit {
			break
		}
		dst = append(dst, rest[:n]...)
		used += n
		rest = next
	}
	q.chunks = q.chunks[:copy(q.chunks, q.chunks[used:])]
	return dst
}

// beginPacket returns the beginning of a packet with its own verification tag.
func (q *controlQueue) beginPacket(cfg *Config, tag uint32) []byte {
	return appendCommonHeader(make([]byte, 0, 64), cfg.SourcePort, cfg.DestinationPort, tag)
}

// endPacket queues a packet that beginPacket began.
func (q *controlQueue) endPacket(p []byte) {
	if q.packets.Len() >= maxControlPackets {
		q.dropped++
		return
	}
	q.packets.Push(p)
}

// takePacket appends the next queued packet to dst.
func (q *controlQueue) takePacket(dst []byte) ([]byte, bool) {
	packet, ok := q.packets.Pop()
	if !ok {
		return dst, false
	}
	q.packets.Trim()
	start := len(dst)
	dst = append(dst, packet...)
	setChecksum(dst[start:])
	return dst, true
}
