package ice

import (
	"fmt"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// generation is the part of an agent that an ICE restart replaces (https://www.rfc-editor.org/rfc/rfc8445.html#section-9):
// the credentials of both sides, the peer's candidates, the check list, and the selected pair with the peer's consent.
type generation struct {
	agent *Agent

	localUfrag, localPwd string
	localKey             *stun.Key // of requests to us and our responses
	remoteUfrag          string
	remotePwd            string
	remoteKey            *stun.Key // of our requests and their responses; nil until SetRemote
	username             string    // in our requests: "remote:local"
	remoteLite           bool

	remotes               []*Candidate
	prflxNo               int // peer-reflexive remote candidates made, for their foundations
	early                 int // of them, those made before SetRemote
	remoteEndOfCandidates bool
	basesComplete         bool
	endOfCandidates       bool // EventGatheringComplete was reported

	checkList     checkList
	selected      *candidatePair
	selectedAt    time.Time // when it was selected, or nominated since
	byData        dataSelection
	addressChange addressChange
	nominating    *candidatePair // the pair whose check with USE-CANDIDATE is due or under way
	graceEnds     time.Time      // when a controlling agent nominates the best valid pair it has; zero without one
	patience      time.Time      // until when the agent does not fail; zero before SetRemote
	consent       consent
	connected     bool // there has been a selected pair
	ended         bool // it has failed, or the agent is closed: its credentials are not used any more
}

// newGeneration makes a generation with the given local credentials, or with random ones if both are empty.
func (a *Agent) newGeneration(ufrag, pwd string) (*generation, error) {
	if ufrag == "" && pwd == "" {
		ufrag, pwd = a.randomCredentials()
	}
	if !validCredentials(ufrag, pwd) {
		return nil, fmt.Errorf("ice: local credentials: %w", ErrCredentials)
	}
	return &generation{agent: a, localUfrag: ufrag, localPwd: pwd, localKey: stun.NewKey([]byte(pwd))}, nil
}

// generations returns all three, of which previous and next may be nil.
func (a *Agent) generations() [3]*generation { return [...]*generation{a.current, a.previous, a.next} }

// latest returns the generation whose credentials and candidates are to be signalled.
func (a *Agent) latest() *generation {
	if a.next != nil {
		return a.next
	}
	return a.current
}

// end lets go of everything but the credentials.
func (g *generation) end() {
	g.deselect()
	g.ended = true
	g.nominating, g.byData, g.addressChange = nil, dataSelection{}, addressChange{}
	g.checkList, g.remotes = checkList{}, nil
}

// deselect leaves the generation without a pair for data.
func (g *generation) deselect() {
	if g.selected != nil {
		g.agent.lastSelected = g.selected
	}
	g.selected, g.consent = nil, consent{}
}

// roleChanged adapts to the agent's new role.
func (g *generation) roleChanged() {
	g.nominating, g.graceEnds = nil, time.Time{}
	for _, p := range g.checkList.pairs {
		p.setPriority(g.agent.controlling)
		// A retransmission has to be the same request, and that now claims the wrong role.
		if p.state == pairInProgress {
			g.cancel(p)
			g.checkList.trigger(p)
		}
	}
	g.checkList.sort()
}

// removeBase forgets the pairs of a base.
func (g *generation) removeBase(b *base) {
	g.checkList.removeBase(b)
	if g.nominating != nil && g.nominating.base == b {
		g.nominating = nil
	}
	if g.addressChange.pair != nil && g.addressChange.pair.base == b {
		g.addressChange = addressChange{}
	}
	if g.selected != nil && g.selected.base == b {
		g.selected.nominated = false
		g.deselect()
		g.selectBest()
		if g.selected == nil {
			g.recheckOthers()
		}
	}
}

// pairAt returns the pair of a path whose remote address is plain.
func (g *generation) pairAt(path Path) *candidatePair {
	for _, p := range g.checkList.pairs {
		if p.remote.Addr == path.Remote && p.base.id == path.Base {
			return p
		}
	}
	return nil
}

// Restart begins an ICE restart (https://www.rfc-editor.org/rfc/rfc8445.html#section-9): the agent has new local credentials,
// random ones if both are empty, to be signalled to the peer with the candidates that it reports again. Until SetRemote is
// called with the peer's new ones, nothing else changes. Then new checks begin, and data keeps the path that it has, with its
// consent, until there is a new one. An agent in StateFailed goes on thus. The owner adds and removes bases as the networks are now,
// and calls SetLocalComplete again.
//
// Before the first SetRemote, and when an earlier Restart was not answered by SetRemote yet, the new credentials take the place of those
// there were. The error wraps ErrState after Close, or ErrCredentials.
func (a *Agent) Restart(now time.Time, ufrag, pwd string) error {
	if a.closed() {
		return fmt.Errorf("ice: restart: %w", ErrState)
	}
	g, err := a.newGeneration(ufrag, pwd)
	if err != nil {
		return err
	}
	a.debug("restart", "ufrag", g.localUfrag)
	if a.current.remoteKey == nil && !a.current.ended {
		a.current.end()
		a.current = g
	} else {
		if a.next != nil {
			a.next.end()
		}
		a.next = g
	}
	for _, b := range a.bases {
		a.addEvent(EventLocalCandidate{b.host, g.localUfrag})
		b.gatherings = nil
		a.startGathering(now, b)
	}
	a.update(now)
	return nil
}

// CancelRestart undoes a Restart that SetRemote has not answered: the credentials before it are the agent's again. It reports whether there
// was one.
func (a *Agent) CancelRestart(now time.Time) bool {
	if a.next == nil {
		return false
	}
	a.next.end()
	a.next = nil
	for _, b := range a.bases {
		b.gatherings = nil
	}
	a.update(now)
	return true
}

// takeOver makes the next generation the current one, or else one with the same local credentials: for a peer that is another than
// the one before. The one that has a path stays beside it.
func (a *Agent) replaceCurrent(next bool) {
	g := a.next
	if next {
		a.next = nil
	} else {
		c := a.current
		g = &generation{
			agent: a, localUfrag: c.localUfrag, localPwd: c.localPwd, localKey: c.localKey,
			basesComplete: c.basesComplete, endOfCandidates: c.endOfCandidates,
		}
	}
	switch {
	case a.current.selected != nil:
		if a.previous != nil {
			a.previous.end()
		}
		a.previous = a.current
		a.previous.nominating, a.previous.addressChange = nil, addressChange{}
	default:
		a.current.end()
	}
	a.current = g
}

// dropPrevious ends the generation before a restart. That it has a path does not matter any more.
func (a *Agent) dropPrevious() {
	a.debug("restart done")
	a.previous.end()
	a.previous = nil
}

// previousGrace is how long the previous generation stays after the nomination in the current one: what the peer has sent on the old
// path is still taken, and its checks there are answered. The RFC asks for three seconds before candidates are freed
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3.1).
const previousGrace = 3 * time.Second

// previousEnds returns when the previous generation is not needed any more; zero while that is not known.
func (a *Agent) previousEnds() time.Time {
	g := a.previous
	switch {
	case g == nil:
		return time.Time{}
	case a.current.selected == nil:
		return g.consent.expires
	case a.current.selected.nominated:
		return earlier(a.current.selectedAt.Add(previousGrace), g.consent.expires)
	}
	return g.consent.expires
}

// forgetStrangers drops what was learned from checks of others than the peer that SetRemote has named: our credentials were
// in an offer that may have reached several.
func (g *generation) dropOtherPeers() {
	for _, p := range slices.Clone(g.checkList.pairs) {
		if p.earlyUfrag == "" || p.earlyUfrag == g.remoteUfrag {
			continue
		}
		if p.remote.Type == CandidateTypePeerReflexive {
			g.checkList.remove(p)
			g.remotes = slices.DeleteFunc(g.remotes, func(c *Candidate) bool { return c == p.remote })
			continue
		}
		p.permitted, p.firstUseCandidate, p.lastUseCandidate = false, time.Time{}, time.Time{}
	}
}
