package rtc

import (
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/sctp"
)

// counters holds the counters that the layers below do not have.
type counters struct {
	datagramsSent, datagramsReceived uint64
	bytesSent, bytesReceived         uint64
	strangersDropped, unknownDropped uint64
	sendErrors                       uint64
	records                          uint64 // DTLS datagrams sent and received, without most of the handshake's
	expired                          uint64
	acknowledged                     uint64 // bytes, of channels that are gone
	// undelivered is the number of bytes that were given up: buffered when the peer closed their
	// channel, or not acknowledged when the association ended.
	undelivered int
	messages    MessageStats
}

// MessageStats are counters of messages, and of their bytes of user data.
type MessageStats struct {
	MessagesSent, MessagesReceived uint64
	BytesSent, BytesReceived       uint64
}

func (s *MessageStats) sent(size int) {
	s.MessagesSent++
	s.BytesSent += uint64(size)
}

func (s *MessageStats) received(size int) {
	s.MessagesReceived++
	s.BytesReceived += uint64(size)
}

// Stats is a snapshot of a connection's counters and measurements. Counters only grow, also during
// an ICE restart. After the connection has ended, all have their last values, except the states,
// BufferedAmount and Channels.
type Stats struct {
	State    State
	ICEState ICEState

	// DatagramsSent, DatagramsReceived, BytesSent and BytesReceived count the UDP datagrams of ICE,
	// DTLS and the data channels. The bytes do not include IP and UDP headers.
	DatagramsSent, DatagramsReceived uint64
	BytesSent, BytesReceived         uint64
	// StrangersDropped counts DTLS datagrams from addresses that ICE has not verified to be the
	// peer's.
	StrangersDropped uint64
	// UnknownDropped counts datagrams that are neither STUN nor DTLS.
	UnknownDropped uint64
	// SendErrors counts batches of datagrams that the operating system has refused, at least in
	// part.
	SendErrors uint64

	// Messages counts the messages of all data channels, closed ones included.
	Messages MessageStats
	// BytesAcknowledged counts, of Messages.BytesSent, the bytes that the peer has acknowledged;
	// see DataChannel.BytesAcknowledged.
	BytesAcknowledged uint64
	// MessagesExpired counts messages whose MaxPacketLifeTime ended before SCTP had room for them;
	// SCTP.MessagesAbandoned counts those that SCTP gave up.
	MessagesExpired uint64
	// BufferedAmount is the sum of the buffered amounts of the channels, in bytes.
	BufferedAmount int
	// Undelivered is the number of bytes sent that the peer has not acknowledged, BufferedAmount
	// included. Messages that an unreliable channel has given up do not count. After the connection
	// has ended it is the number of bytes that were lost: if it is 0, everything has arrived,
	// though the peer's program may not have read it.
	Undelivered int
	// Channels is the number of data channels.
	Channels int

	// RTT is the smoothed round-trip time that SCTP measures; 0 before the first measurement.
	RTT time.Duration

	// Local and Remote are the candidates selected last; zero before the first selection.
	Local, Remote ice.Candidate
	ICE           ice.Stats
	SCTP          sctp.Stats
	// CipherSuite is the name of the DTLS cipher suite; empty before the end of the handshake.
	CipherSuite string
}

// Stats returns a snapshot of the connection's counters and measurements.
func (pc *PeerConnection) Stats() Stats {
	if pc.isZero() {
		return Stats{State: StateClosed, ICEState: ICEStateClosed}
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	s := Stats{
		State:             pc.state,
		ICEState:          pc.iceState,
		DatagramsSent:     pc.counters.datagramsSent,
		DatagramsReceived: pc.counters.datagramsReceived,
		BytesSent:         pc.counters.bytesSent,
		BytesReceived:     pc.counters.bytesReceived,
		StrangersDropped:  pc.counters.strangersDropped,
		UnknownDropped:    pc.counters.unknownDropped,
		SendErrors:        pc.counters.sendErrors,
		Messages:          pc.counters.messages,
		BytesAcknowledged: pc.channels.acknowledged(),
		MessagesExpired:   pc.counters.expired,
		Channels:          len(pc.channels.byStream),
	}
	s.BufferedAmount = pc.channels.buffered()
	t := &pc.transport
	if t.ice != nil {
		s.ICE = t.ice.Agent().Stats()
		pair, _ := t.ice.Agent().Selected()
		s.Local, s.Remote = pair.Local, pair.Remote
	}
	s.Undelivered = pc.counters.undelivered
	if !pc.ended {
		s.Undelivered += pc.unsent()
	}
	if t.sctp != nil {
		s.SCTP = t.sctp.Stats()
		s.RTT = s.SCTP.SRTT
	}
	if t.dtls != nil && t.dtls.CipherSuite() != 0 {
		s.CipherSuite = dtlsconn.CipherSuiteName(t.dtls.CipherSuite())
	}
	return s
}

// Stats returns a snapshot of the channel's counters. See also BytesAcknowledged.
func (dc *DataChannel) Stats() MessageStats {
	if dc.isZero() {
		return MessageStats{}
	}
	dc.table.mu.Lock()
	defer dc.table.mu.Unlock()
	return dc.counters
}
