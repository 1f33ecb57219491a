package rtc

import (
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/sctp"
)

// counters count what no layer below does.
type counters struct {
	datagramsSent, datagramsReceived uint64
	bytesSent, bytesReceived         uint64
	strangersDropped, unknownDropped uint64
	sendErrors                       uint64
	records                          uint64 // DTLS datagrams sent and received, without most of the handshake's
	expired                          uint64
	acknowledged                     uint64 // bytes, of channels that are gone
	undelivered                      int    // bytes that were given up: buffered when the peer closed their channel, or when the connection ended
	messages                         MessageStats
}

// MessageStats counts the messages of data channels, and their bytes.
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

// Stats is a snapshot of a connection's counters. Those that count only grow, also through an ICE restart. After the
// connection has ended, all keep their last values, except the states, BufferedAmount and Channels.
type Stats struct {
	State    State
	ICEState ICEState

	// UDP datagrams of the ICE agent and of the data channels, without those of the DTLS handshake; bytes without
	// IP and UDP headers.
	DatagramsSent, DatagramsReceived uint64
	BytesSent, BytesReceived         uint64
	// StrangersDropped counts DTLS datagrams from addresses that ICE has not proven to be the peer's.
	StrangersDropped uint64
	// UnknownDropped counts datagrams that are neither STUN nor DTLS.
	UnknownDropped uint64
	// SendErrors counts batches of which the operating system refused something.
	SendErrors uint64

	// Messages are those of all data channels, closed ones too.
	Messages MessageStats
	// BytesAcknowledged counts, of Messages.BytesSent, the bytes that the peer has acknowledged; see
	// DataChannel.BytesAcknowledged.
	BytesAcknowledged uint64
	// MessagesExpired counts messages whose MaxPacketLifeTime ended while they were buffered here; those that SCTP gave up
	// are in SCTP.MessagesAbandoned.
	MessagesExpired uint64
	// BufferedAmount is what the channels hold and the association has not taken, in bytes.
	BufferedAmount int
	// Undelivered is how much of what was sent the peer's association has not acknowledged, in bytes, BufferedAmount
	// included. Messages of unreliable channels that were given up in time do not count. After the connection has ended it is
	// what was lost: 0 means that everything has arrived, though not that the peer's program has read it.
	Undelivered int
	// Channels is the number of data channels.
	Channels int

	// RTT is the smoothed round-trip time that SCTP measures; 0 before there is one.
	RTT time.Duration

	// Local and Remote are the candidates selected last; zero before there is a pair.
	Local, Remote ice.Candidate
	ICE           ice.Stats
	SCTP          sctp.Stats
	// CipherSuite is the name of the DTLS cipher suite; empty before the handshake is done.
	CipherSuite string
}

// Stats gives a snapshot of the connection's counters.
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

// Stats gives a snapshot of the channel's counters.
func (dc *DataChannel) Stats() MessageStats {
	if dc.isZero() {
		return MessageStats{}
	}
	dc.table.mu.Lock()
	defer dc.table.mu.Unlock()
	return dc.counters
}
