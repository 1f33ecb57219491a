package rtc

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

const (
	// maxStreams is the number of streams that are asked for, in each direction: ids 0 to 1023.
	maxStreams = 1024
	// maxKeptChannels bounds the channels of the peer that wait for OnDataChannel to be set; further ones are refused.
	maxKeptChannels = maxStreams
	// maxNameBytes bounds the labels and protocols of the channels that the peer has opened, in bytes, all together.
	maxNameBytes = 4 << 20
	// A message on a stream without a channel waits for the channel: the peer may have made a negotiated one a moment
	// earlier. maxEarlyTime is for how long it waits, maxEarlyBytes how much may wait on all streams. Then the stream is
	// refused. It is counted in the receive window meanwhile.
	maxEarlyTime  = 3 * time.Second
	maxEarlyBytes = 256 << 10
	// streamReuseDelay is after what time a stream is used again that the peer has not reset, where no other is left.
	// RFC 8831, section 6.7: streams are available for reuse once both sides have reset them.
	streamReuseDelay = 30 * time.Second
)

// channelTable is the data channels of a connection and the streams they use.
type channelTable struct {
	*core
	transport *transport
	owner     eventTarget // of the events of channels that the peer opens: the connection
	lost      error       // why nothing can be sent or received for now

	maxStream   int
	byStream    map[uint16]*DataChannel
	lives       map[uint16]*life
	waiting     []*DataChannel // created before the association was up, in order
	blocked     []*DataChannel // those with messages that the association had no room for; they take turns
	unannounced []*DataChannel // opened by the peer while there was no OnDataChannel
	nameBytes   int            // of labels and protocols, see maxNameBytes

	earlyBytes int
	earlyAt    time.Time // when the first early messages have waited for too long; zero: there are none
	expireAt   time.Time // when the first buffered message's lifetime ends, or later; zero: none has one

	unread unreadState
}

// life is what is left of the last life of a stream, and what has arrived of the next one. A stream that is in use, or was
// never used, has none.
//
// Each side of a stream begins a new life by a reset (RFC 6525). The sides do so at different times, and under loss each
// learns late that the other one has: so a reset that is answered or received may belong to a channel that is gone.
type life struct {
	resetting bool      // our reset is not answered: nothing can be sent on the stream
	again     bool      // the stream was refused while it was being reset: it is reset once more
	owed      bool      // the peer has not reset its side of a life that is over here
	ended     time.Time // when that life ended
	early     earlyMessages
}

// earlyMessages are those that arrived on a stream before its channel was there.
type earlyMessages struct {
	messages []sctp.Message
	bytes    int
	until    time.Time
	reset    bool // the peer has closed its channel since
}

// owes reports whether what the peer sends on the stream is still of the life that is over here: until it resets its side, or for
// streamReuseDelay at most.
func (l *life) owes(now time.Time) bool {
	return l != nil && l.owed && now.Sub(l.ended) < streamReuseDelay
}

func (l *life) idle() bool {
	return !l.resetting && !l.owed && len(l.early.messages) == 0 && !l.early.reset
}

func (t *channelTable) init(c *core, transport *transport, owner eventTarget) {
	t.core, t.transport, t.owner = c, transport, owner
	t.maxStream = maxStreams - 1
	t.byStream = map[uint16]*DataChannel{}
}

// life returns the record of a stream's lives, a new one if it has none.
func (t *channelTable) life(stream uint16) *life {
	l := t.lives[stream]
	if l == nil {
		if t.lives == nil {
			t.lives = map[uint16]*life{}
		}
		l = new(life)
		t.lives[stream] = l
	}
	return l
}

// settle forgets the record of a stream that has nothing left to say.
func (t *channelTable) settle(stream uint16, l *life) {
	if l.idle() {
		delete(t.lives, stream)
	}
}

// assign gives a channel the first free stream. Where none is free, it takes the one that has waited longest for a peer that
// does not reset its side.
func (t *channelTable) assign(dc *DataChannel, client bool, now time.Time) bool {
	oldest, since := -1, now.Add(-streamReuseDelay)
	for id := firstStream(client); id <= t.maxStream; id += 2 {
		if _, used := t.byStream[uint16(id)]; used {
			continue
		}
		l := t.lives[uint16(id)]
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

// take gives a channel a stream.
func (t *channelTable) take(dc *DataChannel, stream uint16) {
	dc.stream = int32(stream)
	t.byStream[stream] = dc
	if l := t.lives[stream]; l != nil {
		dc.suspended, dc.last = l.resetting, l
	}
	dc.beginCount()
}

// unavailable says why no stream can be assigned.
func (t *channelTable) unavailable(client bool) error {
	all, waiting := 0, 0
	for id := firstStream(client); id <= t.maxStream; id += 2 {
		all++
		if l := t.lives[uint16(id)]; l != nil && l.owed && t.byStream[uint16(id)] == nil {
			waiting++
		}
	}
	if waiting == 0 {
		return failuref("all %d streams of this side are in use", all)
	}
	return failuref("all %d streams of this side are in use, %d of them because the peer has not closed its side", all, waiting)
}

// firstStream is the first of the streams that a side assigns, which are every second one: even for the DTLS client, odd for the
// server (https://www.rfc-editor.org/rfc/rfc8832.html#section-6).
func firstStream(client bool) int {
	if client {
		return 0
	}
	return 1
}

// remove forgets a channel.
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

// releaseName gives back the share of maxNameBytes of a channel that is gone and not waiting for OnDataChannel either.
func (t *channelTable) releaseName(dc *DataChannel) {
	if dc.removed && !dc.held {
		t.nameBytes -= dc.nameBytes
		dc.nameBytes = 0
	}
}

// refuse resets a stream that no channel belongs to, so that the peer closes what it has there.
func (t *channelTable) refuse(stream uint16) {
	l := t.life(stream)
	l.owed, l.ended = !l.early.reset, t.now
	t.dropEarly(l)
	if l.resetting {
		l.again = true
		return
	}
	t.resetStream(stream, l)
}

// resetStream asks for the reset of our side. It reports false if there is no association for it any more.
func (t *channelTable) resetStream(stream uint16, l *life) bool {
	if t.transport.sctp.ResetStream(t.now, stream) != nil {
		return false
	}
	l.resetting = true
	return true
}

// onStreamReset is the peer's side of closing a channel (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.7):
// what it sent has been read, and it wants nothing more.
func (t *channelTable) onStreamReset(stream uint16) {
	dc, l := t.byStream[stream], t.lives[stream]
	if l != nil && l.owed {
		earlier := dc == nil || l.owes(t.now)
		l.owed = false
		t.settle(stream, l)
		if earlier {
			return // it is of an earlier life
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
	case l == nil: // a channel that this side never had: ours is reset, too, so that the peer can use the stream again
		t.resetStream(stream, t.life(stream))
	}
}

// onResetComplete is the answer to a reset of ours. err is not nil if the peer refused it; the stream goes on then, as the
// peer wants, and is used again as if it were reset.
func (t *channelTable) onResetComplete(stream uint16, err error) {
	l, dc := t.lives[stream], t.byStream[stream]
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
	case dc.suspended: // the reset was of the life before
		dc.resume()
	case dc.resetting:
		t.remove(dc)
		if !dc.peerReset && err == nil {
			l.owed, l.ended = true, t.now
		}
		dc.closed(dc.failure)
	}
}

// onEarly keeps a message for the channel that its stream does not have yet.
func (t *channelTable) onEarly(m sctp.Message) {
	l := t.life(m.Stream)
	if l.owes(t.now) { // the channel is gone, and the peer does not know it yet
		t.transport.sctp.Release(t.now, &m)
		return
	}
	if l.early.reset { // those were of a life that has ended, and nobody came for it
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
		t.earlyAt = earlier(t.earlyAt, e.until)
	}
	e.bytes += m.Charge()
	e.messages = append(e.messages, m)
}

// takeEarly gives a new channel what arrived before it.
func (t *channelTable) takeEarly(dc *DataChannel) {
	stream := uint16(dc.stream)
	l := t.lives[stream]
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

// endEarly drops the messages of a life that the peer has ended before there was a channel for it, and resets our side.
func (t *channelTable) endEarly(stream uint16, l *life) {
	t.dropEarly(l)
	if !l.resetting {
		t.resetStream(stream, l)
	}
}

func (t *channelTable) dropEarly(l *life) {
	for i := range l.early.messages {
		t.transport.sctp.Release(t.now, &l.early.messages[i])
	}
	t.earlyBytes -= l.early.bytes
	l.early = earlyMessages{}
}

// expireEarly refuses the streams whose channels did not come in time.
func (t *channelTable) expireEarly() {
	if t.earlyAt.IsZero() || t.now.Before(t.earlyAt) {
		return
	}
	t.earlyAt = time.Time{}
	for stream, l := range t.lives {
		switch {
		case len(l.early.messages) == 0:
		case !t.now.Before(l.early.until):
			t.log.Debug("data without a channel: the stream is refused", "stream", stream)
			t.refuse(stream)
		default:
			t.earlyAt = earlier(t.earlyAt, l.early.until)
		}
	}
}
