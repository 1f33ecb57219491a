package rtc

import (
	"cmp"
	"errors"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

// startSCTP makes the association. What the peer sends may come before the end of our side of the handshake is
// known, so there is one from the moment there is a DTLS association.
func (pc *PeerConnection) startSCTP(remote *sdp.MediaDescription) {
	config := sctp.Config{
		SourcePort:          sdp.DefaultSCTPPort,
		DestinationPort:     remote.EffectiveSCTPPort(),
		MTU:                 pc.sctpMTU(),
		MaxMTU:              pc.maxSCTPMTU(),
		MaxMessageSize:      min(max(pc.settings.MaxMessageSize, dcep.MaxMessageSize), sctp.MaxBuffer),
		MaxStreams:          maxStreams,
		DisableInterleaving: pc.tuning.noInterleaving,
		EnableZeroChecksum:  true, // DTLS protects every packet
		// Data channels need resets of outgoing streams (RFC 8831, section 6.7), and Firefox, which begins with 256
		// streams, adds outgoing streams when it needs more.
		DisableRequests: sctp.RequestIncomingReset | sctp.RequestAssociationReset | sctp.RequestAddIncoming,
		Logger:          pc.iceLogger(),
	}
	cmp.Or(pc.settings.SCTP, sctpSettings.Load()).apply(&config)
	association, err := sctp.New(config)
	if err != nil {
		panic(err) // apply leaves only what is valid
	}
	pc.sctp = association
}

// handleSCTP handles the messages and events of the association, in the order in which it has them, and reports whether
// there were any.
func (pc *PeerConnection) handleSCTP() (any bool) {
	for !pc.ended {
		if !pc.channels.up && pc.sctp.State() == sctp.StateCookieEchoed {
			any = true
			pc.onAssociationUp()
		}
		if e, ok := pc.sctp.Event(); ok {
			any = true
			pc.onAssociationEvent(e)
			continue
		}
		if pc.queue.overloaded() { // the receive window closes then, and the peer stops
			break
		}
		m, ok := pc.sctp.ReadMessage()
		if !ok {
			break
		}
		any = true
		pc.onMessage(m)
	}
	if !pc.ended && pc.closing {
		any = pc.continueClosing() || any
	}
	return any
}

func (pc *PeerConnection) onAssociationEvent(e sctp.Event) {
	switch e.Kind {
	case sctp.EventConnected:
		pc.onAssociationUp()
	case sctp.EventClosed:
		pc.onAssociationClosed(e.Err)
	case sctp.EventStreamReset:
		pc.onStreamReset(e.Stream)
	case sctp.EventStreamResetComplete:
		pc.onResetComplete(e.Stream, e.Err)
	case sctp.EventWritable:
		pc.sendBlocked()
	case sctp.EventRestarted:
		pc.finish(StateFailed, failuref("the peer lost its SCTP association"))
	}
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
		var err error
		switch {
		case int(dc.stream) > t.maxStream:
			err = failuref("stream %d: the peer takes streams up to %d", dc.stream, t.maxStream)
		case dc.stream < 0 && !t.assign(dc, pc.remote.client, pc.now):
			err = t.unavailable(pc.remote.client)
		}
		if err != nil {
			t.remove(dc)
			dc.closed(wrapError(ErrFailure, err, "data channel %q", dc.label))
			continue
		}
		dc.open()
	}
}

// onAssociationClosed ends the connection: without its association there is nothing that it could carry.
func (pc *PeerConnection) onAssociationClosed(err error) {
	// What was received is kept, however much: it is bounded by the receive window.
	for {
		if m, ok := pc.sctp.ReadMessage(); ok {
			pc.onMessage(m)
		} else if e, ok := pc.sctp.Event(); !ok {
			break
		} else if e.Kind == sctp.EventStreamReset {
			pc.onStreamReset(e.Stream)
		}
	}
	var abort *sctp.AbortError
	switch {
	case err == nil:
		pc.closedByPeer(true, nil)
	case errors.As(err, &abort) && abort.Remote:
		pc.log.Debug("the association was aborted", "reason", err)
		pc.closedByPeer(abort.AfterShutdown, err)
	case pc.closing:
		pc.finish(StateClosed, nil)
	default:
		pc.finish(StateFailed, wrapError(ErrFailure, err, "SCTP"))
	}
}

// onMessage handles a message of the peer.
func (pc *PeerConnection) onMessage(m sctp.Message) {
	dc := pc.channels.byStream[m.Stream]
	switch {
	case m.PPID == dcep.PPIDDCEP:
		pc.onControl(dc, m)
		pc.sctp.Release(pc.now, &m)
	case len(m.Data) > pc.settings.MaxMessageSize:
		// The association takes as much as control messages need.
		pc.sctp.Release(pc.now, &m)
		pc.sctp.Abort(pc.now, "message is larger than allowed")
	case dc == nil || dc.peerReset: // or of the stream's next life
		pc.onEarly(m)
	case dc.last.owes(pc.now):
		pc.sctp.Release(pc.now, &m)
	default:
		dc.receive(m)
	}
}

// onControl handles a message of the Data Channel Establishment Protocol
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6).
func (pc *PeerConnection) onControl(dc *DataChannel, m sctp.Message) {
	if dcep.IsAck(m.Data) {
		if dc != nil && !dc.peerReset && !dc.last.owes(pc.now) {
			dc.acked, dc.confirmed = true, true
		}
		return
	}
	open, err := dcep.ParseOpen(m.Data)
	if err != nil {
		pc.log.Debug("data channel control message dropped", "stream", m.Stream, "error", err)
		return
	}
	t := &pc.channels
	if dc != nil && dc.peerReset {
		// The peer uses the stream again: it has our reset, though its answer is still under way.
		t.remove(dc)
		dc.closed(dc.failure)
		dc = nil
	}
	switch {
	case dc == nil:
	case dc.state >= channelClosing:
		return // the reset that follows closes the peer's
	case dc.theirs:
		pc.log.Warn("data channel opened on a stream in use: ignored", "stream", m.Stream)
		return
	default:
		dc.fail(failuref("data channel %q: stream %d was opened by both sides", dc.label, m.Stream))
		return
	}
	if l := t.lives[m.Stream]; l != nil {
		if l.early.reset {
			pc.endEarly(m.Stream, l)
		}
		l.owed = false // a peer that does not reset its streams
		t.settle(m.Stream, l)
	}
	names := len(open.Label) + len(open.Protocol)
	if len(t.kept) >= maxKeptChannels || t.nameBytes+names > maxNameBytes || int(m.Stream) > t.maxStream || pc.closing {
		pc.refuse(m.Stream)
		return
	}
	pc.accept(m.Stream, open)
}

// accept takes a channel that the peer opened.
func (pc *PeerConnection) accept(stream uint16, open dcep.Open) {
	dc := newDataChannel(pc, open.Label, open.Protocol, reliabilityOf(open))
	dc.acked, dc.confirmed, dc.theirs = true, true, true
	dc.held = true
	dc.nameBytes = len(open.Label) + len(open.Protocol)
	pc.channels.nameBytes += dc.nameBytes
	pc.channels.take(dc, stream)
	dc.sendControl(dcep.AppendAck(nil))
	pc.queue.push(event{target: pc, kind: eventDataChannel, channel: dc})
	dc.opened()
	pc.takeEarly(dc)
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
