package ice

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// Agent is an ICE agent (RFC 8445) with one data stream and one component. Create it with
// [NewAgent]; the zero value is a closed agent. It does no I/O: the package documentation lists
// what its owner does.
//
// An Agent is not safe for concurrent use. Its methods take the current time, which must not go
// backwards; any clock does. They keep no reference to a packet or slice that they are given.
type Agent struct {
	config Config
	random randomSource

	controlling bool
	state       State
	reported    reportedPair
	idle        bool // Transmit has nothing until another method is called

	tieBreaker uint64

	bases    []*base
	lastBase BaseID

	// The generations: see generation.go. Only current is never nil.
	current  *generation // its candidates are checked; its pair carries data once there is one
	previous *generation // the one before a restart; its pair carries data until then
	next     *generation // set by Restart until SetRemote completes it

	checkPacer     pacer // of connectivity checks
	gatheringPacer pacer // of requests to STUN servers
	responses      ring.Queue[response]

	lastSelected *candidatePair // the pair that was selected before

	events []Event
	stats  Stats

	now      time.Time // the time of the last call
	deadline time.Time // cached while idle
}

// NewAgent returns an agent in StateNew. The error wraps [ErrCredentials] if only one of
// Config.Ufrag and Config.Pwd is set or either is malformed, or the error of reading Config.Rand.
func NewAgent(config Config) (*Agent, error) {
	config = config.withDefaults()
	random, err := newRandomSource(config.Rand)
	if err != nil {
		return nil, err
	}
	config.Rand = nil
	a := &Agent{
		config: config, random: random,
		controlling:    config.Controlling,
		checkPacer:     pacer{interval: config.CheckInterval},
		gatheringPacer: pacer{interval: config.CheckInterval},
	}
	if a.current, err = a.newGeneration(config.Ufrag, config.Pwd); err != nil {
		return nil, err
	}
	a.config.STUNServers = nil
	for _, s := range config.STUNServers {
		s = plain(s)
		known := slices.Contains(a.config.STUNServers, s)
		if !known && len(a.config.STUNServers) < maxSTUNServers {
			a.config.STUNServers = append(a.config.STUNServers, s)
		}
	}
	a.tieBreaker = a.random.uint64()
	return a, nil
}

// Controlling reports whether the agent has the controlling role. A role conflict with the peer may
// have changed it: RFC 8445, section 7.3.1.1.
func (a *Agent) Controlling() bool { return a.controlling }

// SetControlling sets the agent's role, if the owner determines it after NewAgent.
func (a *Agent) SetControlling(now time.Time, controlling bool) {
	if controlling != a.controlling {
		a.setRole(controlling)
		a.update(now)
	}
}

// setRole changes the role and, because they depend on it, the pair priorities: RFC 8445, section
// 7.3.1.1.
func (a *Agent) setRole(controlling bool) {
	a.debug("role", "controlling", controlling)
	a.controlling = controlling
	for _, g := range a.generations() {
		if g != nil {
			g.roleChanged()
		}
	}
}

// SetLocalComplete states that the owner has added all bases for now. EventGatheringComplete
// follows when every STUN server has answered or timed out. Candidates of bases added later are
// reported nevertheless.
func (a *Agent) SetLocalComplete(now time.Time) {
	if a.closed() {
		return
	}
	a.current.basesComplete = true
	if a.next != nil {
		a.next.basesComplete = true
	}
	a.update(now)
}

// Close ends the agent: it sends nothing more, and its state is StateClosed. Further calls have no
// effect.
func (a *Agent) Close() {
	if a.closed() {
		return
	}
	a.stats = a.Stats()
	a.setState(StateClosed)
	for _, g := range a.generations() {
		if g != nil {
			g.end()
		}
	}
	a.previous, a.next = nil, nil
	a.responses.Clear()
	a.idle, a.deadline = true, time.Time{}
}

// closed reports whether the agent has ended, or is the zero value.
func (a *Agent) closed() bool { return a.state == StateClosed || a.current == nil }

// State returns the agent's state.
func (a *Agent) State() State {
	if a.closed() {
		return StateClosed
	}
	return a.state
}

// Selected returns the pair for application data, which the owner sends on pair.Path. ok is false
// if there is no path; then the owner may send nothing but the packets of Transmit, and pair is the
// one selected last, or zero if there was none. That remains so after Close.
func (a *Agent) Selected() (pair Pair, ok bool) {
	switch p := a.selected(); {
	case p != nil:
		return p.pair(), true
	case a.lastSelected != nil:
		return a.lastSelected.pair(), false
	}
	return Pair{}, false
}

// selected returns the pair for data: that of the current generation or, during a restart, of the
// previous one.
func (a *Agent) selected() *candidatePair {
	if a.current == nil {
		return nil
	}
	if p := a.current.selected; p != nil || a.previous == nil {
		return p
	}
	return a.previous.selected
}

// Permits reports whether the owner may accept application data from a path: the pair is valid or
// the peer has sent an authenticated check on it, and no consent has expired on it. It does not
// allocate.
func (a *Agent) Permits(path Path) bool {
	if a.closed() {
		return false
	}
	if p := a.current.selected; p != nil && p.path == path {
		return true
	}
	path.Remote = plain(path.Remote)
	for _, g := range a.generations() {
		if g != nil {
			if p := g.pairAt(path); p != nil && p.acceptsData() {
				return true
			}
		}
	}
	return false
}

// Event returns the next event in chronological order. It reports false if there is none.
func (a *Agent) Event() (Event, bool) {
	if len(a.events) == 0 {
		return Event{}, false
	}
	e := a.events[0]
	a.events = a.events[1:]
	if len(a.events) == 0 {
		a.events = nil // events are rare and few: the memory is not kept
	}
	return e, true
}

// HasEvent reports whether Event would return one. After most inputs there is none, and then the
// struct need not be copied.
func (a *Agent) HasEvent() bool { return len(a.events) > 0 }

func (a *Agent) addEvent(e Event) { a.events = append(a.events, e) }

// addLocalCandidate reports a local candidate.
func (a *Agent) addLocalCandidate(c Candidate, ufrag string) {
	a.addEvent(Event{Kind: EventLocalCandidate, Candidate: &c, Ufrag: ufrag})
}

// setState changes the state and reports it.
func (a *Agent) setState(s State) {
	if s == a.state || a.closed() {
		return
	}
	if a.config.Logger != nil {
		a.config.Logger.Info("ice: state", "from", a.state.String(), "to", s.String())
	}
	a.state = s
	a.addEvent(Event{Kind: EventState, State: s})
}

// debug logs at slog.LevelDebug.
func (a *Agent) debug(message string, args ...any) {
	if a.config.Logger != nil && a.config.Logger.Enabled(context.Background(), slog.LevelDebug) {
		a.config.Logger.Debug("ice: "+message, args...)
	}
}
