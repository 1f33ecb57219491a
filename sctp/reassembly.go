package sctp

import (
	"encoding/binary"
	"sort"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/serial"
)

// Message is a message from the peer.
type Message struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, opaque to SCTP
	Unordered bool
	// Data belongs to the reader until it calls Release.
	Data []byte

	buf    *bufpool.Buffer
	charge int
}

// fragment is a run of consecutive fragments of one message that have arrived,
// or a whole message.
type fragment struct {
	first, last uint32 // TSNs
	head, tail  *bufpool.Buffer
	size        int
	charge      int
	ppid        uint32
	ordinal     uint32 // SSN
	stream      uint16
	unordered   bool
	begun       bool // it has the first fragment
	ended       bool // it has the last fragment
}

// inStream is one stream of the peer's.
type inStream struct {
	nextSSN uint16
	waiting []*fragment // whole ordered messages that wait for earlier ones, by SSN
}

// reassembly puts messages together and in order. A fragment is copied once
// out of its packet, appended to what came just before it if that is here; a
// message that arrived in more than one piece is copied once more.
type reassembly struct {
	maxMessage int
	streams    map[uint16]*inStream
	// Incomplete messages: the runs of fragments by their ends.
	byFirst, byLast map[uint32]*fragment
	current         *fragment // the run that ended with the last fragment: most likely to go on
	ready           queue[Message]
	readyBytes      int
	held            int // bytes charged to the receive window
	free            []*fragment
	lastSize        int // of the last message put together, a guess for the next
}

const (
	// fragmentOverhead is charged to the receive window for each run of
	// fragments and each message, so that tiny ones cannot hold much more
	// memory than the window's size.
	fragmentOverhead = 128
	// windowSlack times the window is when data is dropped: the peer counts
	// payload only, and what it has sent within the window it was told must
	// not be lost to our overhead. Messages that are smaller than the overhead
	// can still meet the bound.
	windowSlack = 2
	// maxFreeFragments bounds the fragment headers kept for reuse.
	maxFreeFragments = 256
	// maxSizeHint bounds what is set aside for a message by the size of the
	// one before.
	maxSizeHint = 1 << 16
)

func (r *reassembly) init(a *Association) { r.maxMessage = a.cfg.MaxMessageSize }

// release lets go of what is incomplete; whole messages can still be read.
func (r *reassembly) release() {
	if r.current != nil {
		r.discard(r.current)
	}
	for _, f := range r.byFirst {
		r.discard(f)
	}
	for _, s := range r.streams {
		for _, f := range s.waiting {
			r.discard(f)
		}
	}
	r.streams, r.byFirst, r.byLast, r.current, r.free = nil, nil, nil, nil, nil
}

// restart is release for a peer that begins anew.
func (r *reassembly) restart() { r.release() }

func (r *reassembly) stream(id uint16) *inStream {
	s := r.streams[id]
	if s == nil {
		if r.streams == nil {
			r.streams = make(map[uint16]*inStream)
		}
		s = new(inStream)
		r.streams[id] = s
	}
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

// recycle keeps a fragment's header for the next one; its buffers are gone.
func (r *reassembly) recycle(f *fragment) {
	*f = fragment{}
	if len(r.free) < maxFreeFragments {
		r.free = append(r.free, f)
	}
}

// discard drops a run of fragments or a whole message.
func (r *reassembly) discard(f *fragment) {
	r.held -= f.charge
	for b := f.head; b != nil; {
		next := b.Next
		b.Free()
		b = next
	}
	r.recycle(f)
}

// unindex takes an incomplete run out of the maps.
func (r *reassembly) unindex(f *fragment) {
	if r.byFirst[f.first] == f {
		delete(r.byFirst, f.first)
	}
	if r.byLast[f.last] == f {
		delete(r.byLast, f.last)
	}
	if r.current == f {
		r.current = nil
	}
}

func (r *reassembly) index(f *fragment) {
	if r.byFirst == nil {
		r.byFirst, r.byLast = make(map[uint32]*fragment), make(map[uint32]*fragment)
	}
	r.byFirst[f.first], r.byLast[f.last] = f, f
}

// dataHeader is the fixed part of a DATA chunk.
type dataHeader struct {
	tsn     uint32
	stream  uint16
	ordinal uint32
	ppid    uint32
	flags   uint8
}

// violation is what a peer did that no SCTP does.
type violation string

// add takes one fragment. It returns a violation when the peer has to be told
// that the association cannot go on.
func (r *reassembly) add(h dataHeader, payload []byte) violation {
	f := r.continued(h)
	if f != nil {
		if f.stream != h.stream || f.unordered != (h.flags&flagUnordered != 0) || f.ordinal != h.ordinal {
			return "fragments of one message disagree"
		}
		if f.size+len(payload) > r.maxMessage {
			return "message is larger than allowed"
		}
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
		if r.current != f {
			delete(r.byLast, f.last)
		}
		f.size += len(payload)
		f.charge += len(payload)
		f.last = h.tsn
		r.held += len(payload)
	} else {
		if len(payload) > r.maxMessage {
			return "message is larger than allowed"
		}
		f = r.newFragment()
		*f = fragment{first: h.tsn, last: h.tsn, size: len(payload), charge: len(payload) + fragmentOverhead,
			ppid: h.ppid, ordinal: h.ordinal, stream: h.stream,
			unordered: h.flags&flagUnordered != 0, begun: h.flags&flagBeginning != 0}
		hint := len(payload)
		if f.begun && h.flags&flagEnd == 0 {
			hint = max(hint, r.lastSize)
		}
		f.head = bufpool.Get(hint)
		f.tail = f.head
		f.head.B = append(f.head.B, payload...)
		r.held += f.charge
	}
	f.ended = h.flags&flagEnd != 0
	if !f.ended {
		if v := r.joinNext(f); v != "" {
			return v
		}
	}
	if f.begun && f.ended {
		r.unindex(f)
		r.complete(f)
		return ""
	}
	r.park(f)
	return ""
}

// continued returns the run that the fragment continues, if that is here.
func (r *reassembly) continued(h dataHeader) *fragment {
	if h.flags&flagBeginning != 0 {
		return nil
	}
	f := r.current
	if (f == nil || f.last != h.tsn-1) && len(r.byLast) > 0 {
		f = r.byLast[h.tsn-1]
	}
	if f == nil || f.ended || f.last != h.tsn-1 {
		return nil
	}
	return f
}

// joinNext appends to f the run that begins just after it.
func (r *reassembly) joinNext(f *fragment) violation {
	var g *fragment
	if len(r.byFirst) > 0 {
		g = r.byFirst[f.last+1]
	}
	if g == nil && r.current != nil && r.current.first == f.last+1 {
		g = r.current
	}
	if g == nil || g == f || g.begun {
		return ""
	}
	if g.stream != f.stream || g.unordered != f.unordered || g.ordinal != f.ordinal {
		return "fragments of one message disagree"
	}
	if f.size+g.size > r.maxMessage {
		return "message is larger than allowed"
	}
	r.unindex(g)
	if r.current != f {
		delete(r.byLast, f.last)
	}
	f.tail.Next, f.tail = g.head, g.tail
	f.size += g.size
	f.charge += g.charge - fragmentOverhead
	r.held -= fragmentOverhead
	f.last, f.ended = g.last, g.ended
	r.recycle(g)
	return ""
}

// park keeps an incomplete run. The one that was added to last stays out of
// the maps: in order, as fragments usually come, it goes on with the next.
func (r *reassembly) park(f *fragment) {
	if r.current == f {
		return
	}
	if c := r.current; c != nil {
		r.index(c)
	}
	if r.byFirst[f.first] == f {
		delete(r.byFirst, f.first)
	}
	r.current = f
}

// complete delivers a whole message, or lets it wait for earlier ones.
func (r *reassembly) complete(f *fragment) {
	r.lastSize = min(f.size, maxSizeHint)
	if f.unordered {
		r.deliver(f)
		return
	}
	s := r.stream(f.stream)
	ssn := uint16(f.ordinal)
	if ssn == s.nextSSN {
		s.nextSSN++
		r.deliver(f)
		r.drain(s)
		return
	}
	i := len(s.waiting)
	if i > 0 && serial.Less16(ssn, uint16(s.waiting[i-1].ordinal)) {
		i = sort.Search(i, func(i int) bool { return serial.Less16(ssn, uint16(s.waiting[i].ordinal)) })
	}
	s.waiting = append(s.waiting, nil)
	copy(s.waiting[i+1:], s.waiting[i:])
	s.waiting[i] = f
}

// drain delivers the messages whose turn has come.
func (r *reassembly) drain(s *inStream) {
	n := 0
	for ; n < len(s.waiting) && serial.LessEqual16(uint16(s.waiting[n].ordinal), s.nextSSN); n++ {
		s.nextSSN = uint16(s.waiting[n].ordinal) + 1
		r.deliver(s.waiting[n])
	}
	if n > 0 {
		rest := copy(s.waiting, s.waiting[n:])
		clear(s.waiting[rest:])
		s.waiting = s.waiting[:rest]
	}
}

// deliver makes a whole message ready to be read.
func (r *reassembly) deliver(f *fragment) {
	b := f.head
	if b.Next != nil {
		b = bufpool.Get(f.size)
		for p := f.head; p != nil; {
			b.B = append(b.B, p.B...)
			next := p.Next
			p.Free()
			p = next
		}
	}
	r.ready.push(Message{Stream: f.stream, PPID: f.ppid, Unordered: f.unordered, Data: b.B, buf: b, charge: f.charge})
	r.readyBytes += f.size
	r.recycle(f)
}

// skip makes a stream go on after an SSN that the peer has given up.
func (r *reassembly) skip(stream, ssn uint16) {
	s := r.stream(stream)
	if serial.Less16(ssn, s.nextSSN) {
		return
	}
	n := 0
	for ; n < len(s.waiting) && serial.LessEqual16(uint16(s.waiting[n].ordinal), ssn); n++ {
		r.deliver(s.waiting[n])
	}
	rest := copy(s.waiting, s.waiting[n:])
	clear(s.waiting[rest:])
	s.waiting = s.waiting[:rest]
	s.nextSSN = ssn + 1
	r.drain(s)
}

// forward drops the incomplete messages that end at tsn or before: the rest of
// them will not come.
func (r *reassembly) forward(tsn uint32) {
	if c := r.current; c != nil && serial.LessEqual32(c.last, tsn) {
		r.current = nil
		r.discard(c)
	}
	for _, f := range r.byFirst {
		if serial.LessEqual32(f.last, tsn) {
			r.unindex(f)
			r.discard(f)
		}
	}
}

// resetStream begins a stream anew after the peer has reset it.
func (r *reassembly) resetStream(id uint16) {
	if s := r.streams[id]; s != nil {
		for _, f := range s.waiting {
			r.discard(f)
		}
		delete(r.streams, id)
	}
}

// acceptsData reports whether DATA is expected in the current state.
func (a *Association) acceptsData() bool {
	switch a.state {
	case StateEstablished, StateShutdownPending, StateShutdownSent:
		return true
	}
	return false
}

// receiveData processes a DATA chunk:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-6.2
func (a *Association) receiveData(t instant, c chunk) {
	if !a.acceptsData() {
		return
	}
	v := c.value
	if len(v) < dataHeaderSize-chunkHeaderSize {
		a.stats.ChunksInvalid++
		return
	}
	h := dataHeader{tsn: binary.BigEndian.Uint32(v), stream: binary.BigEndian.Uint16(v[4:]),
		ordinal: uint32(binary.BigEndian.Uint16(v[6:])), ppid: binary.BigEndian.Uint32(v[8:]), flags: c.flags}
	payload := v[12:]
	if len(payload) == 0 {
		// "If an endpoint receives a DATA chunk with no user data ... it MUST
		// send an ABORT chunk with a 'No User Data' error cause."
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
	if a.reasm.held >= windowSlack*a.window.limit && !a.mustAccept(h.tsn) {
		a.stats.ChunksNoRoom++
		r.sackNow = true // tells that the window is closed
		return
	}
	if h.stream >= a.hand.inStreams {
		// Section 6.5: acknowledged, reported and dropped.
		r.add(h.tsn)
		a.ctl.errors = a.invalidStream(h.stream)
		return
	}
	if why := a.reasm.add(h, payload); why != "" {
		a.abort(t, CauseProtocolViolation, string(why), false)
		return
	}
	r.add(h.tsn)
	a.reset.received(a)
}

// mustAccept reports whether a chunk has to be taken although the window is
// full: the one that fills the first hole lets what waits behind it go on, and
// where nothing is ready to be read only more data can free anything.
func (a *Association) mustAccept(tsn uint32) bool {
	return tsn == a.recv.cum+1 && (len(a.recv.ranges) > 0 || a.reasm.ready.len() == 0) &&
		a.reasm.held < (windowSlack+1)*a.window.limit
}

func (a *Association) invalidStream(id uint16) []byte {
	a.stats.ErrorsSent++
	if len(a.ctl.errors)+8 > maxErrorBytes {
		return a.ctl.errors
	}
	return appendInvalidStreamCause(a.ctl.errors, id)
}

// ReadMessage returns the next message. Its bytes stay counted against the
// receive window until the reader gives them back with Release; a reader that
// stops reading or releasing makes the peer stop sending.
func (a *Association) ReadMessage() (Message, bool) {
	m, ok := a.reasm.ready.pop()
	if ok {
		a.reasm.readyBytes -= len(m.Data)
		a.stats.MessagesReceived++
	}
	return m, ok
}

// Release gives a message's memory back, whose Data must not be used after, and
// reopens the receive window by it. Releasing a message twice does nothing.
func (a *Association) Release(now time.Time, m *Message) {
	if m.buf == nil {
		return
	}
	t := a.clock(now)
	a.window.released(t, len(m.Data), &a.rtt)
	m.buf.Free()
	a.reasm.held -= m.charge
	*m = Message{}
	if !a.acceptsData() {
		return
	}
	// A closed, or much smaller, window that opens again is told at once:
	// the peer may be waiting for it.
	window := a.receiveWindow()
	if grown := window - a.recv.lastWindow; a.recv.lastWindow < a.window.limit/2 && grown >= a.window.limit/4 {
		a.recv.sackNow = true
	}
}
