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
	expired                          uint64
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

// Stats is a snapshot of a connection's counters. Those that count only grow.
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
	// MessagesExpired counts messages whose MaxPacketLifeTime ended while they were buffered here; those that SCTP gave up
	// are in SCTP.MessagesAbandoned.
	MessagesExpired uint64
	// BufferedAmount is what the channels hold and the association has not taken, in bytes.
	BufferedAmount int
	// Channels is the number of data channels.
	Channels int

	// RTT is the smoothed round-trip time that SCTP measures; 0 before there is one.
	RTT time.Duration

	// Local and Remote are the selected candidates; zero before there is a pair.
	Local, Remote ice.Candidate
	ICE           ice.Stats
	SCTP          sctp.Stats
	// CipherSuite is the name of the DTLS cipher suite; empty before the handshake is done.
	CipherSuite string
}

// Stats gives a snapshot of the connection's counters.
func (pc *PeerConnection) Stats() Stats {
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
		MessagesExpired:   pc.counters.expired,
		Channels:          len(pc.channels.byStream),
	}
	for _, dc := range pc.channels.byStream {
		s.BufferedAmount += dc.buffered
	}
	if pc.agent != nil {
		s.ICE = pc.agent.Stats()
		if pair, ok := pc.agent.Selected(); ok {
			s.Local, s.Remote = pair.Local, pair.Remote
		}
	}
	if pc.sctp != nil {
		s.SCTP = pc.sctp.Stats()
		s.RTT = s.SCTP.SRTT
	}
	if pc.dtlsUp {
		s.CipherSuite = dtlsconn.CipherSuiteName(pc.dtls.CipherSuite())
	}
	return s
}

// Stats gives a snapshot of the channel's counters.
func (dc *DataChannel) Stats() MessageStats {
	dc.pc.mu.Lock()
	defer dc.pc.mu.Unlock()
	return dc.counters
}
