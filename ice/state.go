package ice

import (
	"net/netip"
	"strconv"
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
	// StateFailed: there is no path, or consent has expired. Nothing is sent any more.
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

// Pair is a pair of candidates.
type Pair struct {
	// Local is the candidate that the peer sees: for a host behind a NAT it is reflexive. Its base, the socket to use, is
	// Base.
	Local Candidate
	// Remote is the peer's candidate.
	Remote Candidate
	// Base is the local address of the socket that the pair sends from and receives on.
	Base netip.AddrPort
	// Nominated tells whether the controlling agent has decided for the pair.
	Nominated bool
}

// Event is something the owner of an agent should know: one of EventState, EventLocalCandidate,
// EventGatheringComplete, EventSelectedPair and EventBaseFreed.
type Event interface{ event() }

// EventState reports that the agent's state has changed to State.
type EventState struct{ State State }

// EventLocalCandidate reports a new local candidate, to be signalled to the peer.
type EventLocalCandidate struct{ Candidate Candidate }

// EventGatheringComplete reports that no local candidate will follow: end-of-candidates
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-13).
type EventGatheringComplete struct{}

// EventSelectedPair reports the pair that application data should take from now on. It comes when the first pair is valid,
// when a better one is, when the pair is nominated, and when the peer turns to another one.
type EventSelectedPair struct{ Pair Pair }

// EventBaseFreed reports that the agent does not need the socket named Base any more: a pair of another one is nominated, and the
// peer has not used this one for Config.UnusedTimeout. The agent has forgotten it, and its owner may close it
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
type EventBaseFreed struct{ Base netip.AddrPort }

func (EventState) event()             {}
func (EventLocalCandidate) event()    {}
func (EventGatheringComplete) event() {}
func (EventSelectedPair) event()      {}
func (EventBaseFreed) event()         {}
