package sctp

import (
	"encoding/binary"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/internal/serial"
)

// Message is a message from the peer.
type Message struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, opaque to SCTP
	Unordered bool   // it was sent unordered, and may have overtaken others
	// Data is never empty, and at most Config.MaxMessageSize bytes. Until Release it belongs to the
	// reader, which may change it.
	Data []byte

	buf    *bufpool.Buffer
	charge int
	reset  bool // not a message, but the reset of the stream: see Association.Event
}

// Charge returns the bytes by which the message reduces the receive window until Release: those of
// Data and an overhead.
func (m *Message) Charge() int { return m.charge }

// fragment is a run of consecutive fragments of one message that have arrived, or a whole message.
type fragment struct {
	dataHeader          // of the first that came; flags are those of the ends
	last         uint32 // the sequence number of the last; seq is that of the first
	head, tail   *bufpool.Buffer
	size         int
	charge       int
	preallocated bool // head has memory for a message like the previous one
	// The list of the incomplete runs of the stream.
	linked   bool
	previous *fragment
	next     *fragment
}

func (f *fragment) hasBeginning() bool { return f.flags&flagBeginning != 0 }
func (f *fragment) hasEnd() bool       { return f.flags&flagEnd != 0 }

// dataHeader is the header of a DATA or I-DATA chunk.
type dataHeader struct {
	tsn     uint32
	seq     uint32 // numbers the fragments: the TSN, or I-DATA's FSN
	ordinal uint32 // SSN, or I-DATA's MID
	ppid    uint32 // of the fragment that begins the message
	stream  uint16
	flags   uint8
}

func (h *dataHeader) unordered() bool { return h.flags&flagUnordered != 0 }

// sameMessage reports whether two fragments have the same stream, number and order.
func (h *dataHeader) sameMessage(g *dataHeader) bool {
	return h.stream == g.stream && h.ordinal == g.ordinal && h.unordered() == g.unordered()
}

// fragmentKey identifies the run of fragments that a fragment extends. The TSN is enough for DATA;
// I-DATA counts fragments in each message.
type fragmentKey struct {
	seq, ordinal uint32
	stream       uint16
	unordered    bool
}

// inStream is one incoming stream.
type inStream struct {
	next    uint32       // the ordinal to deliver next; an SSN is its lower half
	waiting waitingHeap  // whole ordered messages that wait for earlier ones
	runs    *fragment    // the incomplete messages, a list
	current [2]*fragment // with interleaving: see reassembly.current
	// skippedUMID is the last unordered MID that the peer abandoned.
	skippedUMID uint32
	skippedAny  bool
}

// reassembly assembles messages and puts them in order. A fragment is copied once out of its
// packet, behind the fragment before it if that has arrived; a message that arrived in more than
// one run is copied once more.
type reassembly struct {
	maxMessage   int
	interleaving bool
	streams      map[uint16]*inStream
	last         *inStream // the one looked up last, usually that of the next message
	lastID       uint16
	// Incomplete messages: their runs of fragments by first and last sequence number.
	byFirst, byLast map[fragmentKey]*fragment
	// current is the run that the last fragment extended. It is not in the maps, because usually
	// the next fragment extends it, too. With interleaving each stream has its own, for ordered and
	// unordered messages.
	current *fragment
	// ready holds messages and resets of their streams, in the order in which the reader gets them.
	// resetQueued are the streams whose last entry is a reset: another reset in a row adds no
	// information, so that the queued resets are bounded by the streams and messages.
	ready        ring.Queue[Message]
	resetQueued  streamSet
	charged      int // bytes charged to the receive window
	unreleased   int // bytes of them that were read and not released
	free         []*fragment
	lastSize     int    // of the previous message, an estimate for the next
	preallocated int    // runs whose memory has the size of that estimate
	stale        uint64 // messages whose number was delivered or abandoned before
	sweep        sweepState
}

const (
	// fragmentOverhead is charged to the receive window for each run of fragments and each message,
	// so that tiny ones cannot hold much more memory than the size of the window.
	fragmentOverhead = 128
	// windowSlack times the window is when data is dropped: the peer counts payload only, and data
	// that it sent within the advertised window must not be lost to our overhead. Messages smaller
	// than the overhead can still reach the bound.
	windowSlack = 2
	// maxFreeFragments bounds the fragment headers kept for reuse.
	maxFreeFragments = 256
	// maxSizeHint bounds the memory allocated for a message by the size of the previous one.
	maxSizeHint = 1 << 16
	// maxPreallocated bounds the runs that have such memory: it is not charged to the window.
	maxPreallocated = 8
)

func (r *reassembly) init(a *Association) { r.maxMessage = a.cfg.MaxMessageSize }

// release frees incomplete messages; whole messages can still be read.
func (r *reassembly) release() {
	if r.current != nil {
		r.discard(r.current)
	}
	for _, f := range r.byFirst {
		r.discard(f)
	}
	for _, s := range r.streams {
		r.releaseStream(s)
	}
	r.streams, r.last, r.byFirst, r.byLast, r.current, r.free = nil, nil, nil, nil, nil, nil
	r.sweep = sweepState{}
}

func (r *reassembly) releaseStream(s *inStream) {
	for _, f := range s.waiting {
		r.discard(f)
	}
	for _, f := range s.current {
		if f != nil {
			r.discard(f)
		}
	}
}

func (r *reassembly) stream(id uint16) *inStream {
	if r.last != nil && r.lastID == id {
		return r.last
	}
	s := r.streams[id]
	if s == nil {
		if r.streams == nil {
			r.streams = make(map[uint16]*inStream)
		}
		s = new(inStream)
		r.streams[id] = s
	}
	r.last, r.lastID = s, id
	return s
}

func (r *reassembly) newFragment() *fragment {
	if n := len(r.free); n > 0 {
		f := r.free[n-1]
		r.free = r.free[:n-1]
		return f
	}
	return new(fragment)
}

// recycle keeps a fragment's header for reuse; its buffers are gone.
func (r *reassembly) recycle(f *fragment) {
	if f.preallocated {
		r.preallocated--
	}
	r.unlink(f)
	*f = fragment{}
	if len(r.free) < maxFreeFragments {
		r.free = append(r.free, f)
	}
}

// discard drops a run of fragments or a whole message.
func (r *reassembly) discard(f *fragment) {
	r.charged -= f.charge
	for b := f.head; b != nil; {
		next := b.Next
		b.Free()
		b = next
	}
	r.recycle(f)
}

func (r *reassembly) key(h *dataHeader, seq uint32) fragmentKey {
	if !r.interleaving {
		return fragmentKey{seq: seq}
	}
	return fragmentKey{seq: seq, ordinal: h.ordinal, stream: h.stream, unordered: h.unordered()}
}

// slot returns the place of the current run for a message like h.
func (r *reassembly) slot(h *dataHeader) **fragment {
	if !r.interleaving {
		return &r.current
	}
	s := r.stream(h.stream)
	if h.unordered() {
		return &s.current[1]
	}
	return &s.current[0]
}

// unindex removes an incomplete run from the maps, and from its slot.
func (r *reassembly) unindex(f *fragment, slot **fragment) {
	if *slot == f {
		*slot = nil
		return
	}
	delete(r.byFirst, r.key(&f.dataHeader, f.seq))
	delete(r.byLast, r.key(&f.dataHeader, f.last))
}

func (r *reassembly) index(f *fragment) {
	if r.byFirst == nil {
		r.byFirst, r.byLast = make(map[fragmentKey]*fragment), make(map[fragmentKey]*fragment)
	}
	r.byFirst[r.key(&f.dataHeader, f.seq)] = f
	r.byLast[r.key(&f.dataHeader, f.last)] = f
}

// violation is the reason why an association is aborted with the cause Protocol Violation; "" if
// there is none.
type violation string

const (
	fragmentsDisagree violation = "fragments of one message disagree"
	messageTooLarge   violation = "message is larger than allowed"
)

// add processes one fragment. It returns a violation if the association has to be aborted.
func (r *reassembly) add(h *dataHeader, payload []byte) violation {
	const whole = flagBeginning | flagEnd
	if h.flags&whole == whole {
		if len(payload) > r.maxMessage {
			return messageTooLarge
		}
		r.complete(r.begin(h, payload))
		return ""
	}
	if r.interleaving && r.isAbandoned(h) {
		return "" // its message was abandoned meanwhile
	}
	slot := r.slot(h)
	f := r.continued(h, *slot)
	if f != nil {
		if !f.sameMessage(h) {
			return fragmentsDisagree
		}
		if f.size+len(payload) > r.maxMessage {
			return messageTooLarge
		}
		r.unindex(f, slot)
		r.extend(f, h, payload)
	} else {
		if len(payload) > r.maxMessage {
			return messageTooLarge
		}
		f = r.begin(h, payload)
		r.link(f)
	}
	if !f.hasEnd() {
		if v := r.joinNext(f, slot); v != "" {
			r.discard(f)
			return v
		}
	}
	if f.hasBeginning() && f.hasEnd() {
		r.complete(f)
		return ""
	}
	if *slot != nil {
		r.index(*slot)
	}
	*slot = f
	return ""
}

// isAbandoned reports whether the peer has abandoned the fragment's message.
func (r *reassembly) isAbandoned(h *dataHeader) bool {
	s := r.stream(h.stream)
	if h.unordered() {
		return s.skippedAny && serial.LessEqual32(h.ordinal, s.skippedUMID)
	}
	return serial.Less32(h.ordinal, s.next)
}

// begin returns a new run of one fragment.
func (r *reassembly) begin(h *dataHeader, payload []byte) *fragment {
	f := r.newFragment()
	*f = fragment{dataHeader: *h, last: h.seq, size: len(payload), charge: len(payload) + fragmentOverhead}
	room := len(payload)
	if f.hasBeginning() && !f.hasEnd() && room < r.lastSize && r.preallocated < maxPreallocated {
		room, f.preallocated = r.lastSize, true
		r.preallocated++
	}
	f.head = bufpool.Get(room)
	f.tail = f.head
	f.head.B = append(f.head.B, payload...)
	r.charged += f.charge
	return f
}

// extend appends the next fragment to a run.
func (r *reassembly) extend(f *fragment, h *dataHeader, payload []byte) {
	if cap(f.tail.B)-len(f.tail.B) < len(payload) {
		if f.head == f.tail {
			f.tail = f.tail.Grow(len(payload))
			f.head = f.tail
		} else {
			f.tail.Next = bufpool.Get(len(payload))
			f.tail = f.tail.Next
		}
	}
	f.tail.B = append(f.tail.B, payload...)
	f.size += len(payload)
	f.charge += len(payload)
	r.charged += len(payload)
	f.last, f.tsn = h.seq, h.tsn
	f.flags |= h.flags & flagEnd
}

// continued returns the run that the fragment continues, nil if it has not arrived.
func (r *reassembly) continued(h *dataHeader, current *fragment) *fragment {
	if h.flags&flagBeginning != 0 {
		return nil
	}
	f := current
	if f == nil || f.last != h.seq-1 || r.interleaving && f.ordinal != h.ordinal {
		if f = nil; len(r.byLast) > 0 {
			f = r.byLast[r.key(h, h.seq-1)]
		}
	}
	if f == nil || f.hasEnd() {
		return nil
	}
	return f
}

// joinNext appends to f the run that begins just after it.
func (r *reassembly) joinNext(f *fragment, slot **fragment) violation {
	var g *fragment
	if len(r.byFirst) > 0 {
		g = r.byFirst[r.key(&f.dataHeader, f.last+1)]
	}
	if c := *slot; g == nil && c != nil && c.seq == f.last+1 && (!r.interleaving || c.ordinal == f.ordinal) {
		g = c
	}
	if g == nil || g.hasBeginning() {
		return ""
	}
	if !g.sameMessage(&f.dataHeader) {
		return fragmentsDisagree
	}
	if f.size+g.size > r.maxMessage {
		return messageTooLarge
	}
	r.unindex(g, slot)
	// Runs that fit into one buffer share it, so that fragments of single bytes do not hold a
	// buffer each.
	if next := g.head; len(next.B) <= cap(f.tail.B)-len(f.tail.B) {
		f.tail.B = append(f.tail.B, next.B...)
		if f.tail.Next = next.Next; f.tail.Next != nil {
			f.tail = g.tail
		}
		next.Free()
	} else {
		f.tail.Next, f.tail = g.head, g.tail
	}
	f.size += g.size
	f.charge += g.charge - fragmentOverhead
	r.charged -= fragmentOverhead
	f.last, f.tsn = g.last, g.tsn
	f.flags |= g.flags & flagEnd
	r.recycle(g)
	return ""
}

// complete delivers a whole message, or queues it until earlier ones have arrived.
func (r *reassembly) complete(f *fragment) {
	r.lastSize = min(f.size, maxSizeHint)
	r.unlink(f)
	if f.unordered() {
		r.deliver(f)
		return
	}
	s := r.stream(f.stream)
	if !r.interleaving {
		// The SSN is ahead of the expected one by up to 65535, as its TSN may be.
		f.ordinal = s.next + uint32(uint16(f.ordinal)-uint16(s.next))
	}
	if f.ordinal == s.next {
		s.next++
		r.deliver(f)
		r.drain(s)
		return
	}
	if serial.Less32(f.ordinal, s.next) {
		// A message with this number was delivered or abandoned: a violation by the peer.
		r.stale++
		r.discard(f)
		return
	}
	s.waiting.push(f)
}

// extended returns an SSN with the upper half that the position of the stream implies.
func (r *reassembly) extended(s *inStream, ordinal uint32) uint32 {
	if r.interleaving {
		return ordinal
	}
	return s.next + uint32(int32(int16(uint16(ordinal)-uint16(s.next))))
}

// drain delivers the messages whose turn has come.
func (r *reassembly) drain(s *inStream) {
	for len(s.waiting) > 0 && serial.LessEqual32(s.waiting[0].ordinal, s.next) {
		f := s.waiting.pop()
		s.next = serial.Max32(s.next, f.ordinal+1)
		r.deliver(f)
	}
}

// deliver appends a whole message to the ready queue.
func (r *reassembly) deliver(f *fragment) {
	b := f.head
	if b.Next != nil || f.preallocated && cap(b.B) > 4*f.size { // the memory is more than what is charged
		b = bufpool.Get(f.size)
		for p := f.head; p != nil; {
			b.B = append(b.B, p.B...)
			next := p.Next
			p.Free()
			p = next
		}
	}
	r.resetQueued.remove(f.stream)
	m := r.ready.Add()
	m.Stream, m.PPID, m.Unordered = f.stream, f.ppid, f.unordered()
	m.Data, m.buf, m.charge = b.B, b, f.charge
	r.recycle(f)
}

// skip advances a stream over the ordered messages up to ordinal, which the peer has abandoned.
func (r *reassembly) skip(stream uint16, ordinal uint32) {
	s := r.stream(stream)
	ordinal = r.extended(s, ordinal)
	if serial.Less32(ordinal, s.next) {
		return
	}
	for len(s.waiting) > 0 && serial.LessEqual32(s.waiting[0].ordinal, ordinal) {
		r.deliver(s.waiting.pop())
	}
	s.next = ordinal + 1
	r.drain(s)
}

// acceptsData reports whether DATA is expected in the current state.
func (a *Association) acceptsData() bool {
	switch a.state {
	case StateEstablished, StateShutdownPending, StateShutdownSent:
		return true
	}
	return false
}

// receiveData processes a DATA or I-DATA chunk: RFC 9260, section 6.2.
func (a *Association) receiveData(t instant, c chunk) {
	if !a.acceptsData() {
		return
	}
	h, payload, ok := parseData(c)
	if !ok || (c.typ == chunkIData) != a.hand.interleaving {
		// RFC 8260, section 2.2.1: only the negotiated kind of the two may be used.
		a.stats.ChunksInvalid++
		return
	}
	if len(payload) == 0 {
		// RFC 9260, section 6.2: a DATA chunk without user data is answered by an ABORT with the
		// cause No User Data.
		var tsn [4]byte
		binary.BigEndian.PutUint32(tsn[:], h.tsn)
		a.abort(t, CauseNoUserData, string(tsn[:]), false)
		return
	}
	r := &a.recv
	r.newData = true
	a.stats.ChunksReceived++
	if c.flags&flagImmediate != 0 {
		r.sackNow = true
	}
	if serial.LessEqual32(h.tsn, r.cum) || h.tsn-r.cum > maxTSNAhead || r.seen(h.tsn) {
		if serial.LessEqual32(h.tsn, r.highest()) {
			a.stats.DuplicatesReceived++
			r.duplicate(h.tsn)
		} else {
			a.stats.ChunksInvalid++
		}
		return
	}
	if a.reasm.charged >= windowSlack*a.window.limit && !a.mustAccept(h.tsn) {
		a.stats.ChunksNoRoom++
		r.sackNow = true // advertises the closed window
		return
	}
	if h.stream >= a.hand.inStreams {
		// RFC 9260, section 6.5: the chunk is acknowledged, reported and dropped.
		r.add(h.tsn)
		a.ctl.errors = a.invalidStream(h.stream)
		return
	}
	if a.reset.mustQueue(&h) {
		if !a.queueChunk(c, h.tsn) {
			return
		}
	} else if why := a.reasm.add(&h, payload); why != "" {
		a.abort(t, CauseProtocolViolation, string(why), false)
		return
	}
	r.add(h.tsn)
	a.reset.received(a)
}

// parseData parses a DATA or I-DATA chunk.
func parseData(c chunk) (h dataHeader, payload []byte, ok bool) {
	v := c.value
	size := dataHeaderSize - chunkHeaderSize
	if c.typ == chunkIData {
		size = iDataHeaderSize - chunkHeaderSize
	}
	if len(v) < size {
		return h, nil, false
	}
	h = dataHeader{tsn: binary.BigEndian.Uint32(v), stream: binary.BigEndian.Uint16(v[4:]), flags: c.flags}
	if c.typ == chunkData {
		h.ordinal, h.ppid = uint32(binary.BigEndian.Uint16(v[6:])), binary.BigEndian.Uint32(v[8:])
		h.seq = h.tsn
	} else {
		h.ordinal = binary.BigEndian.Uint32(v[8:])
		if c.flags&flagBeginning != 0 {
			h.ppid = binary.BigEndian.Uint32(v[12:]) // and the FSN is 0
		} else {
			h.seq = binary.BigEndian.Uint32(v[12:])
		}
	}
	return h, v[size:], true
}

// mustAccept reports whether a chunk has to be accepted although the window is full: the chunk that
// fills the first gap, so that the data behind it is delivered, or any next chunk if the reader has
// nothing to read or release, so that only more data can free memory.
func (a *Association) mustAccept(tsn uint32) bool {
	return tsn == a.recv.cum+1 && (a.recv.missing() || a.reasm.ready.Len()+a.reasm.unreleased == 0) &&
		a.reasm.charged < (windowSlack+1)*a.window.limit
}

func (a *Association) invalidStream(id uint16) []byte {
	a.stats.ErrorsSent++
	if len(a.ctl.errors)+8 > maxErrorBytes {
		return a.ctl.errors
	}
	return appendInvalidStreamCause(a.ctl.errors, id)
}

// ReadMessage returns the next message; it reports false if there is none. The bytes of a message
// count against the receive window until Release: a reader that stops reading or releasing makes
// the peer stop sending. Messages that arrived whole can be read after EventClosed.
//
// Where the peer has reset a stream, ReadMessage reports false until [Association.Event] has
// returned the [EventStreamReset]: later messages belong to the stream after the reset. An owner
// therefore alternates between the two until neither has anything.
func (a *Association) ReadMessage() (Message, bool) {
	if next := a.reasm.ready.Front(); next == nil || next.reset {
		return Message{}, false
	}
	m, _ := a.reasm.ready.Pop()
	a.reasm.unreleased += m.charge
	a.stats.MessagesReceived++
	return m, true
}

// Absorb frees the memory of part, whose Data must not be used afterwards, and moves its charge to
// m. An owner that joins several messages into one releases m when the whole has been read.
func (a *Association) Absorb(m, part *Message) {
	if part.buf == nil {
		return
	}
	m.charge += part.charge
	part.buf.Free()
	*part = Message{}
}

// Release returns the memory of a message, whose Data must not be used afterwards, and reopens the
// receive window by its charge. It has no effect on a message that was released.
func (a *Association) Release(now time.Time, m *Message) {
	if m.buf == nil {
		return
	}
	t := a.clock(now)
	a.window.released(t, len(m.Data), &a.rtt)
	m.buf.Free()
	a.reasm.charged -= m.charge
	a.reasm.unreleased -= m.charge
	*m = Message{}
	if !a.acceptsData() {
		return
	}
	// A window that was closed or small and has opened is advertised at once: the peer may be
	// waiting for it.
	window := a.receiveWindow()
	if grown := window - a.recv.lastWindow; a.recv.lastWindow < a.window.limit/2 && grown >= a.window.limit/4 {
		a.recv.sackNow = true
	}
}
