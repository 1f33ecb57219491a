package rtc

import (
	"cmp"
	"errors"
	"slices"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

const (
	// maxStreams is the number of streams that are asked for, in each direction: ids 0 to 1023.
	maxStreams = 1024
	// maxKeptChannels bounds the channels of the peer that wait for OnDataChannel to be set; further ones are refused.
	maxKeptChannels = maxStreams
)

// channelTable is the data channels of a connection, and what is under way between them and the association.
type channelTable struct {
	any       bool // a channel was created here: a description must have a section for it
	up        bool // the association takes messages
	maxStream int
	byStream  map[uint16]*DataChannel
	waiting   []*DataChannel // created before the association was up, in order
	blocked   []*DataChannel // those with messages that the association had no room for; they take turns
	kept      []*DataChannel // opened by the peer while there was no OnDataChannel
	full      *DataChannel   // the one whose receive queue made reading stop
	resets    []uint16       // streams reset by the peer, while messages of theirs may be unread
	refused   map[uint16]struct{}
}

func (t *channelTable) init() {
	t.maxStream = maxStreams - 1
	t.byStream = map[uint16]*DataChannel{}
}

// startSCTP makes the association. What the peer sends may come before the end of our side of the handshake is
// known, so there is one from the moment there is a DTLS association.
func (pc *PeerConnection) startSCTP(remote *sdp.MediaDescription) {
	config := sctp.Config{
		SourcePort:      sdp.DefaultSCTPPort,
		DestinationPort: remote.EffectiveSCTPPort(),
		MTU:             pc.sctpMTU(),
		MaxMTU:          pc.maxSCTPMTU(),
		MaxMessageSize:  pc.settings.MaxMessageSize,
		MaxStreams:      maxStreams,
		ZeroChecksum:    true, // DTLS protects every packet
		Logger:          pc.iceLogger(),
	}
	cmp.Or(pc.settings.SCTP, sctpSettings.Load()).apply(&config)
	pc.sctp = sctp.New(config)
}

// handleSCTP handles the events and messages of the association, and tells whether there were any.
func (pc *PeerConnection) handleSCTP() (any bool) {
	for !pc.ended {
		e, ok := pc.sctp.Event()
		if !ok {
			break
		}
		any = true
		switch e.Kind {
		case sctp.EventConnected:
			pc.onAssociationUp()
		case sctp.EventClosed:
			pc.onAssociationClosed(e.Err)
		case sctp.EventStreamReset:
			pc.channels.resets = append(pc.channels.resets, e.Stream)
		case sctp.EventStreamResetComplete:
			pc.onResetComplete(e.Stream, e.Err)
		case sctp.EventWritable:
			pc.sendBlocked()
		case sctp.EventRestarted:
			pc.finish(StateFailed, failuref("the peer lost its SCTP association"))
		}
	}
	if !pc.ended && !pc.channels.up && pc.sctp.State() == sctp.StateCookieEchoed {
		any = true
		pc.onAssociationUp()
	}
	for !pc.ended && !pc.stalled() {
		m, ok := pc.sctp.ReadMessage()
		if !ok {
			break
		}
		any = true
		pc.onMessage(m)
	}
	if pc.ended {
		return any
	}
	if len(pc.channels.resets) > 0 && !pc.stalled() {
		for _, stream := range pc.channels.resets {
			pc.onStreamReset(stream)
		}
		pc.channels.resets = pc.channels.resets[:0]
		any = true
	}
	if pc.closing {
		any = pc.continueClosing() || any
	}
	return any
}

// stalled tells whether reading has stopped because the program does not take what came: then the receive window
// closes, and the peer stops.
func (pc *PeerConnection) stalled() bool {
	if pc.queue.overloaded() {
		return true
	}
	if full := pc.channels.full; full != nil {
		if full.inbox.len() >= maxPendingMessages && !full.deaf {
			return true
		}
		pc.channels.full = nil
	}
	return false
}

// onAssociationUp opens the channels that were waiting. That is when the peer has answered the association, not only when
// it has confirmed it: what is sent now leaves with our last packet of the handshake, a round trip earlier.
func (pc *PeerConnection) onAssociationUp() {
	t := &pc.channels
	if t.up {
		return
	}
	t.up = true
	out, in := pc.sctp.Streams()
	t.maxStream = int(min(out, in, maxStreams)) - 1
	pc.setState(StateConnected)
	waiting := t.waiting
	t.waiting = nil
	for _, dc := range waiting {
		if dc.state != channelConnecting {
			continue
		}
		if dc.stream < 0 && !t.assign(dc, pc.remote.client) || int(dc.stream) > t.maxStream {
			t.remove(dc)
			dc.closed(failuref("data channel %q: no stream is left", dc.label))
			continue
		}
		dc.open()
	}
}

// assign gives a channel the first free stream: even for the DTLS client, odd for the server
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6).
func (t *channelTable) assign(dc *DataChannel, client bool) bool {
	first := 1
	if client {
		first = 0
	}
	for id := first; id <= t.maxStream; id += 2 {
		if _, used := t.byStream[uint16(id)]; used {
			continue
		}
		if _, used := t.refused[uint16(id)]; used {
			continue
		}
		dc.stream = int32(id)
		t.byStream[uint16(id)] = dc
		return true
	}
	return false
}

// remove forgets a channel.
func (t *channelTable) remove(dc *DataChannel) {
	if dc.stream >= 0 && t.byStream[uint16(dc.stream)] == dc {
		delete(t.byStream, uint16(dc.stream))
	}
	isIt := func(other *DataChannel) bool { return other == dc }
	t.waiting = slices.DeleteFunc(t.waiting, isIt)
	t.blocked = slices.DeleteFunc(t.blocked, isIt)
}

// onAssociationClosed ends the connection: without its association there is nothing that it could carry.
func (pc *PeerConnection) onAssociationClosed(err error) {
	// What was received is kept, however much: it is bounded by the receive window.
	for {
		m, ok := pc.sctp.ReadMessage()
		if !ok {
			break
		}
		pc.onMessage(m)
	}
	var abort *sctp.AbortError
	switch {
	case err == nil, errors.As(err, &abort) && abort.Remote:
		pc.log.Debug("the association was closed", "reason", err)
		pc.finish(StateClosed, nil)
	case pc.closing:
		pc.finish(StateClosed, nil)
	default:
		pc.finish(StateFailed, wrapError(ErrFailure, err, "SCTP"))
	}
}

// onMessage handles a message of the peer.
func (pc *PeerConnection) onMessage(m sctp.Message) {
	dc := pc.channels.byStream[m.Stream]
	if m.PPID == dcep.PPIDDCEP {
		pc.onControl(dc, m)
		pc.sctp.Release(pc.now, &m)
		return
	}
	if dc == nil || dc.state == channelClosed {
		if dc == nil {
			pc.refuse(m.Stream)
		}
		pc.sctp.Release(pc.now, &m)
		return
	}
	dc.receive(m)
}

// onControl handles a message of the Data Channel Establishment Protocol
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6).
func (pc *PeerConnection) onControl(dc *DataChannel, m sctp.Message) {
	if dcep.IsAck(m.Data) {
		if dc != nil {
			dc.acked = true
		}
		return
	}
	open, err := dcep.ParseOpen(m.Data)
	if err != nil {
		pc.log.Debug("data channel control message dropped", "stream", m.Stream, "error", err)
		return
	}
	if dc != nil && dc.peerReset && dc.state >= channelClosing {
		// The peer reuses the stream: it has our reset, though its answer is still under way.
		pc.channels.remove(dc)
		dc.closed(nil)
		dc = nil
	}
	if dc != nil {
		pc.log.Warn("data channel opened on a stream in use: ignored", "stream", m.Stream)
		return
	}
	if len(pc.channels.kept) >= maxKeptChannels || int(m.Stream) > pc.channels.maxStream || pc.closing {
		pc.refuse(m.Stream)
		return
	}
	pc.accept(m.Stream, open)
}

// accept takes a channel that the peer opened.
func (pc *PeerConnection) accept(stream uint16, open dcep.Open) {
	dc := newDataChannel(pc, open.Label, open.Protocol, reliabilityOf(open))
	dc.stream = int32(stream)
	dc.acked = true
	dc.held = true
	pc.channels.byStream[stream] = dc
	dc.sendControl(dcep.AppendAck(nil))
	pc.queue.push(event{target: pc, kind: eventDataChannel, channel: dc})
	dc.opened()
}

// refuse resets a stream that no channel belongs to, so that the peer closes what it has there. Once is enough.
func (pc *PeerConnection) refuse(stream uint16) {
	t := &pc.channels
	if _, done := t.refused[stream]; done {
		return
	}
	if pc.sctp.ResetStream(pc.now, stream) != nil {
		return
	}
	if t.refused == nil {
		t.refused = map[uint16]struct{}{}
	}
	t.refused[stream] = struct{}{}
}

// onStreamReset is the peer's side of closing a channel (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.7):
// what it sent has been read, and it wants nothing more.
func (pc *PeerConnection) onStreamReset(stream uint16) {
	dc := pc.channels.byStream[stream]
	if dc == nil {
		delete(pc.channels.refused, stream)
		return
	}
	dc.peerReset = true
	if dc.state == channelClosed {
		pc.channels.remove(dc)
		return
	}
	dc.dropOutbox()
	dc.reset()
}

// onResetComplete is the end of our side.
func (pc *PeerConnection) onResetComplete(stream uint16, err error) {
	dc := pc.channels.byStream[stream]
	if dc == nil || !dc.resetting {
		return
	}
	if err != nil {
		pc.log.Debug("the peer denied to reset a stream", "stream", stream, "error", err)
	}
	if dc.peerReset {
		pc.channels.remove(dc)
	}
	dc.closed(nil)
}

// sendBlocked gives the channels that had to wait their turns: one message each, until the association is full again.
func (pc *PeerConnection) sendBlocked() {
	t := &pc.channels
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
