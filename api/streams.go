package rtc

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/sctp"
)

const (
	// maxUnannounced bounds the channels of the peer that wait for OnDataChannel to be set; further
	// ones are refused.
	maxUnannounced = maxStreams
	// maxNameBytes bounds the total size of the labels and protocols of the channels that the peer
	// has opened.
	maxNameBytes = 4 << 20
	// maxEarlyTime is how long a message on a stream without a channel waits for the channel: the
	// peer may have created a negotiated one a moment earlier. maxEarlyBytes bounds such messages
	// on all streams. After that the stream is refused. The messages count in the receive window.
	maxEarlyTime  = 3 * time.Second
	maxEarlyBytes = 256 << 10
	// streamReuseDelay is the time after which a stream that the peer has not reset is used again,
	// if no other is free. RFC 8831, section 6.7, makes streams available for reuse once both sides
	// have reset them.
	streamReuseDelay = 30 * time.Second
)

// channelTable holds the data channels of a connection and the streams that they use.
type channelTable struct {
	*core
	transport *transport
	owner     eventTarget // of the events of channels that the peer opens: the connection
	lost      error       // the reason that nothing can currently be sent or received

	maxStream   int
	byStream    map[uint16]*DataChannel
	streams     map[uint16]*streamState
	waiting     []*DataChannel // created before the association was up, in order
	blocked     []*DataChannel // with messages that the association has no room for; they take turns
	unannounced []*DataChannel // opened by the peer while there was no OnDataChannel
	nameBytes   int            // of labels and protocols, see maxNameBytes

	earlyBytes int
	earlyAt    time.Time // when the first early messages expire; zero: there are none
	expireAt   time.Time // when the first buffered message expires, or later; zero: none

	unread unreadState
}

// streamState is the state of a stream after the end of a channel on it, or before the next one. A
// stream that is in use, or was never used, usually has none.
//
// Each side resets its own direction of a stream (RFC 6525). The sides do so at different times,
// and under loss each side learns late that the other one has: a reset that is answered or received
// may belong to an earlier channel.
type streamState struct {
	resetting bool      // our reset is not answered: nothing can be sent on the stream
	again     bool      // the stream was refused while it was being reset: it is reset once more
	peerOpen  bool      // the channel has ended here, and the peer has not reset its side
	ended     time.Time // when it ended
	early     earlyMessages
}

// earlyMessages are messages that arrived on a stream before its channel was created.
type earlyMessages struct {
	messages []sctp.Message
	bytes    int
	until    time.Time
	reset    bool // the peer has closed its channel since
}

// isStale reports whether messages on the stream belong to the earlier channel: they do until the
// peer resets its side, or for streamReuseDelay at most.
func (l *streamState) isStale(now time.Time) bool {
	return l != nil && l.peerOpen && now.Sub(l.ended) < streamReuseDelay
}

func (l *streamState) idle() bool {
	return !l.resetting && !l.peerOpen && len(l.early.messages) == 0 && !l.early.reset
}

func (t *channelTable) init(c *core, transport *transport, owner eventTarget) {
	t.core, t.transport, t.owner = c, transport, owner
	t.maxStream = maxStreams - 1
	t.byStream = map[uint16]*DataChannel{}
}

// stream returns the state of a stream, a new one if it has none.
func (t *channelTable) stream(stream uint16) *streamState {
	l := t.streams[stream]
	if l == nil {
		if t.streams == nil {
			t.streams = map[uint16]*streamState{}
		}
		l = new(streamState)
		t.streams[stream] = l
	}
	return l
}

// settle deletes the state of a stream if it is the same as that of an unused stream.
func (t *channelTable) settle(stream uint16, l *streamState) {
	if l.idle() {
		delete(t.streams, stream)
	}
}

// assign assigns the first free stream to a channel. If none is free, it assigns the stream that
// has waited longest for the peer's reset. It reports false if there is none of these either.
func (t *channelTable) assign(dc *DataChannel, client bool, now time.Time) bool {
	oldest, since := -1, now.Add(-streamReuseDelay)
	for id := firstStream(client); id <= t.maxStream; id += 2 {
		if _, used := t.byStream[uint16(id)]; used {
			continue
		}
		l := t.streams[uint16(id)]
		if l == nil {
			oldest = id
			break
		}
		if !l.resetting && len(l.early.messages) == 0 && !l.ended.After(since) {
			oldest, since = id, l.ended
		}
	}
	if oldest < 0 {
		return false
	}
	t.take(dc, uint16(oldest))
	return true
}

// take assigns a stream to a channel.
func (t *channelTable) take(dc *DataChannel, stream uint16) {
	dc.stream = int32(stream)
	t.byStream[stream] = dc
	if l := t.streams[stream]; l != nil {
		dc.suspended, dc.previous = l.resetting, l
	}
	dc.beginCount()
}

// unavailable returns the error for a channel that no stream can be assigned to.
func (t *channelTable) unavailable(client bool) error {
	all, waiting := 0, 0
	for id := firstStream(client); id <= t.maxStream; id += 2 {
		all++
		if l := t.streams[uint16(id)]; l != nil && l.peerOpen && t.byStream[uint16(id)] == nil {
			waiting++
		}
	}
	if waiting == 0 {
		return failuref("all %d streams of this side are in use", all)
	}
	return failuref("all %d streams of this side are in use, %d of them because the peer has not closed its side",
		all, waiting)
}

// firstStream returns the first of the streams that a side assigns. RFC 8832, section 6: the DTLS
// client uses even ids, the server odd ones.
func firstStream(client bool) int {
	if client {
		return 0
	}
	return 1
}

// remove removes a channel from the table.
func (t *channelTable) remove(dc *DataChannel) {
	dc.settleCount()
	if dc.stream >= 0 && t.byStream[uint16(dc.stream)] == dc {
		delete(t.byStream, uint16(dc.stream))
	}
	dc.removed = true
	t.releaseName(dc)
	isIt := func(other *DataChannel) bool { return other == dc }
	t.waiting = slices.DeleteFunc(t.waiting, isIt)
	t.blocked = slices.DeleteFunc(t.blocked, isIt)
}

// releaseName subtracts the names of a channel from nameBytes, if the channel is removed and does
// not wait for OnDataChannel.
func (t *channelTable) releaseName(dc *DataChannel) {
	if dc.removed && !dc.held {
		t.nameBytes -= dc.nameBytes
		dc.nameBytes = 0
	}
}

// refuse resets a stream without a channel, so that the peer closes its channel there.
func (t *channelTable) refuse(stream uint16) {
	l := t.stream(stream)
	l.peerOpen, l.ended = !l.early.reset, t.now
	t.dropEarly(l)
	if l.resetting {
		l.again = true
		return
	}
	t.resetStream(stream, l)
}

// resetStream requests the reset of our side. It reports false if the association has ended.
func (t *channelTable) resetStream(stream uint16, l *streamState) bool {
	if t.transport.sctp.ResetStream(t.now, stream) != nil {
		return false
	}
	l.resetting = true
	return true
}

// onStreamReset handles the peer's reset of its side, which closes the channel (RFC 8831, section
// 6.7). All messages that the peer sent before have been read.
func (t *channelTable) onStreamReset(stream uint16) {
	dc, l := t.byStream[stream], t.streams[stream]
	if l != nil && l.peerOpen {
		earlier := dc == nil || l.isStale(t.now)
		l.peerOpen = false
		t.settle(stream, l)
		if earlier {
			return // the reset is that of the earlier channel
		}
	}
	switch {
	case dc != nil && !dc.peerReset:
		dc.peerReset = true
		if !dc.confirmed && dc.state == channelOpen {
			dc.failure = failuref("data channel %q: the peer refused it", dc.label)
		}
		dc.dropOutbox()
		dc.reset()
	case dc != nil:
	case l != nil && len(l.early.messages) > 0:
		l.early.reset = true
	case l == nil: // this side never had the channel; after our reset the peer can use the stream again
		t.resetStream(stream, t.stream(stream))
	}
}

// onResetComplete handles the answer to a reset of ours. err is not nil if the peer denied it; the
// stream is used again as if it were reset.
func (t *channelTable) onResetComplete(stream uint16, err error) {
	l, dc := t.streams[stream], t.byStream[stream]
	if l == nil || !l.resetting {
		return
	}
	if err != nil {
		t.log.Debug("the peer denied to reset a stream", "stream", stream, "error", err)
	}
	l.resetting = false
	defer t.settle(stream, l)
	if l.again {
		l.again = false
		t.resetStream(stream, l)
		return
	}
	switch {
	case dc == nil:
	case dc.suspended: // the reset was that of the earlier channel
		dc.resume()
	case dc.resetting:
		t.remove(dc)
		if !dc.peerReset && err == nil {
			l.peerOpen, l.ended = true, t.now
		}
		dc.closed(dc.failure)
	}
}

// onEarly queues a message for the channel that its stream does not have yet.
func (t *channelTable) onEarly(m sctp.Message) {
	l := t.stream(m.Stream)
	if l.isStale(t.now) {
		t.transport.sctp.Release(t.now, &m)
		return
	}
	if l.early.reset { // the earlier ones were for a channel that the peer has closed
		t.endEarly(m.Stream, l)
	}
	if t.earlyBytes += m.Charge(); t.earlyBytes > maxEarlyBytes {
		t.earlyBytes -= m.Charge()
		t.log.Debug("data without a channel: the stream is refused", "stream", m.Stream)
		t.refuse(m.Stream)
		t.transport.sctp.Release(t.now, &m)
		return
	}
	e := &l.early
	if len(e.messages) == 0 {
		e.until = t.now.Add(maxEarlyTime)
		t.earlyAt = deadline.Earlier(t.earlyAt, e.until)
	}
	e.bytes += m.Charge()
	e.messages = append(e.messages, m)
}

// takeEarly delivers the early messages of a stream to its new channel.
func (t *channelTable) takeEarly(dc *DataChannel) {
	stream := uint16(dc.stream)
	l := t.streams[stream]
	if l == nil || len(l.early.messages) == 0 {
		return
	}
	e := l.early
	l.early = earlyMessages{}
	t.earlyBytes -= e.bytes
	t.settle(stream, l)
	for _, m := range e.messages {
		dc.receive(m)
	}
	if e.reset {
		t.onStreamReset(stream)
	}
}

// endEarly drops the early messages for a channel that the peer has closed before it was created
// here, and resets our side.
func (t *channelTable) endEarly(stream uint16, l *streamState) {
	t.dropEarly(l)
	if !l.resetting {
		t.resetStream(stream, l)
	}
}

func (t *channelTable) dropEarly(l *streamState) {
	for i := range l.early.messages {
		t.transport.sctp.Release(t.now, &l.early.messages[i])
	}
	t.earlyBytes -= l.early.bytes
	l.early = earlyMessages{}
}

// expireEarly refuses the streams whose channels were not created in time.
func (t *channelTable) expireEarly() {
	if t.earlyAt.IsZero() || t.now.Before(t.earlyAt) {
		return
	}
	t.earlyAt = time.Time{}
	for stream, l := range t.streams {
		switch {
		case len(l.early.messages) == 0:
		case !t.now.Before(l.early.until):
			t.log.Debug("data without a channel: the stream is refused", "stream", stream)
			t.refuse(stream)
		default:
			t.earlyAt = deadline.Earlier(t.earlyAt, l.early.until)
		}
	}
}
