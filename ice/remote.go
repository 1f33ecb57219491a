package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// RemoteParameters are what the peer has signalled about itself, besides candidates.
type RemoteParameters struct {
	Ufrag, Pwd string
	// LocalUfrag, if not empty, says which local credentials the peer has used its own with: those before a Restart that is not
	// answered yet, instead of the last ones.
	LocalUfrag string
	// Lite tells that the peer makes no checks (a=ice-lite): this agent is controlling, whatever it was.
	Lite bool
}

// SetRemote sets the peer's credentials; checks begin. After Restart it completes the restart: the new credentials of both sides are used
// from now on, and the old ones no longer than the path that data has. Without Restart, other credentials than before
// are those of another peer, which has our credentials too; the same ones change nothing. In StateFailed Restart must come first.
//
// The error wraps ErrState, or ErrCredentials if ufrag or pwd is malformed; besides ice-chars they may have '=', '_', '-' and '#'.
func (a *Agent) SetRemote(now time.Time, r RemoteParameters) error {
	switch {
	case a.closed() || a.current.ended && (a.next == nil || r.LocalUfrag == a.current.localUfrag):
		return fmt.Errorf("ice: set remote parameters: %w", ErrState)
	case !validRemoteCredentials(r.Ufrag, r.Pwd):
		return fmt.Errorf("ice: remote credentials: %w", ErrCredentials)
	}
	key := stun.NewKey([]byte(r.Pwd))
	next := a.next != nil && r.LocalUfrag != a.current.localUfrag
	if c := a.current; !next && c.remoteKey != nil && c.remoteUfrag == r.Ufrag && c.remotePwd == r.Pwd {
		return nil
	}
	if next || a.current.remoteKey != nil {
		a.replaceCurrent(next)
	}
	g := a.current
	g.remoteUfrag, g.remotePwd, g.remoteLite = r.Ufrag, r.Pwd, r.Lite
	g.remoteKey = key
	g.username = r.Ufrag + ":" + g.localUfrag
	if r.Lite && !a.controlling {
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.1: the full agent takes the controlling role.
		a.setRole(true)
	}
	g.dropOtherPeers()
	g.patience = now.Add(a.config.Patience)
	a.update(now)
	return nil
}

// AddRemoteCandidate adds a candidate that the peer has signalled, before or after SetRemote
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-11). It belongs to the peer's credentials that its extension "ufrag" names, or else
// to the last ones, those that are to come if Restart was called. Candidates known already are accepted without
// effect, and so are all once a pair is nominated. The error wraps
// ErrUnresolved, ErrUnsupportedTransport, ErrUnsupportedComponent, ErrAddress, ErrLimit or ErrState.
func (a *Agent) AddRemoteCandidate(now time.Time, c Candidate) error {
	if err := a.generationOf(c).addRemoteCandidate(now, c); err != nil {
		return fmt.Errorf("ice: add remote candidate %v: %w", c, err)
	}
	return nil
}

// generationOf returns the generation that a candidate of the peer is for.
func (a *Agent) generationOf(c Candidate) *generation {
	for _, e := range c.Extensions {
		if e.Key == "ufrag" && e.Value == a.current.remoteUfrag {
			return a.current
		}
	}
	return a.latest()
}

func (g *generation) addRemoteCandidate(now time.Time, c Candidate) error {
	c.Addr, c.Related = plain(c.Addr), plain(c.Related)
	switch {
	case g.ended:
		return ErrState
	case c.Transport != TransportUDP:
		return ErrUnsupportedTransport
	case c.Component != component:
		return ErrUnsupportedComponent
	case c.Host != "":
		return ErrUnresolved
	case !usable(c.Addr):
		return ErrAddress
	case c.Type < CandidateTypeHost || c.Type > CandidateTypeRelayed:
		return ErrCandidateType
	}
	c.Priority = min(max(c.Priority, 1), maxPriority)
	c.Extensions = slices.Clone(c.Extensions)
	if g.selected != nil && g.selected.nominated {
		return nil
	}
	if known := g.remote(c.Addr); known != nil {
		// A check may overtake signalling: then the candidate is already known as peer-reflexive, and now its real
		// type and priority (https://www.rfc-editor.org/rfc/rfc8838.html#section-11.4).
		if known.Type == CandidateTypePeerReflexive && c.Type != CandidateTypePeerReflexive {
			*known = c
			for _, p := range g.checkList.pairs {
				p.setPriority(g.agent.controlling)
			}
			g.checkList.sort()
			g.agent.update(now)
		}
		return nil
	}
	if len(g.remotes) >= maxRemoteCandidates {
		return ErrLimit
	}
	g.remotes = append(g.remotes, &c)
	for _, b := range g.agent.bases {
		g.addPair(b, &c)
	}
	if !g.patience.IsZero() {
		g.patience = now.Add(g.agent.config.Patience)
	}
	g.agent.update(now)
	return nil
}

// remote returns the remote candidate with that address.
func (g *generation) remote(addr netip.AddrPort) *Candidate {
	for _, c := range g.remotes {
		if c.Addr == addr {
			return c
		}
	}
	return nil
}

// SetRemoteComplete says that the peer will signal no more candidates for its last credentials: end-of-candidates
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-14).
func (a *Agent) SetRemoteComplete(now time.Time) {
	a.latest().remoteEndOfCandidates = true
	a.update(now)
}

// addPair puts a base and a remote candidate on the check list, if they can be a pair and there is room
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2). It returns nil otherwise.
func (g *generation) addPair(b *base, c *Candidate) *candidatePair {
	if !canPair(b, c.Addr.Addr()) {
		return nil
	}
	p := &candidatePair{base: b, remote: c, path: b.pathTo(c.Addr)}
	p.setPriority(g.agent.controlling)
	g.checkList.setInitialState(p)
	if !g.checkList.insert(p) {
		return nil
	}
	return p
}

// learnRemote makes a peer-reflexive candidate of the source of a check
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.3). It returns nil if there is no room.
func (g *generation) addPeerReflexive(addr netip.AddrPort, priority uint32) *Candidate {
	if len(g.remotes) >= maxRemoteCandidates && !g.evictFailed() {
		return nil
	}
	if g.remoteKey == nil {
		if g.early >= maxEarlyCandidates {
			return nil
		}
		g.early++
	}
	g.prflxNo++
	c := &Candidate{
		// "The foundation … MUST be different from the foundations of all other remote candidates": signalled ones do
		// not usually look like this, and if one does, a pair is frozen for a moment.
		Foundation: "prflx" + strconv.Itoa(g.prflxNo), Component: component, Addr: addr,
		Priority: min(max(priority, 1), maxPriority), Type: CandidateTypePeerReflexive,
	}
	g.remotes = append(g.remotes, c)
	return c
}

// forgetUseless drops a peer-reflexive candidate all pairs of which have failed, so that a peer whose NAT keeps changing
// its address does not fill the table.
func (g *generation) evictFailed() bool {
	for i, c := range g.remotes {
		if c.Type != CandidateTypePeerReflexive || slices.ContainsFunc(g.checkList.pairs, func(p *candidatePair) bool {
			return p.remote == c && p.state != pairFailed
		}) {
			continue
		}
		for _, p := range slices.Clone(g.checkList.pairs) {
			if p.remote == c {
				g.checkList.remove(p)
			}
		}
		g.remotes = slices.Delete(g.remotes, i, i+1)
		return true
	}
	return false
}
