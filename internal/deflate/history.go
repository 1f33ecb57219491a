package deflate

// minHistory is the first size of a history's ring, in bytes.
const minHistory = 256

// history is the window of a decompressor: a ring of the last bytes of earlier calls. The ring
// grows with the bytes written, up to size. (internal/ring is a queue of elements; here whole
// slices are copied.)
type history struct {
	ring []byte
	next int // the index of the next byte
	n    int // the number of bytes
	size int // the maximum of n
}

func (h *history) reset() { h.next, h.n = 0, 0 }

// write appends p, and drops the oldest bytes.
func (h *history) write(p []byte) {
	if len(p) > h.size {
		p = p[len(p)-h.size:]
	}
	if need := min(h.n+len(p), h.size); need > len(h.ring) {
		// The ring grows before it wraps around.
		grown := max(minHistory, len(h.ring))
		for grown < need {
			grown *= 2
		}
		ring := make([]byte, min(grown, h.size))
		copy(ring, h.ring[:h.n])
		h.ring = ring
		h.next = h.n
	}
	h.n = min(h.n+len(p), h.size)
	first := copy(h.ring[h.next:], p)
	h.next += first
	if first < len(p) || h.next == len(h.ring) {
		h.next = copy(h.ring, p[first:])
	}
}

// copyTo copies the bytes that begin back bytes before the end to p, as many as fit, and returns
// their number. back must not exceed the number of bytes.
func (h *history) copyTo(p []byte, back int) int {
	p = p[:min(len(p), back)]
	from := h.next - back
	if from >= 0 {
		return copy(p, h.ring[from:])
	}
	from += len(h.ring)
	n := copy(p, h.ring[from:])
	return n + copy(p[n:], h.ring)
}
