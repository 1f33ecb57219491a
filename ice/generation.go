package ice

import (
	"fmt"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/stun"
)

// generation is the state that an ICE restart replaces (RFC 8445, section 9): the credentials of
// both sides, the peer's candidates, the check list, and the selected pair with its consent.
type generation struct {
	agent *Agent

	localUfrag, localPwd string
	localKey             *stun.Key // of the peer's requests and their responses
	remoteUfrag          string
	remotePwd            string
	remoteKey            *stun.Key // of own requests and their responses; nil until SetRemote
	username             string    // of this agent's requests: "remote:local"

	remotes []*Candidate
	prflxNo int // peer-reflexive candidates added so far, for their foundations
	early   int // those of them that were added before SetRemote

	remoteLite            bool
	remoteEndOfCandidates bool
	basesComplete         bool
	endOfCandidates       bool // EventGatheringComplete was reported
	connected             bool // a pair has been selected
	ended                 bool // it has failed or was replaced, or the agent is closed

	checkList     checkList
	selected      *candidatePair
	selectedAt    time.Time // when it was selected, or else nominated
	byData        dataSelection
	addressChange addressChange
	nominating    *candidatePair // its check with USE-CANDIDATE is due or in progress
	graceEnds     time.Time      // when a controlling agent nominates the best valid pair
	patience      time.Time      // the agent does not fail before; zero until SetRemote
	consent       consent
}

// newGeneration returns a generation with the given local credentials, or with random ones if both
// are empty.
func (a *Agent) newGeneration(ufrag, pwd string) (*generation, error) {
	if ufrag == "" && pwd == "" {
		ufrag, pwd = a.randomCredentials()
	}
	if !validCredentials(ufrag, pwd) {
		return nil, fmt.Errorf("ice: local credentials: %w", ErrCredentials)
	}
	return &generation{agent: a, localUfrag: ufrag, localPwd: pwd, localKey: stun.NewKey([]byte(pwd))}, nil
}

// generations returns all three. previous and next may be nil.
func (a *Agent) generations() [3]*generation { return [...]*generation{a.current, a.previous, a.next} }

// latest returns the generation whose credentials and candidates are to be signalled.
func (a *Agent) latest() *generation {
	if a.next != nil {
		return a.next
	}
	return a.current
}

// end releases everything but the credentials.
func (g *generation) end() {
	g.deselect()
	g.ended = true
	g.nominating, g.byData, g.addressChange = nil, dataSelection{}, addressChange{}
	g.checkList, g.remotes = checkList{}, nil
}

// deselect clears the selected pair of the generation.
func (g *generation) deselect() {
	if g.selected != nil {
		g.agent.lastSelected = g.selected
	}
	g.selected, g.consent = nil, consent{}
}

// roleChanged adjusts the generation to the new role of the agent.
func (g *generation) roleChanged() {
	g.nominating, g.graceEnds = nil, time.Time{}
	for _, p := range g.checkList.pairs {
		p.setPriority(g.agent.controlling)
		// Retransmissions must repeat the request, which now has the wrong role.
		if p.state == pairInProgress {
			g.cancel(p)
			g.checkList.trigger(p)
		}
	}
	g.checkList.sort()
}

// removeBase removes the pairs of a base.
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

// pairAt returns the pair of a path, whose remote address is plain, or nil.
func (g *generation) pairAt(path Path) *candidatePair {
	for _, p := range g.checkList.pairs {
		if p.remote.Addr == path.Remote && p.base.id == path.Base {
			return p
		}
	}
	return nil
}

// Restart begins an ICE restart: RFC 8445, section 9. The agent gets new local credentials, random
// ones if both arguments are empty, and reports its candidates again, for the owner to signal.
// Nothing else changes until SetRemote is called with the peer's new credentials. Then new checks
// begin, and data stays on its present path, as long as the peer consents, until there is a new
// one. An agent in StateFailed continues with a restart too. The owner adds and removes bases
// according to the present networks, before or after Restart, and calls SetLocalComplete again.
//
// If SetRemote was never called, or has not completed an earlier Restart, the new credentials
// replace the ones that were to be used. The error wraps [ErrState] after Close, or
// [ErrCredentials] as for NewAgent.
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
		a.addLocalCandidate(b.host, g.localUfrag)
		b.gatherings = nil
		a.startGathering(now, b)
	}
	a.update(now)
	return nil
}

// CancelRestart cancels a Restart that SetRemote has not completed, and returns to the credentials
// before it. It reports whether there was one.
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

// replaceCurrent replaces the current generation: by the next one or, for another peer, by one with
// the same local credentials. The current one becomes the previous one if it has a path.
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

// dropPrevious ends the generation before a restart, with its path.
func (a *Agent) dropPrevious() {
	a.debug("restart done")
	a.previous.end()
	a.previous = nil
}

// previousGrace is the time for which the previous generation is kept after the nomination in the
// current one, so that data and checks still arriving on the old path are accepted. RFC 8445,
// section 8.3.1, asks for three seconds before candidates are freed.
const previousGrace = 3 * time.Second

// previousEnds returns when the previous generation ends: when its consent does, or earlier.
func (a *Agent) previousEnds() time.Time {
	g := a.previous
	switch {
	case g == nil:
		return time.Time{}
	case a.current.selected == nil:
		return g.consent.expires
	case a.current.selected.nominated:
		return deadline.Earlier(a.current.selectedAt.Add(previousGrace), g.consent.expires)
	}
	return g.consent.expires
}

// dropOtherPeers removes the candidates found by checks of other peers than the one of SetRemote.
// An offer with the local credentials may have reached several.
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
