package ice

import "fmt"

// EventKind is the kind of an [Event].
type EventKind uint8

// The kinds of events. Their comments name the fields of [Event] that are set.
const (
	// EventState: the agent's state has changed to State.
	EventState EventKind = iota + 1
	// EventLocalCandidate: Candidate is a new local candidate, to be signalled to the peer. It
	// belongs to the local credentials with Ufrag.
	EventLocalCandidate
	// EventGatheringComplete: no more candidates will follow for the local credentials with Ufrag,
	// unless a base is added. After a Restart, it is also reported for the credentials before it,
	// if it was not yet. The owner signals end-of-candidates: RFC 8838, section 13.
	EventGatheringComplete
	// EventSelectedPair: Pair is the pair for application data from now on: the first valid pair, a
	// better one, the nominated pair, the pair that the peer has changed to, or the first pair
	// after EventPathLost. It comes again for the same pair if a NAT has given its base another
	// mapping.
	EventSelectedPair
	// EventPathLost: there is no pair for application data any more, because consent has expired
	// (RFC 7675, section 5.1) or the base was removed. Until EventSelectedPair, the owner may send
	// nothing but the packets of [Agent.Transmit].
	EventPathLost
	// EventBaseFreed: the agent has removed Base. A pair of another base is nominated, and the peer
	// has not used this one for Config.UnusedTimeout. The owner may close its socket: RFC 8445,
	// section 8.3.
	EventBaseFreed
)

var eventNames = [...]string{
	EventState: "state", EventLocalCandidate: "local-candidate",
	EventGatheringComplete: "gathering-complete", EventSelectedPair: "selected-pair",
	EventPathLost: "path-lost", EventBaseFreed: "base-freed",
}

// String returns the name of the kind in lower case.
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// Event reports a change to the owner of an agent. Each is returned once, in order. The other
// fields are set only for the kinds whose comments mention them. Candidate and Pair are pointers
// because an owner calls Agent.Event after each input, mostly without a result, and a large struct
// would enlarge the stacks of its goroutines.
type Event struct {
	Kind      EventKind
	State     State
	Candidate *Candidate
	Ufrag     string
	Pair      *Pair
	Base      BaseID
}
