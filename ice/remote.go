package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// RemoteParameters are the attributes that the peer has signalled, besides candidates.
type RemoteParameters struct {
	Ufrag, Pwd string
	// LocalUfrag names the local credentials that the peer's are combined with, after a Restart:
	// with the ufrag from before the Restart, SetRemote does not complete it. If it is empty, the
	// latest local credentials are meant.
	LocalUfrag string
	// Lite states that the peer is a lite implementation (a=ice-lite). A full agent is controlling
	// then, whatever its role was: RFC 8445, section 6.1.1.
	Lite bool
}

// SetRemote sets the peer's credentials and begins checks. After Restart it completes the restart:
// both sides use their new credentials from now on, and the old ones only on the present path of
// data, until there is a new one. Without Restart, other credentials than before are those of
// another peer that uses the same local credentials; the same ones have no effect.
//
// The error wraps [ErrState] after Close, and in StateFailed without a preceding Restart. It wraps
// [ErrCredentials] if Ufrag or Pwd is malformed; besides letters, digits, '+' and '/', they may
// have '=', '_', '-' and '#'.
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
		// RFC 8445, section 6.1.1: "The full agent MUST take the controlling role".
		a.setRole(true)
	}
	g.dropOtherPeers()
	g.patience = now.Add(a.config.Patience)
	a.update(now)
	return nil
}

// AddRemoteCandidate adds a candidate that the peer has signalled, before or after SetRemote: RFC
// 8838, section 11. The candidate belongs to the peer's credentials that its extension "ufrag"
// names. If that is unknown and a Restart is not completed, these are the credentials that the next
// SetRemote will set. Without the extension, the candidate belongs to the credentials of the last
// SetRemote, except in StateFailed, where only the next ones matter. Candidates that are known are
// accepted without effect, and so are all after the nomination. The agent copies Extensions.
//
// The error wraps [ErrUnresolved], [ErrUnsupportedTransport], [ErrUnsupportedComponent],
// [ErrAddress], [ErrCandidateType], [ErrLimit] (64 candidates), or [ErrState] in StateFailed and
// StateClosed.
func (a *Agent) AddRemoteCandidate(now time.Time, c Candidate) error {
	err := ErrState
	if !a.closed() {
		err = a.generationOf(c).addRemoteCandidate(now, c)
	}
	if err != nil {
		return fmt.Errorf("ice: add remote candidate %v: %w", c, err)
	}
	return nil
}

// generationOf returns the generation of a candidate of the peer.
func (a *Agent) generationOf(c Candidate) *generation {
	for _, e := range c.Extensions {
		if e.Key == "ufrag" && e.Value != a.current.remoteUfrag {
			return a.latest()
		}
	}
	return a.remoteGeneration()
}

// remoteGeneration returns the generation with the credentials of the last SetRemote or, if that
// has failed, the one after it.
func (a *Agent) remoteGeneration() *generation {
	if a.current.ended {
		return a.latest()
	}
	return a.current
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
		// RFC 8838, section 11: a check may arrive before its candidate is signalled. The
		// peer-reflexive candidate then takes the signalled type and priority.
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

// remote returns the remote candidate with the address, or nil.
func (g *generation) remote(addr netip.AddrPort) *Candidate {
	for _, c := range g.remotes {
		if c.Addr == addr {
			return c
		}
	}
	return nil
}

// SetRemoteComplete states that the peer will signal no more candidates for the credentials of the
// last SetRemote or, in StateFailed, of the next: the end-of-candidates indication of RFC 8838,
// section 14.
func (a *Agent) SetRemoteComplete(now time.Time) {
	if a.closed() {
		return
	}
	a.remoteGeneration().remoteEndOfCandidates = true
	a.update(now)
}

// addPair forms the pair of a base and a remote candidate and adds it to the check list: RFC 8445,
// section 6.1.2. It returns nil if they cannot be paired or there is no room.
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

// addPeerReflexive adds the source of a check as a peer-reflexive candidate: RFC 8445, section
// 7.3.1.3. It returns nil if there is no room.
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
		// RFC 8445, section 7.3.1.3: "The foundation is an arbitrary value, different from the
		// foundations of all other remote candidates." Signalled ones rarely look like this. If one
		// does, a pair is Frozen for a moment.
		Foundation: "prflx" + strconv.Itoa(g.prflxNo), Component: component, Addr: addr,
		Priority: min(max(priority, 1), maxPriority), Type: CandidateTypePeerReflexive,
	}
	g.remotes = append(g.remotes, c)
	return c
}

// evictFailed removes a peer-reflexive candidate whose pairs have all failed, so that a peer whose
// NAT keeps changing its address does not fill the table. It reports whether it has found one.
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
