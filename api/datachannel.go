package rtc

import (
	"time"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// maxNameLength is the size of the largest label or protocol, in bytes. RFC 8832, section 5.1: the
// length fields of the OPEN message have 16 bits.
const maxNameLength = dcep.MaxStringLength

// Reliability describes how the messages of a data channel are delivered. The zero value is ordered
// and reliable.
type Reliability struct {
	// Unordered permits that messages arrive in another order than they were sent in.
	Unordered bool
	// Unreliable permits that messages are lost, after MaxPacketLifeTime or MaxRetransmits.
	Unreliable bool
	// MaxPacketLifeTime is the time in milliseconds, counted from Send, after which a message is
	// not transmitted any more. 0: MaxRetransmits is the limit.
	MaxPacketLifeTime uint
	// MaxRetransmits is the largest number of retransmissions of a message, if MaxPacketLifeTime
	// is 0. 0: none.
	MaxRetransmits uint
}

// DataChannelInit describes a data channel. The zero value is ordered, reliable, and announced to
// the peer (RFC 8832).
type DataChannelInit struct {
	Reliability Reliability
	// Protocol is the subprotocol, which the program chooses: at most 65535 bytes of UTF-8.
	Protocol string
	// Negotiated is set if both programs create the channel, with the same stream. The channel is
	// not announced to the peer then.
	Negotiated bool
	// ManualStream uses Stream as the stream id; otherwise a free one is assigned when the
	// connection is established. Messages that the peer sends on a stream that was used before
	// belong to the earlier channel, and are dropped, until the peer has closed its side, or for
	// 30 seconds at most.
	ManualStream bool
	Stream       uint16
}

// DataChannel is a bidirectional sequence of messages (RFC 8831). See Channel for its methods.
type DataChannel struct {
	channel
	table       *channelTable
	label       string
	protocol    string
	reliability Reliability
	negotiated  bool
	stream      int32 // -1: not known yet
	theirs      bool  // the peer opened it
	acked       bool  // the peer knows the channel: messages may be sent unordered
	confirmed   bool  // the peer has the channel, too: it is negotiated, the peer's, or acknowledged
	suspended   bool  // our reset for the earlier channel is not answered: nothing can be sent
	resetting   bool  // our side of closing has begun
	peerReset   bool  // the peer's side is complete
	removed     bool  // the channel has no stream any more
	isRetained  bool  // its messages are not in the receive window: unread.go
	failure     error // the reason for closing, unless a side closed the channel
	nameBytes   int   // counted in channelTable.nameBytes
	charged     int   // bytes in the receive window of source
	retained    int   // bytes of messages that are not in the window
	lastRead    time.Time
	outbox      ring.Queue[outMessage]
	source      *sctp.Association // that the charged messages belong to; nil: there are none
	parts       *parts            // of a message in the deprecated form with several
	previous    *streamState      // after the earlier channel on the stream, if there is one
	counters    MessageStats
	acks        acknowledgement // acknowledged.go
}

var _ Channel = (*DataChannel)(nil)

func newDataChannel(t *channelTable, label, protocol string, r Reliability) *DataChannel {
	dc := &DataChannel{table: t, label: label, protocol: protocol, reliability: r, stream: -1}
	dc.setup(dc, &t.queue)
	dc.lost = t.lost
	return dc
}

// CreateDataChannel adds a data channel; init may be nil. The label is UTF-8 of at most 65535
// bytes. The channel opens when the connection is established. The first channel makes an offer, if
// the signalling state is stable, unless DisableAutoNegotiation is set.
//
// The error is ErrInvalid if the label or protocol is too long or not UTF-8, or if the stream is
// too large or in use; ErrFailure if the connection is closed or no stream is left.
func (pc *PeerConnection) CreateDataChannel(label string, init *DataChannelInit) (*DataChannel, error) {
	if init == nil {
		init = &DataChannelInit{}
	}
	if len(label) > maxNameLength || len(init.Protocol) > maxNameLength {
		return nil, invalidf("create data channel: label or protocol longer than %d bytes", maxNameLength)
	}
	if !utf8.ValidString(label) || !utf8.ValidString(init.Protocol) {
		return nil, invalidf("create data channel: label or protocol is not UTF-8")
	}
	if pc.isZero() {
		return nil, errZero
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil, wrapError(ErrFailure, errClosed, "create data channel")
	}
	dc, err := pc.channels.create(label, init)
	if err != nil {
		return nil, err
	}
	pc.negotiation.machine.WantData()
	if !pc.transport.up {
		pc.negotiateIfNeeded()
	}
	return dc, nil
}

// create adds a channel, and opens it if the association is established.
func (t *channelTable) create(label string, init *DataChannelInit) (*DataChannel, error) {
	dc := newDataChannel(t, label, init.Protocol, init.Reliability)
	dc.negotiated = init.Negotiated
	dc.acked, dc.confirmed = init.Negotiated, init.Negotiated
	up, client := t.transport.up, t.transport.client
	switch {
	case !init.ManualStream:
		if up && !t.assign(dc, client, t.now) {
			return nil, wrapError(ErrFailure, t.unavailable(client), "create data channel")
		}
	case int(init.Stream) > t.maxStream:
		return nil, invalidf("create data channel: stream %d is above %d", init.Stream, t.maxStream)
	case t.byStream[init.Stream] != nil:
		return nil, invalidf("create data channel: stream %d is in use", init.Stream)
	default:
		t.take(dc, init.Stream)
	}
	if up {
		dc.open()
		t.takeEarly(dc)
	} else {
		t.waiting = append(t.waiting, dc)
	}
	return dc, nil
}

// Stream returns the id of the channel's stream. ErrNotAvailable before the connection is
// established, unless the program has chosen the stream.
func (dc *DataChannel) Stream() (uint16, error) {
	if dc.isZero() {
		return 0, errZero
	}
	dc.table.mu.Lock()
	defer dc.table.mu.Unlock()
	if dc.stream < 0 {
		return 0, notAvailablef("data channel %q has no stream yet", dc.label)
	}
	return uint16(dc.stream), nil
}

// Label returns the name of the channel.
func (dc *DataChannel) Label() string { return dc.label }

// Protocol returns the subprotocol of the channel.
func (dc *DataChannel) Protocol() string { return dc.protocol }

// Reliability returns the channel's reliability. It is the same on both sides.
func (dc *DataChannel) Reliability() Reliability { return dc.reliability }

func (dc *DataChannel) lock()               { dc.table.lock() }
func (dc *DataChannel) flush()              { dc.table.flush() }
func (dc *DataChannel) unlock()             { dc.table.unlock() }
func (dc *DataChannel) maxMessageSize() int { return dc.table.transport.maxMessageSize() }

// open announces the channel to the peer. RFC 8832, section 6: messages may follow at once
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-9).
func (dc *DataChannel) open() {
	if !dc.negotiated {
		message, err := openMessage(dc).Append(nil)
		if err != nil {
			dc.table.remove(dc)
			dc.closed(wrapError(ErrFailure, err, "data channel %q", dc.label))
			return
		}
		if limit := dc.table.transport.remoteMessageLimit; uint64(len(message)) > limit {
			dc.table.remove(dc)
			dc.closed(failuref("data channel %.32q: opening it takes a message of %d bytes, the peer accepts %d",
				dc.label, len(message), limit))
			return
		}
		dc.sendControl(message)
	}
	dc.opened()
}

// lifetime returns the lifetime of the channel's messages; 0: it is unlimited.
func (dc *DataChannel) lifetime() time.Duration {
	r := dc.reliability
	if !r.Unreliable {
		return 0
	}
	return time.Duration(clamp32(r.MaxPacketLifeTime)) * time.Millisecond
}

// openMessage returns the OPEN message of a channel (RFC 8832, section 5.1).
func openMessage(dc *DataChannel) dcep.Open {
	open := dcep.Open{Priority: dcep.PriorityNormal, Label: dc.label, Protocol: dc.protocol}
	r := dc.reliability
	switch {
	case r.Unreliable && r.MaxPacketLifeTime > 0:
		open.ChannelType, open.ReliabilityParameter = dcep.PartialReliableTimed, clamp32(r.MaxPacketLifeTime)
	case r.Unreliable:
		open.ChannelType, open.ReliabilityParameter = dcep.PartialReliableRexmit, clamp32(r.MaxRetransmits)
	}
	if r.Unordered {
		open.ChannelType |= dcep.ReliableUnordered
	}
	return open
}

func clamp32(n uint) uint32 { return uint32(min(uint64(n), 1<<32-1)) }

// reliabilityOf returns the reliability in an OPEN message.
func reliabilityOf(open dcep.Open) Reliability {
	r := Reliability{Unordered: open.ChannelType.Unordered()}
	switch open.ChannelType &^ dcep.ReliableUnordered {
	case dcep.PartialReliableTimed:
		r.Unreliable, r.MaxPacketLifeTime = true, uint(open.ReliabilityParameter)
	case dcep.PartialReliableRexmit:
		r.Unreliable, r.MaxRetransmits = true, uint(open.ReliabilityParameter)
	}
	return r
}

// options returns the options to send a message of this channel with. Its lifetime began at since,
// or begins now if since is zero.
func (dc *DataChannel) options(ppid uint32, since time.Time) sctp.SendOptions {
	if ppid == dcep.PPIDDCEP {
		return sctp.SendOptions{}
	}
	r := dc.reliability
	// RFC 8832, section 6: until the peer knows the channel, a message must not overtake the OPEN
	// message (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-10).
	o := sctp.SendOptions{Unordered: r.Unordered && dc.acked}
	switch {
	case !r.Unreliable:
	case r.MaxPacketLifeTime > 0:
		o.Lifetime, o.Since = dc.lifetime(), since
	default:
		o.LimitRetransmits, o.MaxRetransmits = true, clamp32(r.MaxRetransmits)
	}
	return o
}

// close begins closing: the buffered messages are sent, and then our side of the stream is reset.
func (dc *DataChannel) close() {
	switch dc.state {
	case channelClosing, channelClosed:
		return
	case channelConnecting:
		dc.ending = errClosed
		dc.table.remove(dc)
		dc.closed(nil)
		return
	}
	dc.state, dc.ending = channelClosing, errClosed
	dc.wake()
	dc.reconsider()
	if dc.outbox.Len() == 0 {
		dc.reset()
	}
}

// fail closes the channel at once, with an error.
func (dc *DataChannel) fail(err error) {
	dc.failure = err
	if dc.ending == nil {
		dc.ending = err
	}
	dc.dropOutbox()
	dc.reset()
}

// closed changes the state to closed.
func (dc *DataChannel) closed(err error) {
	dc.channel.closed(err)
	dc.dropParts()
	dc.reconsider()
	dc.table.addClosed(dc)
}

// announce is called after OnDataChannel has been called with the channel.
func (dc *DataChannel) announce() {
	dc.release()
	dc.table.releaseName(dc)
}

// drained is called when no message is buffered any more.
func (dc *DataChannel) drained() {
	if dc.state == channelClosing && !dc.table.closing {
		dc.reset()
	}
}

// reset resets our side of the stream (RFC 8831, section 6.7).
func (dc *DataChannel) reset() {
	if dc.state == channelOpen {
		dc.state = channelClosing
		dc.wake()
	}
	// Each channel requests its own reset. While the reset of the earlier channel is not answered,
	// the channel waits for resume.
	if dc.resetting || dc.suspended {
		return
	}
	dc.resetting = true
	dc.settleWhenSent()
	if t, stream := dc.table, uint16(dc.stream); !dc.table.resetStream(stream, t.stream(stream)) {
		t.remove(dc)
		dc.closed(dc.failure)
	}
}
