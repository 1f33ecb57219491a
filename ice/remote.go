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
	// Lite tells that the peer makes no checks (a=ice-lite): this agent is controlling, whatever it was.
	Lite bool
}

// SetRemote sets the peer's credentials; checks begin. It can be called once: the error wraps ErrState after that, and
// ErrCredentials if ufrag or pwd is malformed; besides ice-chars they may have '=', '_', '-' and '#'.
func (a *Agent) SetRemote(now time.Time, r RemoteParameters) error {
	switch {
	case a.ended() || a.remoteKey != nil:
		return fmt.Errorf("ice: set remote parameters: %w", ErrState)
	case !validRemoteCredentials(r.Ufrag, r.Pwd):
		return fmt.Errorf("ice: remote credentials: %w", ErrCredentials)
	}
	a.remoteUfrag, a.remoteLite = r.Ufrag, r.Lite
	a.remoteKey = stun.NewKey([]byte(r.Pwd))
	a.username = r.Ufrag + ":" + a.localUfrag
	if r.Lite && !a.controlling {
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.1: the full agent takes the controlling role.
		a.setRole(true)
	}
	a.forgetStrangers()
	a.patience = now.Add(a.config.Patience)
	a.setState(StateChecking)
	a.touch(now)
	return nil
}

// forgetStrangers drops what was learned from checks of others than the peer that SetRemote has named: our credentials were
// in an offer that may have reached several.
func (a *Agent) forgetStrangers() {
	for _, p := range slices.Clone(a.checkList.pairs) {
		if p.earlyUfrag == "" || p.earlyUfrag == a.remoteUfrag {
			continue
		}
		if p.remote.Type == PeerReflexive {
			a.checkList.remove(p)
			a.remotes = slices.DeleteFunc(a.remotes, func(c *Candidate) bool { return c == p.remote })
			continue
		}
		p.permitted, p.firstNamed, p.useCandidate = false, time.Time{}, time.Time{}
	}
}

// AddRemoteCandidate adds a candidate that the peer has signalled, before or after SetRemote
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-11). Candidates known already are accepted without
// effect, and so are all once a pair is nominated. The error wraps
// ErrUnresolved, ErrUnsupportedTransport, ErrUnsupportedComponent, ErrAddress, ErrLimit or ErrState.
func (a *Agent) AddRemoteCandidate(now time.Time, c Candidate) error {
	if err := a.addRemoteCandidate(now, c); err != nil {
		return fmt.Errorf("ice: add remote candidate %v: %w", c, err)
	}
	return nil
}

func (a *Agent) addRemoteCandidate(now time.Time, c Candidate) error {
	c.Addr, c.Related = plain(c.Addr), plain(c.Related)
	switch {
	case a.ended():
		return ErrState
	case c.Transport != UDP:
		return ErrUnsupportedTransport
	case c.Component != component:
		return ErrUnsupportedComponent
	case c.Host != "":
		return ErrUnresolved
	case !usable(c.Addr):
		return ErrAddress
	case c.Type < Host || c.Type > Relayed:
		return ErrCandidateType
	}
	c.Priority = min(max(c.Priority, 1), maxPriority)
	c.Extensions = slices.Clone(c.Extensions)
	if a.selected != nil && a.selected.nominated {
		return nil
	}
	if known := a.remote(c.Addr); known != nil {
		// A check may overtake signalling: then the candidate is already known as peer-reflexive, and now its real
		// type and priority (https://www.rfc-editor.org/rfc/rfc8838.html#section-11.4).
		if known.Type == PeerReflexive && c.Type != PeerReflexive {
			*known = c
			for _, p := range a.checkList.pairs {
				p.setPriority(a.controlling)
			}
			a.checkList.sort()
			a.touch(now)
		}
		return nil
	}
	if len(a.remotes) >= maxRemoteCandidates {
		return ErrLimit
	}
	a.remotes = append(a.remotes, &c)
	for _, b := range a.bases {
		a.addPair(b, &c)
	}
	if !a.patience.IsZero() {
		a.patience = now.Add(a.config.Patience)
	}
	a.touch(now)
	return nil
}

// remote returns the remote candidate with that address.
func (a *Agent) remote(addr netip.AddrPort) *Candidate {
	for _, c := range a.remotes {
		if c.Addr == addr {
			return c
		}
	}
	return nil
}

// SetRemoteComplete says that the peer will signal no more candidates: end-of-candidates
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-14).
func (a *Agent) SetRemoteComplete(now time.Time) {
	a.remoteComplete = true
	a.touch(now)
}

// addPair puts a base and a remote candidate on the check list, if they can be a pair and there is room
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2). It returns nil otherwise.
func (a *Agent) addPair(b *base, c *Candidate) *candidatePair {
	if !canPair(b, c.Addr.Addr()) {
		return nil
	}
	p := &candidatePair{base: b, remote: c, to: b.zoned(c.Addr)}
	p.setPriority(a.controlling)
	a.checkList.setInitialState(p)
	if !a.checkList.insert(p) {
		return nil
	}
	return p
}

// learnRemote makes a peer-reflexive candidate of the source of a check
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.3). It returns nil if there is no room.
func (a *Agent) learnRemote(addr netip.AddrPort, priority uint32) *Candidate {
	if len(a.remotes) >= maxRemoteCandidates && !a.forgetUseless() {
		return nil
	}
	if a.remoteKey == nil {
		if a.early >= maxEarlyCandidates {
			return nil
		}
		a.early++
	}
	a.prflxNo++
	c := &Candidate{
		// "The foundation … MUST be different from the foundations of all other remote candidates": signalled ones do
		// not usually look like this, and if one does, a pair is frozen for a moment.
		Foundation: "prflx" + strconv.Itoa(a.prflxNo), Component: component, Addr: addr,
		Priority: min(max(priority, 1), maxPriority), Type: PeerReflexive,
	}
	a.remotes = append(a.remotes, c)
	return c
}

// forgetUseless drops a peer-reflexive candidate all pairs of which have failed, so that a peer whose NAT keeps changing
// its address does not fill the table.
func (a *Agent) forgetUseless() bool {
	for i, c := range a.remotes {
		if c.Type != PeerReflexive || slices.ContainsFunc(a.checkList.pairs, func(p *candidatePair) bool {
			return p.remote == c && p.state != pairFailed
		}) {
			continue
		}
		for _, p := range slices.Clone(a.checkList.pairs) {
			if p.remote == c {
				a.checkList.remove(p)
			}
		}
		a.remotes = slices.Delete(a.remotes, i, i+1)
		return true
	}
	return false
}
