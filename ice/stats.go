package ice

import "time"

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
