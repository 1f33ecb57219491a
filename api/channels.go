package rtc

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// openWaiting opens the channels that were created before the association was established.
func (t *channelTable) openWaiting() {
	out, in := t.transport.sctp.Streams()
	t.maxStream = int(min(out, in, maxStreams)) - 1
	waiting := t.waiting
	t.waiting = nil
	for _, dc := range waiting {
		if dc.state != channelConnecting {
			continue
		}
		var err error
		switch {
		case int(dc.stream) > t.maxStream:
			err = failuref("stream %d: the peer accepts streams up to %d", dc.stream, t.maxStream)
		case dc.stream < 0 && !t.assign(dc, t.transport.client, t.now):
			err = t.unavailable(t.transport.client)
		}
		if err != nil {
			t.remove(dc)
			dc.closed(wrapError(ErrFailure, err, "data channel %q", dc.label))
			continue
		}
		dc.open()
	}
}

// takeRest takes the remaining messages out of an association that has ended. They stay in the
// channels; the receive window bounds them.
func (t *channelTable) takeRest() {
	for {
		if m, ok := t.transport.sctp.ReadMessage(); ok {
			t.onMessage(m)
		} else if e, ok := t.transport.sctp.Event(); !ok {
			break
		} else if e.Kind == sctp.EventStreamReset {
			t.onStreamReset(e.Stream)
		}
	}
}

// replaced ends all channels of an association that is replaced by another one. Channels that wait
// for an association wait for the next one.
func (t *channelTable) replaced(reason error) {
	for _, dc := range t.byStream {
		if !slices.Contains(t.waiting, dc) {
			dc.end(reason, reason)
			dc.removed = true
			t.releaseName(dc)
		}
	}
	for _, l := range t.streams {
		t.dropEarly(l)
	}
	t.detachAll()
	clear(t.streams)
	clear(t.byStream)
	t.blocked = nil
	for _, dc := range t.waiting {
		if dc.stream >= 0 {
			t.byStream[uint16(dc.stream)] = dc
		}
	}
	t.maxStream = maxStreams - 1
	t.earlyAt, t.expireAt = time.Time{}, time.Time{}
}

// end closes all channels, because the connection has ended, with an error or for another reason.
func (t *channelTable) end(err, reason error) {
	for _, dc := range t.byStream {
		dc.end(err, reason)
	}
	for _, dc := range t.waiting {
		dc.end(err, reason)
	}
	t.waiting, t.blocked = nil, nil
}

// beginClosing makes the channels reject further messages. They still send their buffered messages.
func (t *channelTable) beginClosing() {
	for _, dc := range t.byStream {
		if dc.state == channelOpen {
			dc.state, dc.ending = channelClosing, errClosed
			dc.wake()
		}
		dc.reconsider()
	}
}

// buffered returns the buffered amount of all channels, in bytes.
func (t *channelTable) buffered() (n int) {
	for _, dc := range t.byStream {
		n += dc.channel.buffered
	}
	return n
}

// sending reports whether a channel has buffered messages.
func (t *channelTable) sending() bool {
	for _, dc := range t.byStream {
		if dc.outbox.Len() > 0 {
			return true
		}
	}
	return false
}

// setPathLost sets whether the channels fail because there is no path, and wakes their readers and
// writers.
func (t *channelTable) setPathLost(lost bool) {
	t.lost = nil
	if lost {
		t.lost = ErrPathLost
	}
	for _, dc := range t.byStream {
		dc.lost = t.lost
		dc.wake()
	}
	for _, dc := range t.waiting {
		dc.lost = t.lost
		dc.wake()
	}
}

// advance processes expired timers.
func (t *channelTable) advance() {
	if t.transport.sctp == nil {
		return
	}
	t.expireEarly()
	t.expireBuffered()
	t.retainPending()
	t.growWindow()
}

// deadline returns the time when advance must be called next; zero: never.
func (t *channelTable) deadline() time.Time {
	return deadline.Earlier(deadline.Earlier(t.earlyAt, t.expireAt), t.unread.examineAt)
}

// trim releases the memory of empty queues.
func (t *channelTable) trim() {
	for _, dc := range t.byStream {
		dc.inbox.trim()
		dc.outbox.Trim()
	}
	t.trimClosed()
}

// onMessage handles a message of the peer.
func (t *channelTable) onMessage(m sctp.Message) {
	dc := t.byStream[m.Stream]
	switch {
	case m.PPID == dcep.PPIDDCEP:
		t.onControl(dc, m)
		t.transport.sctp.Release(t.now, &m)
	case len(m.Data) > t.settings.MaxMessageSize:
		// The association accepts the size of the largest control message.
		t.transport.sctp.Release(t.now, &m)
		t.transport.sctp.Abort(t.now, "message is larger than allowed")
	case dc == nil || dc.peerReset: // the message is for the next channel on the stream
		t.onEarly(m)
	case dc.previous.isStale(t.now):
		t.transport.sctp.Release(t.now, &m)
	default:
		dc.receive(m)
	}
}

// onControl handles a message of the Data Channel Establishment Protocol (RFC 8832, section 6).
func (t *channelTable) onControl(dc *DataChannel, m sctp.Message) {
	if dcep.IsAck(m.Data) {
		if dc != nil && !dc.peerReset && !dc.previous.isStale(t.now) {
			dc.acked, dc.confirmed = true, true
		}
		return
	}
	open, err := dcep.ParseOpen(m.Data)
	if err != nil {
		t.log.Debug("data channel control message dropped", "stream", m.Stream, "error", err)
		return
	}
	if dc != nil && dc.peerReset {
		// The peer uses the stream again: it has our reset, though its answer has not arrived.
		t.remove(dc)
		dc.closed(dc.failure)
		dc = nil
	}
	switch {
	case dc == nil:
	case dc.state >= channelClosing:
		return // our reset closes the peer's channel
	case dc.theirs:
		t.log.Warn("data channel opened on a stream in use: ignored", "stream", m.Stream)
		return
	default:
		dc.fail(failuref("data channel %q: stream %d was opened by both sides", dc.label, m.Stream))
		return
	}
	if l := t.streams[m.Stream]; l != nil {
		if l.early.reset {
			t.endEarly(m.Stream, l)
		}
		l.peerOpen = false // the peer does not reset its streams
		t.settle(m.Stream, l)
	}
	names := len(open.Label) + len(open.Protocol)
	if len(t.unannounced) >= maxUnannounced || t.nameBytes+names > maxNameBytes || int(m.Stream) > t.maxStream || t.closing {
		t.refuse(m.Stream)
		return
	}
	t.accept(m.Stream, open)
}

// accept adds a channel that the peer opened.
func (t *channelTable) accept(stream uint16, open dcep.Open) {
	dc := newDataChannel(t, open.Label, open.Protocol, reliabilityOf(open))
	dc.acked, dc.confirmed, dc.theirs = true, true, true
	dc.held = true
	dc.nameBytes = len(open.Label) + len(open.Protocol)
	t.nameBytes += dc.nameBytes
	t.take(dc, stream)
	dc.sendControl(dcep.AppendAck(nil))
	t.queue.push(event{target: t.owner, kind: eventDataChannel, channel: dc})
	dc.opened()
	t.takeEarly(dc)
}

// sendBlocked sends buffered messages, of each channel one in turn, until the association has no
// room.
func (t *channelTable) sendBlocked() {
	for len(t.blocked) > 0 {
		dc := t.blocked[0]
		if !dc.sendNext() {
			return
		}
		copy(t.blocked, t.blocked[1:])
		t.blocked = t.blocked[:len(t.blocked)-1]
		if dc.outbox.Len() > 0 {
			t.blocked = append(t.blocked, dc)
		} else {
			dc.drained()
		}
	}
}
