package rtc

import (
	"errors"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// emptyMessage stands for a message without bytes, which SCTP does not have
// (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.6-4).
var emptyMessage = []byte{0}

// outMessage is a message that the transport has not taken yet.
type outMessage struct {
	data   *bufpool.Buffer
	ppid   uint32 // of a data channel
	isText bool   // of a WebSocket
}

// size is what the message counts in the buffered amount.
func (m outMessage) size() int {
	switch m.ppid {
	case dcep.PPIDDCEP, dcep.PPIDStringEmpty, dcep.PPIDBinaryEmpty:
		return 0
	}
	return len(m.data.B)
}

// send takes a message of the program.
func (dc *DataChannel) send(data []byte, isText bool) error {
	if dc.state != channelOpen || dc.pc.closing {
		return wrapError(ErrFailure, errNotOpen, "send")
	}
	if limit := dc.maxMessageSize(); len(data) > limit {
		return invalidf("send: message of %d bytes, at most %d", len(data), limit)
	}
	ppid := uint32(dcep.PPIDBinary)
	switch {
	case isText && len(data) == 0:
		ppid, data = dcep.PPIDStringEmpty, emptyMessage
	case isText:
		ppid = dcep.PPIDString
	case len(data) == 0:
		ppid, data = dcep.PPIDBinaryEmpty, emptyMessage
	}
	if err := dc.sendOrBuffer(ppid, data); err != nil {
		return wrapError(ErrFailure, err, "send")
	}
	dc.pc.cork()
	dc.counters.sent(len(data))
	dc.pc.counters.messages.sent(len(data))
	return nil
}

var errNotOpen = &classError{class: ErrFailure, text: "the channel is not open"}

// sendControl sends a message of the establishment protocol.
func (dc *DataChannel) sendControl(message []byte) {
	if err := dc.sendOrBuffer(dcep.PPIDDCEP, message); err != nil {
		dc.pc.log.Debug("data channel control message", "stream", dc.stream, "error", err)
	}
}

// sendOrBuffer gives a message to the association, or keeps it until there is room.
func (dc *DataChannel) sendOrBuffer(ppid uint32, data []byte) error {
	if dc.outbox.Len() == 0 {
		err := dc.pc.sctp.Send(dc.pc.now, uint16(dc.stream), ppid, data, dc.options(ppid))
		if !errors.Is(err, sctp.ErrSendBufferFull) {
			return err
		}
		dc.pc.channels.blocked = append(dc.pc.channels.blocked, dc)
	}
	m := outMessage{data: bufpool.Get(len(data)), ppid: ppid}
	m.data.B = append(m.data.B, data...)
	dc.outbox.Push(m)
	dc.setBuffered(dc.buffered + m.size())
	return nil
}

// sendNext gives the association the first buffered message, and tells whether it took it.
func (dc *DataChannel) sendNext() bool {
	m := *dc.outbox.Front()
	err := dc.pc.sctp.Send(dc.pc.now, uint16(dc.stream), m.ppid, m.data.B, dc.options(m.ppid))
	if errors.Is(err, sctp.ErrSendBufferFull) {
		return false
	}
	if err != nil {
		dc.pc.log.Warn("buffered message lost", "channel", dc.label, "error", err)
	}
	size := m.size()
	m.data.Free()
	dc.outbox.Pop()
	dc.setBuffered(dc.buffered - size)
	return true
}

// dropOutbox forgets what is buffered: the peer does not read it any more.
func (dc *DataChannel) dropOutbox() {
	for dc.outbox.Len() > 0 {
		m, _ := dc.outbox.Pop()
		m.data.Free()
	}
	dc.buffered = 0
	blocked := dc.pc.channels.blocked[:0]
	for _, other := range dc.pc.channels.blocked {
		if other != dc {
			blocked = append(blocked, other)
		}
	}
	dc.pc.channels.blocked = blocked
}

// receive takes a message of the peer.
func (dc *DataChannel) receive(m sctp.Message) {
	// The peer sends on the channel, so it knows it, even if its ACK was late
	// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-10).
	dc.acked = true
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
		dc.receivePart(m.Data)
		dc.pc.sctp.Release(dc.pc.now, &m)
		return
	default:
		dc.pc.log.Debug("message of an unknown kind dropped", "ppid", m.PPID)
		dc.pc.sctp.Release(dc.pc.now, &m)
		return
	}
	if dc.partial != nil {
		dc.receivePart(m.Data)
		r = received{Message: Message{Data: dc.partial, IsText: r.IsText}}
		dc.partial = nil
		dc.pc.sctp.Release(dc.pc.now, &m)
		if len(r.Data) > dc.pc.settings.MaxMessageSize {
			return
		}
	}
	dc.counters.received(len(r.Data))
	dc.pc.counters.messages.received(len(r.Data))
	if dc.deaf {
		if dc.inbox.len() >= maxPendingMessages || dc.inbox.bytes >= writeHighWater {
			dc.give(&r)
			return
		}
		dc.detach(&r)
	}
	dc.arrived(r)
	if dc.inbox.len() >= maxPendingMessages {
		dc.pc.channels.full = dc
	}
}

// receivePart collects the parts of a message that the peer split, which RFC 8831 section 6.6 deprecates. One byte above
// the maximum marks a message that is too large.
func (dc *DataChannel) receivePart(part []byte) {
	room := dc.pc.settings.MaxMessageSize + 1 - len(dc.partial)
	dc.partial = append(dc.partial, part[:min(room, len(part))]...)
}

// give returns a message's buffer to the association, which opens the receive window again.
func (dc *DataChannel) give(m *received) {
	if m.source.Data != nil {
		dc.pc.sctp.Release(dc.pc.now, &m.source)
	}
	*m = received{}
}

// detach copies a message, so that its buffer can be given back.
func (dc *DataChannel) detach(m *received) {
	if m.source.Data == nil {
		return
	}
	kept := received{Message: Message{Data: append([]byte(nil), m.Data...), IsText: m.IsText}}
	dc.give(m)
	*m = kept
}

// released gives back the buffers of messages that have been read.
func (dc *DataChannel) released(messages []received) {
	for i := range messages {
		dc.give(&messages[i])
	}
}

// unplug makes a channel that the program closes stop holding up the others: what it has not read yet leaves the
// receive window, and what still comes does not fill it.
func (dc *DataChannel) unplug() {
	dc.deaf = true
	for i := range dc.inbox.len() {
		dc.detach(dc.inbox.queue.At(i))
	}
}
