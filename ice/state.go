package ice

import (
	"net/netip"
	"strconv"
	"time"
)

// State is the state of an agent, like RTCIceTransportState of W3C WebRTC.
type State uint8

// The states of an agent.
const (
	// StateNew: the peer's credentials are not known. The agent may be gathering.
	StateNew State = iota
	// StateChecking: connectivity checks are in progress or expected.
	StateChecking
	// StateConnected: a pair is selected, which may still change.
	StateConnected
	// StateCompleted: the selected pair is nominated.
	StateCompleted
	// StateDisconnected: the peer has not answered for DisconnectedTimeout. If it answers again,
	// StateConnected follows, and StateCompleted if the pair is nominated.
	StateDisconnected
	// StateFailed: no path was found, or consent has expired. The agent sends nothing until Restart
	// and SetRemote.
	StateFailed
	// StateClosed: Close was called.
	StateClosed
)

// String returns the word of W3C WebRTC.
func (s State) String() string {
	switch s {
	case StateNew:
		return "new"
	case StateChecking:
		return "checking"
	case StateConnected:
		return "connected"
	case StateCompleted:
		return "completed"
	case StateDisconnected:
		return "disconnected"
	case StateFailed:
		return "failed"
	case StateClosed:
		return "closed"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// BaseID identifies a base of an agent, such as a socket. [Agent.AddLocal] returns it. An address
// would not be enough: a UDP socket and a TCP listener may have the same one. It is never zero, and
// an agent does not reuse it.
type BaseID uint32

// Path is the path of a packet: through a base of the agent, from or to an address of the peer.
// Paths are comparable.
type Path struct {
	Base BaseID
	// Remote has the zone of the base if it is an IPv6 link-local address.
	Remote netip.AddrPort
}

// Pair is a pair of candidates.
type Pair struct {
	// Local is the candidate as seen by the peer: reflexive for a host behind a NAT.
	Local Candidate
	// Remote is the peer's candidate.
	Remote Candidate
	// Path is the path of the pair's packets, in both directions.
	Path Path
	// Base is the local address of the base.
	Base netip.AddrPort
	// Nominated is set if the controlling agent has nominated the pair.
	Nominated bool
}

// Stats are the counters of an agent since NewAgent, and the state of its selected pair.
type Stats struct {
	State       State
	Controlling bool
	// Pairs is the length of the check list, ValidPairs the number of valid pairs in it.
	Pairs, ValidPairs int
	// RTT is the last round-trip time measured on the selected pair, zero without one.
	RTT time.Duration

	RequestsSent          uint64 // connectivity checks with retransmissions, without consent checks
	Retransmissions       uint64 // of connectivity checks
	ResponsesReceived     uint64 // authenticated, also to consent checks
	RequestsReceived      uint64 // authenticated, also consent checks
	ResponsesSent         uint64 // with error responses
	ConsentRequestsSent   uint64
	GatheringRequestsSent uint64
	IndicationsReceived   uint64
	RoleConflicts         uint64

	// Packets dropped.
	Malformed       uint64 // not STUN, or FINGERPRINT wrong or missing
	Unauthenticated uint64 // USERNAME or MESSAGE-INTEGRITY wrong or missing
	Strangers       uint64 // of an unknown base or method, or a response to no request
	Overflows       uint64 // beyond a limit
}

// Stats returns a snapshot. After Close and in StateFailed, the values of the pairs are the last
// ones.
func (a *Agent) Stats() Stats {
	s := a.stats
	s.State, s.Controlling = a.State(), a.controlling
	g := a.current
	if a.closed() || g.ended {
		return s
	}
	s.Pairs, s.ValidPairs, s.RTT = len(g.checkList.pairs), 0, 0
	for _, p := range g.checkList.pairs {
		if p.state == pairSucceeded {
			s.ValidPairs++
		}
	}
	if p := a.selected(); p != nil {
		s.RTT = p.rtt
	}
	return s
}
