package ice

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// Agent is an ICE agent with one data stream and one component. It is made by NewAgent and not for concurrent use. It does no
// I/O: see the package comment for what its owner does.
type Agent struct {
	config Config
	rand   *rand.ChaCha8
	log    *slog.Logger

	controlling bool
	tieBreaker  uint64

	bases    []*base
	lastBase BaseID

	// The generations, see restart.go. Only current is always there.
	current  *generation // whose candidates are checked, and whose pair carries data as soon as there is one
	previous *generation // the one before a restart, whose pair carries data until then; nil: none
	next     *generation // of the credentials that Restart has set and SetRemote has not answered yet; nil: none

	checkPacer     pacer // of checks
	gatheringPacer pacer // of requests to STUN servers
	responses      ring.Queue[response]

	lastSelected *candidatePair // the last that was deselected
	pathReported bool           // the last report of a path was EventSelectedPair, not EventPathLost

	state  State
	events []Event
	stats  Stats

	now      time.Time // of the last call
	idle     bool      // Transmit has nothing until the next call of another method
	deadline time.Time // cached if idle
}

// NewAgent returns an agent in StateNew. The error wraps ErrCredentials, or is that of reading Config.Rand.
func NewAgent(config Config) (*Agent, error) {
	config.setDefaults()
	if config.Rand == nil {
		config.Rand = crand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(config.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("ice: read Config.Rand: %w", err)
	}
	config.Rand = nil
	a := &Agent{
		config: config, rand: rand.NewChaCha8(seed), log: config.Logger,
		controlling: config.Controlling,
		checkPacer:  pacer{interval: config.CheckInterval}, gatheringPacer: pacer{interval: config.CheckInterval},
	}
	var err error
	if a.current, err = a.newGeneration(config.Ufrag, config.Pwd); err != nil {
		return nil, err
	}
	a.config.STUNServers = nil
	for _, s := range config.STUNServers {
		if s = plain(s); len(a.config.STUNServers) < maxSTUNServers && !slices.Contains(a.config.STUNServers, s) {
			a.config.STUNServers = append(a.config.STUNServers, s)
		}
	}
	a.tieBreaker = a.rand.Uint64()
	return a, nil
}

// Controlling returns the agent's role, which a conflict with the peer may have changed.
func (a *Agent) Controlling() bool { return a.controlling }

// SetControlling sets the agent's role, for an owner that learns it after NewAgent.
func (a *Agent) SetControlling(now time.Time, controlling bool) {
	if controlling != a.controlling {
		a.setRole(controlling)
		a.update(now)
	}
}

// setRole changes the role; pair priorities depend on it
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.1).
func (a *Agent) setRole(controlling bool) {
	a.debug("role", "controlling", controlling)
	a.controlling = controlling
	for _, g := range a.generations() {
		if g != nil {
			g.roleChanged()
		}
	}
}

// SetLocalComplete says that the bases are known for now. EventGatheringComplete comes when the STUN servers have answered
// too, or are given up. Candidates of bases that are added later are reported all the same.
func (a *Agent) SetLocalComplete(now time.Time) {
	a.latest().basesComplete = true
	a.update(now)
}

// Close ends the agent: it sends nothing more and its state is StateClosed. It may be called again.
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

// closed reports whether the agent has ended.
func (a *Agent) closed() bool { return a.state == StateClosed }

// State returns the agent's state.
func (a *Agent) State() State { return a.state }

// Selected returns the pair that application data should take: it is sent on pair.Path. ok is false while there is none, and then
// nothing but what Transmit returns may be sent; pair is then the one that was selected last, also after the end, and zero
// if none was.
func (a *Agent) Selected() (pair Pair, ok bool) {
	switch p := a.selected(); {
	case p != nil:
		return p.pair(), true
	case a.lastSelected != nil:
		return a.lastSelected.pair(), false
	}
	return Pair{}, false
}

// selected returns the pair that data takes: that of the current generation, or in a restart that of the previous one.
func (a *Agent) selected() *candidatePair {
	if p := a.current.selected; p != nil || a.previous == nil {
		return p
	}
	return a.previous.selected
}

// Permits reports whether application data may be accepted on a path: it is a valid pair, or the peer has proven with an
// authenticated check to be there, and no consent has expired on it. It does not allocate.
func (a *Agent) Permits(path Path) bool {
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

// Event returns the next event, in the order of what happened, and false if there is none.
func (a *Agent) Event() (Event, bool) {
	if len(a.events) == 0 {
		return nil, false
	}
	e := a.events[0]
	a.events = a.events[1:]
	if len(a.events) == 0 {
		a.events = nil // rare and short: no need to keep the memory
	}
	return e, true
}

func (a *Agent) addEvent(e Event) { a.events = append(a.events, e) }

// setState changes the state and reports it.
func (a *Agent) setState(s State) {
	if s == a.state || a.closed() {
		return
	}
	if a.log != nil {
		a.log.Info("ice: state", "from", a.state.String(), "to", s.String())
	}
	a.state = s
	a.addEvent(EventState{s})
}

// debug logs at slog.LevelDebug.
func (a *Agent) debug(message string, args ...any) {
	if a.log != nil && a.log.Enabled(context.Background(), slog.LevelDebug) {
		a.log.Debug("ice: "+message, args...)
	}
}
