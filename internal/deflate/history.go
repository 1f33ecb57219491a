package deflate

// minHistory is what a history starts with, in bytes.
const minHistory = 256

// history is a ring of the last bytes of earlier calls. It grows to its size as bytes come.
type history struct {
	ring []byte
	next int // where the next byte goes
	n    int // how many bytes there are
	size int // at most
}

func (h *history) reset() { h.next, h.n = 0, 0 }

// write adds p.
func (h *history) write(p []byte) {
	if len(p) > h.size {
		p = p[len(p)-h.size:]
	}
	if need := min(h.n+len(p), h.size); need > len(h.ring) {
		// It has not wrapped around yet: it grows before it does.
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

// copyTo copies to p what lies back bytes before the end, up to the end, and returns how many bytes that was. There must be
// as many.
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
