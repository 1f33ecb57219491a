package rtc

import (
	"time"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// maxNameLength is the largest label or protocol in bytes, what the length field of the OPEN message can say
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-5.1).
const maxNameLength = dcep.MaxStringLength

// Reliability says how the messages of a data channel are delivered. The zero value is ordered and reliable.
type Reliability struct {
	// Unordered lets messages arrive in another order than they were sent in.
	Unordered bool
	// Unreliable lets messages be lost; how soon they are given up say the following two.
	Unreliable bool
	// MaxPacketLifeTime is for how long, in milliseconds, a message is sent and sent again. 0: MaxRetransmits counts.
	MaxPacketLifeTime uint
	// MaxRetransmits is how often a message is sent again at most, if MaxPacketLifeTime is 0.
	MaxRetransmits uint
}

// DataChannelInit describes a data channel. The zero value is ordered, reliable, and opened by the protocol.
type DataChannelInit struct {
	Reliability Reliability
	// Protocol is the subprotocol that the program chose; at most 65535 bytes.
	Protocol string
	// Negotiated says that both programs create the channel, with the same stream: nothing is sent to open it.
	Negotiated bool
	// ManualStream uses Stream as the stream id; otherwise a free one is taken when the connection is up.
	ManualStream bool
	Stream       uint16
}

// DataChannel is a bidirectional sequence of messages (RFC 8831). See Channel for its methods.
type DataChannel struct {
	channel
	pc          *PeerConnection
	label       string
	protocol    string
	reliability Reliability
	negotiated  bool
	stream      int32 // -1: not known yet
	acked       bool  // the peer knows the channel: messages may go unordered
	resetting   bool  // our side of closing has begun
	peerReset   bool  // the peer's side is complete
	deaf        bool  // closed here: what comes is dropped, and does not stop the others
	outbox      ring.Queue[outMessage]
	partial     []byte // of a message in the deprecated form with several parts
	counters    MessageStats
}

var _ Channel = (*DataChannel)(nil)

func newDataChannel(pc *PeerConnection, label, protocol string, r Reliability) *DataChannel {
	dc := &DataChannel{pc: pc, label: label, protocol: protocol, reliability: r, stream: -1}
	dc.setup(dc, &pc.queue)
	return dc
}

// CreateDataChannel adds a data channel; init may be nil. The label is UTF-8 of at most 65535 bytes. The channel opens
// when the connection is up. Unless DisableAutoNegotiation is set, the first one makes an offer, if the signalling
// state is stable. ErrInvalid: the label or protocol is too long or not UTF-8, the stream is too large or in use.
// ErrFailure: the connection is closed, or no stream is left.
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
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil, wrapError(ErrFailure, errClosed, "create data channel")
	}
	t := &pc.channels
	dc := newDataChannel(pc, label, init.Protocol, init.Reliability)
	dc.negotiated = init.Negotiated
	dc.acked = init.Negotiated
	switch {
	case !init.ManualStream:
		if t.up && !t.assign(dc, pc.remote.client) {
			return nil, failuref("create data channel: all %d streams are in use", t.maxStream+1)
		}
	case int(init.Stream) > t.maxStream:
		return nil, invalidf("create data channel: stream %d is above %d", init.Stream, t.maxStream)
	case t.byStream[init.Stream] != nil:
		return nil, invalidf("create data channel: stream %d is in use", init.Stream)
	default:
		dc.stream = int32(init.Stream)
		t.byStream[init.Stream] = dc
	}
	t.any = true
	if t.up {
		dc.open()
		return dc, nil
	}
	t.waiting = append(t.waiting, dc)
	pc.negotiateIfNeeded()
	return dc, nil
}

// Stream gives the id of the channel's stream. ErrNotAvailable before the connection is up, unless it was chosen.
func (dc *DataChannel) Stream() (uint16, error) {
	dc.pc.mu.Lock()
	defer dc.pc.mu.Unlock()
	if dc.stream < 0 {
		return 0, notAvailablef("data channel %q has no stream yet", dc.label)
	}
	return uint16(dc.stream), nil
}

// Label gives the name of the channel.
func (dc *DataChannel) Label() string { return dc.label }

// Protocol gives the subprotocol of the channel.
func (dc *DataChannel) Protocol() string { return dc.protocol }

// Reliability gives the channel's reliability, whichever side created it.
func (dc *DataChannel) Reliability() Reliability { return dc.reliability }

func (dc *DataChannel) lock()               { dc.pc.lock() }
func (dc *DataChannel) flush()              { dc.pc.flush() }
func (dc *DataChannel) unlock()             { dc.pc.unlock() }
func (dc *DataChannel) maxMessageSize() int { return dc.pc.maxMessageSize() }

// open announces the channel to the peer. Messages may follow at once
// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-9).
func (dc *DataChannel) open() {
	if !dc.negotiated {
		message, err := openMessage(dc).Append(nil)
		if err != nil {
			dc.pc.channels.remove(dc)
			dc.closed(wrapError(ErrFailure, err, "data channel %q", dc.label))
			return
		}
		dc.sendControl(message)
	}
	dc.opened()
}

// openMessage is the OPEN message of a channel (https://www.rfc-editor.org/rfc/rfc8832.html#section-5.1).
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

// reliabilityOf is the reverse of openMessage.
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

// options says how the association is to deliver a message of this channel.
func (dc *DataChannel) options(ppid uint32) sctp.SendOptions {
	if ppid == dcep.PPIDDCEP {
		return sctp.SendOptions{}
	}
	r := dc.reliability
	// Until the peer knows the channel, a message must not overtake the OPEN message
	// (https://www.rfc-editor.org/rfc/rfc8832.html#section-6-10).
	o := sctp.SendOptions{Unordered: r.Unordered && dc.acked}
	switch {
	case !r.Unreliable:
	case r.MaxPacketLifeTime > 0:
		o.Lifetime = time.Duration(clamp32(r.MaxPacketLifeTime)) * time.Millisecond
	default:
		o.LimitRetransmits, o.MaxRetransmits = true, clamp32(r.MaxRetransmits)
	}
	return o
}

// close begins closing: what is buffered goes out first, then our stream is reset.
func (dc *DataChannel) close() {
	switch dc.state {
	case channelClosing, channelClosed:
		return
	case channelConnecting:
		dc.pc.channels.remove(dc)
		dc.closed(nil)
		return
	}
	dc.state = channelClosing
	dc.wake()
	dc.unplug()
	if dc.outbox.Len() == 0 {
		dc.reset()
	}
}

// drained is called when nothing is buffered any more.
func (dc *DataChannel) drained() {
	if dc.state == channelClosing && !dc.pc.closing {
		dc.reset()
	}
}

// reset resets our stream (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.7).
func (dc *DataChannel) reset() {
	if dc.resetting {
		return
	}
	dc.resetting = true
	if dc.state == channelOpen {
		dc.state = channelClosing
		dc.wake()
	}
	if err := dc.pc.sctp.ResetStream(dc.pc.now, uint16(dc.stream)); err != nil {
		dc.pc.channels.remove(dc)
		dc.closed(nil)
	}
}
