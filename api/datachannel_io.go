package rtc

import (
	"errors"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// emptyMessage is sent for a message without bytes, which SCTP does not have. RFC 8831, section
// 6.6: the payload protocol identifier marks it
// (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.6-4).
var emptyMessage = []byte{0}

// send sends or buffers a message of the program.
func (dc *DataChannel) send(data []byte, isText bool) error {
	switch err := dc.writeError(); {
	case err != nil:
		return wrapError(ErrFailure, err, "send")
	case dc.state != channelOpen:
		return wrapError(ErrFailure, errNotOpenYet, "send")
	}
	if limit := dc.maxMessageSize(); len(data) > limit {
		return invalidf("send: message of %d bytes, at most %d", len(data), limit)
	}
	size, ppid := len(data), uint32(dcep.PPIDBinary)
	switch {
	case isText && len(data) == 0:
		ppid, data = dcep.PPIDStringEmpty, emptyMessage
	case isText:
		ppid = dcep.PPIDString
	case len(data) == 0:
		ppid, data = dcep.PPIDBinaryEmpty, emptyMessage
	}
	if err := dc.sendOrBuffer(ppid, data); err != nil {
		if errors.Is(err, sctp.ErrClosed) {
			err = errUnread // the peer has ended the association; the channel is about to close
		}
		return wrapError(ErrFailure, err, "send")
	}
	dc.table.transport.deferSend()
	dc.counters.sent(size)
	dc.table.counters.messages.sent(size)
	return nil
}

// sendControl sends a message of the Data Channel Establishment Protocol.
func (dc *DataChannel) sendControl(message []byte) {
	dc.acks.control += uint64(len(message))
	if err := dc.sendOrBuffer(dcep.PPIDDCEP, message); err != nil {
		dc.table.log.Debug("data channel control message", "stream", dc.stream, "error", err)
	}
}

// sendOrBuffer passes a message to the association, or buffers it while that has no room, or while
// the reset for the earlier channel on the stream is not answered.
func (dc *DataChannel) sendOrBuffer(ppid uint32, data []byte) error {
	if dc.outbox.Len() == 0 && !dc.suspended {
		err := dc.table.transport.sctp.Send(dc.table.now, uint16(dc.stream), ppid, data, dc.options(ppid, time.Time{}))
		if !errors.Is(err, sctp.ErrSendBufferFull) {
			return err
		}
		dc.table.blocked = append(dc.table.blocked, dc)
	}
	m := outMessage{data: bufpool.Get(len(data)), ppid: ppid}
	m.data.B = append(m.data.B, data...)
	if lifetime := dc.lifetime(); lifetime > 0 && ppid != dcep.PPIDDCEP {
		m.since = dc.table.now
		dc.table.expireAt = deadline.Earlier(dc.table.expireAt, m.since.Add(lifetime))
	}
	dc.outbox.Push(m)
	dc.setBuffered(dc.buffered + m.size())
	return nil
}

// sendNext sends the first buffered message and reports whether the association accepted it.
func (dc *DataChannel) sendNext() bool {
	m := dc.outbox.Front()
	err := dc.table.transport.sctp.Send(dc.table.now, uint16(dc.stream), m.ppid, m.data.B, dc.options(m.ppid, m.since))
	if errors.Is(err, sctp.ErrSendBufferFull) {
		return false
	}
	if err != nil {
		dc.table.log.Warn("buffered message lost", "channel", dc.label, "error", err)
		dc.table.counters.undelivered += m.size()
	}
	dc.dropFirst()
	return true
}

// dropFirst removes the first buffered message.
func (dc *DataChannel) dropFirst() {
	m, _ := dc.outbox.Pop()
	size := m.size()
	m.data.Free()
	dc.setBuffered(dc.buffered - size)
}

// resume is called when the reset for the earlier channel on the stream is answered. It sends the
// buffered messages, or closes the channel if it was closed meanwhile.
func (dc *DataChannel) resume() {
	dc.suspended = false
	dc.beginCount()
	switch {
	case dc.outbox.Len() > 0:
		dc.table.blocked = append(dc.table.blocked, dc)
		dc.table.sendBlocked()
	case dc.state == channelClosing:
		dc.reset()
	}
}

// expiryInterval is the shortest time between two searches for buffered messages to be dropped.
const expiryInterval = 5 * time.Millisecond

// expireBuffered drops the buffered messages whose lifetime has ended. Those of one channel expire
// in order.
func (t *channelTable) expireBuffered() {
	if t.expireAt.IsZero() || t.now.Before(t.expireAt) {
		return
	}
	t.expireAt = time.Time{}
	for _, dc := range t.byStream {
		lifetime := dc.lifetime()
		if lifetime == 0 || dc.outbox.Len() == 0 {
			continue
		}
		var control []outMessage // of the establishment protocol: they stay, in front
		for dc.outbox.Len() > 0 {
			m := dc.outbox.Front()
			if m.since.IsZero() {
				control = append(control, *m)
				dc.outbox.Pop()
				continue
			}
			if ends := m.since.Add(lifetime); ends.After(t.now) {
				t.expireAt = deadline.Earlier(t.expireAt, ends)
				break
			}
			t.counters.expired++
			dc.dropFirst()
		}
		for _, m := range slices.Backward(control) {
			dc.outbox.PushFront(m)
		}
		if dc.outbox.Len() == 0 {
			t.blocked = slices.DeleteFunc(t.blocked, func(other *DataChannel) bool { return other == dc })
			dc.drained()
		}
	}
	if next := t.now.Add(expiryInterval); !t.expireAt.IsZero() && t.expireAt.Before(next) {
		t.expireAt = next
	}
}

// dropOutbox drops the buffered messages, because the peer does not read them any more.
func (dc *DataChannel) dropOutbox() {
	for dc.outbox.Len() > 0 {
		m, _ := dc.outbox.Pop()
		m.data.Free()
	}
	if !dc.table.ended {
		dc.table.counters.undelivered += dc.buffered
	}
	dc.buffered = 0
	t := dc.table
	t.blocked = slices.DeleteFunc(t.blocked, func(other *DataChannel) bool { return other == dc })
}

// receive handles a message of the peer.
func (dc *DataChannel) receive(m sctp.Message) {
	// RFC 8832, section 6: any message shows that the peer knows the channel, even if its ACK is
	// late (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-10).
	dc.acked = true
	dc.charge(m.Charge())
	r := received{Message: Message{Data: m.Data}, source: m}
	switch m.PPID {
	case dcep.PPIDBinary:
	case dcep.PPIDString:
		r.IsText = true
	case dcep.PPIDBinaryEmpty:
		r.Data = nil
	case dcep.PPIDStringEmpty:
		r.Data, r.IsText = nil, true
	case dcep.PPIDBinaryPartial, dcep.PPIDStringPartial:
		dc.receivePart(&m)
		return
	default:
		dc.table.log.Debug("message of an unknown kind dropped", "ppid", m.PPID)
		dc.free(&r)
		return
	}
	if dc.parts != nil {
		dc.receivePart(&m)
		r = received{Message: Message{Data: dc.parts.data, IsText: r.IsText}, source: dc.parts.first}
		dc.parts = nil
		if len(r.Data) > dc.table.settings.MaxMessageSize {
			dc.free(&r)
			return
		}
	}
	dc.counters.received(len(r.Data))
	dc.table.counters.messages.received(len(r.Data))
	switch {
	case dc.unreadable(), dc.failure != nil: // after a failure they are for another channel
		dc.free(&r)
		return
	case dc.state >= channelClosing && dc.onMessage == nil && !dc.retainLate(&r):
		return
	}
	dc.arrived(r)
	if dc.isRetained {
		dc.account()
	}
}

// receivePart collects the parts of a message that the peer has split, which RFC 8831, section 6.6,
// deprecates. A size of one byte above the maximum marks a message that is too large. All parts
// count in the receive window.
func (dc *DataChannel) receivePart(m *sctp.Message) {
	first := dc.parts == nil
	if first {
		dc.parts = &parts{first: *m}
	}
	p := dc.parts
	room := dc.table.settings.MaxMessageSize + 1 - len(p.data)
	p.data = append(p.data, m.Data[:min(room, len(m.Data))]...)
	switch {
	case first:
	case room == 0: // further parts are dropped
		r := received{source: *m}
		dc.free(&r)
	default:
		dc.table.transport.sctp.Absorb(&p.first, m)
	}
}

// parts are the parts of a message that have arrived.
type parts struct {
	data  []byte
	first sctp.Message // holds the charge of all parts
}

// dropParts drops the parts of an incomplete message.
func (dc *DataChannel) dropParts() {
	if dc.parts == nil {
		return
	}
	r := received{source: dc.parts.first}
	dc.free(&r)
	dc.parts = nil
}
