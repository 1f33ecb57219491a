package ice

import (
	"net/netip"
	"strconv"
	"time"
)

// State is the state of an agent, in the sense of W3C WebRTC's RTCIceTransportState.
type State uint8

// The states of an agent.
const (
	// StateNew: the peer's credentials are not known. Gathering may go on.
	StateNew State = iota
	// StateChecking: connectivity checks are made, or awaited.
	StateChecking
	// StateConnected: there is a selected pair, which may still change.
	StateConnected
	// StateCompleted: a pair is nominated.
	StateCompleted
	// StateDisconnected: the peer has not answered for DisconnectedTimeout. It may come back: then StateConnected, and
	// StateCompleted if the pair is nominated.
	StateDisconnected
	// StateFailed: there is no path, or consent has expired. Nothing is sent, until Restart and SetRemote begin anew.
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

// BaseID is the identity of a base of an agent, which AddLocal returns: a socket, say. Two bases may have the same address, as an UDP
// socket and a TCP listener can. It is never zero, and not used again by the same agent.
type BaseID uint32

// Path is how a packet comes and goes: through one of the agent's bases, to or from an address of the peer.
type Path struct {
	Base BaseID
	// Remote has the zone of the base's link if it is an IPv6 link-local address.
	Remote netip.AddrPort
}

// Pair is a pair of candidates.
type Pair struct {
	// Local is the candidate that the peer sees: for a host behind a NAT it is reflexive.
	Local Candidate
	// Remote is the peer's candidate.
	Remote Candidate
	// Path is what the pair's packets are sent on and come from.
	Path Path
	// Base is the local address of the base: of the socket that the pair uses.
	Base netip.AddrPort
	// Nominated tells whether the controlling agent has decided for the pair.
	Nominated bool
}

// Event is something the owner of an agent should know: one of EventState, EventLocalCandidate,
// EventGatheringComplete, EventSelectedPair, EventPathLost and EventBaseFreed.
type Event interface{ event() }

// EventState reports that the agent's state has changed to State.
type EventState struct{ State State }

// EventLocalCandidate reports a new local candidate, to be signalled to the peer. It belongs to the credentials with that Ufrag.
type EventLocalCandidate struct {
	Candidate Candidate
	Ufrag     string
}

// EventGatheringComplete reports that no local candidate will follow for the credentials with that Ufrag, unless a base is added:
// end-of-candidates (https://www.rfc-editor.org/rfc/rfc8838.html#section-13).
type EventGatheringComplete struct{ Ufrag string }

// EventSelectedPair reports the pair that application data should take from now on. It comes when the first pair is valid,
// when a better one is, when the pair is nominated, when the peer turns to another one, and when there is a path again after
// EventPathLost.
type EventSelectedPair struct{ Pair Pair }

// EventPathLost reports that there is no pair any more that application data may take: consent has expired
// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1), or the base is gone. Nothing may be sent but what Transmit returns,
// until EventSelectedPair.
type EventPathLost struct{}

// EventBaseFreed reports that the agent does not need a base any more: a pair of another one is nominated, and the
// peer has not used this one for Config.UnusedTimeout. The agent has forgotten it, and its owner may close the socket
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
type EventBaseFreed struct{ Base BaseID }

func (EventState) event()             {}
func (EventLocalCandidate) event()    {}
func (EventGatheringComplete) event() {}
func (EventSelectedPair) event()      {}
func (EventPathLost) event()          {}
func (EventBaseFreed) event()         {}

// Stats are counters of an agent since it was made, and the state of its selected pair.
type Stats struct {
	State       State
	Controlling bool
	// Pairs is the length of the check list, ValidPairs how many of them have succeeded.
	Pairs, ValidPairs int
	// RTT is the last round trip measured on the selected pair, zero if there is none.
	RTT time.Duration

	RequestsSent          uint64 // checks, retransmissions included, consent not
	Retransmissions       uint64 // of checks
	ResponsesReceived     uint64 // authenticated responses, consent included
	RequestsReceived      uint64 // authenticated checks, consent included
	ResponsesSent         uint64 // error responses included
	ConsentRequestsSent   uint64
	GatheringRequestsSent uint64
	IndicationsReceived   uint64
	RoleConflicts         uint64

	// What was dropped.
	Malformed       uint64 // not STUN, or a wrong or missing FINGERPRINT
	Unauthenticated uint64 // USERNAME or MESSAGE-INTEGRITY wrong or missing
	Strangers       uint64 // to no socket of this agent, of another method, or the response to no request
	Overflows       uint64 // one of the limits was reached
}

// Stats returns a snapshot. After the end the pairs and their round trip time are those that there were last.
func (a *Agent) Stats() Stats {
	s := a.stats
	s.State, s.Controlling = a.state, a.controlling
	g := a.current
	if g.ended {
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
