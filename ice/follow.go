package ice

import "time"

// Which pair a controlled agent selects is up to its peer, and the peer has two ways to say so: USE-CANDIDATE in its checks, and
// the application data it sends.
//
// With regular nomination the first is enough: the controlling agent nominates one pair, once
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.1), and the controlled agent selects it when it is valid
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.5). With the aggressive nomination of RFC 5245, every check of
// the peer has USE-CANDIDATE, and both agents should end with the nominated pair of the highest priority
// (https://www.rfc-editor.org/rfc/rfc5245.html#section-8.1.1.2). Many peers nominate aggressively and use another pair: the
// first that worked, or the fastest. They send there, ask for consent there, and may close their other sockets. RFC 8445
// has a controlled agent accept data on every valid pair (section 12.2), but where the peer's data arrives is
// also the best place to send to. So, in a controlled agent:
//
//   - The first nominated pair that is valid is selected. A nominated pair of a higher priority takes its place, unless
//     data has shown that the peer uses the selected one.
//   - Application data on another valid pair selects that pair, if the peer's consent to receive there is fresh; if it is not,
//     the pair is checked first.
//   - A later change of mind is obeyed, whatever the priorities: a pair nominated for the first time, well after the selected
//     one was last nominated; any nominated pair, if the selected one is silent or has not been nominated for long.
//   - A peer that contradicts itself, that goes on sending on one pair and nominating another one again and again, is believed by
//     its nominations.
//
// A controlling agent has decided itself and does not follow. It accepts data on the other valid pairs, and
// keeps their sockets while there is any.

// following is what a controlled agent knows from where application data arrives.
type following struct {
	pair *candidatePair // that data has selected; nil, or not the selected pair: nomination or priority has
	at   time.Time      // when it did
}

const (
	// followInterval is the least time between two changes of the pair that data makes: a peer that spreads its data over
	// two paths, and data that the slower of two paths delivers late, must not make the agent change for every datagram.
	followInterval = time.Second
	// nominationSpread is how far apart signs of one decision of the peer may arrive: the nominations of one round of aggressive checks,
	// a round trip more on the slower path and two retransmissions; or data, and nominations sent before it. What comes
	// later is a change of mind.
	nominationSpread = 2 * time.Second
)

// ReceivedData tells the agent that application data of the peer arrived on a path. Its owner calls it for
// datagrams on other paths than the selected pair's, whose data tells nothing new, and only
//
//   - for data that the layer above has authenticated, and that is newer than all before on whatever path, where the layer
//     above can tell, as DTLS and SRTP can by their sequence numbers: old data that a slow path delivers late does not say where
//     the peer is now (the rule of https://www.rfc-editor.org/rfc/rfc9146.html#section-6);
//   - before that is possible, in a DTLS handshake or without a security layer, for data from a path that Permits accepts.
//
// A controlled agent selects the pair if it is valid. The worst that forged data could do is to have the agent choose another pair
// that the peer has proven to receive on. It costs a search of the check list, and nothing is allocated unless the pair changes.
func (a *Agent) ReceivedData(now time.Time, path Path) {
	g := a.current
	path.Remote = plain(path.Remote)
	p := g.pairAt(path)
	if g.ended || p == nil || !p.carriesData() {
		return
	}
	p.base.heard = now
	if now.Sub(p.overruled) > a.config.ConsentInterval {
		p.overruled = time.Time{}
	} else {
		p.overruled = now
	}
	if !a.controlling && p != g.selected && g.believes(now, p) && g.follow(now, p) {
		a.touch(now)
	}
}

// believes reports whether data on p may select it.
func (g *generation) believes(now time.Time, p *candidatePair) bool {
	switch s := g.selected; {
	case g.remoteKey == nil:
		return false
	case s == nil || g.consent.silent:
		return true
	case now.Sub(g.following.at) < followInterval:
		return false
	default:
		return p.overruled.IsZero() || p.useCandidate.After(s.useCandidate) || g.abandoned(now, s)
	}
}

// follow selects p, or has it checked if its consent is too old, and reports whether it did either.
func (g *generation) follow(now time.Time, p *candidatePair) bool {
	if !g.consents(now, p) {
		if p.waits() {
			return false
		}
		p.permitted = true // the peer has vouched for it by the data, and did so by a check if it was not valid
		g.checkList.trigger(p)
		return true
	}
	g.agent.debug("following the peer's data", "local", p.base.addr, "remote", p.path.Remote)
	if s := g.selected; s != nil {
		p.nominated, s.nominated = s.nominated, false
	}
	p.overruled = time.Time{}
	g.following = following{p, now}
	g.selectPair(now, p)
	return true
}

// obeys reports whether the peer's nomination of the valid pair p takes the place of the selected pair, which was nominated before.
func (g *generation) obeys(now time.Time, p *candidatePair) bool {
	s := g.selected
	followed := g.following.pair == s
	if !followed && p.priority > s.priority || g.consent.silent {
		return true
	}
	if followed && now.Sub(g.following.at) < nominationSpread {
		return false // it may have been sent before the data that is here already
	}
	changed := !s.useCandidate.IsZero() && p.firstNamed.Sub(s.useCandidate) > nominationSpread
	if !changed && !g.abandoned(now, s) {
		return false
	}
	// That p is nominated for the first time can be the end of a slow round of aggressive checks: data may still prove it wrong.
	if followed && !(changed && p.useCandidate.Equal(p.firstNamed)) {
		s.overruled = now
	}
	return true
}

// abandoned reports whether the peer has not nominated s for long, although some repeat it with every consent check.
func (g *generation) abandoned(now time.Time, s *candidatePair) bool {
	return now.Sub(s.useCandidate) > g.agent.config.ConsentTimeout/2
}

// freeBases gives up the bases that neither agent uses any more
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
func (a *Agent) freeBases(now time.Time) {
	if !a.freesBases() {
		return
	}
	for i := 0; i < len(a.bases); {
		if b := a.bases[i]; b == a.current.selected.base || now.Before(a.freeTime(b)) || a.current.checkList.waitsOn(b) {
			i++
		} else {
			a.removeBase(i)
			a.addEvent(EventBaseFreed{b.id})
		}
	}
}

// freesBases reports whether bases may be freed, all in good time. While the selected pair is silent, another may have to take its place;
// in a restart, the other generation may.
func (a *Agent) freesBases() bool {
	g := a.current
	return len(a.bases) > 1 && a.next == nil && a.previous == nil && g.gathered && g.nominating == nil &&
		g.selected != nil && g.selected.nominated && !g.consent.silent
}

// freeTime returns when b, not the selected pair's, has been unused for long enough.
func (a *Agent) freeTime(b *base) time.Time {
	since := a.current.selectedAt
	if b.added.After(since) {
		since = b.added
	}
	if b.heard.After(since) {
		since = b.heard
	}
	return since.Add(a.config.UnusedTimeout)
}

// freeDeadline returns when the next base can be freed. One that has checks under way is freed when they end.
func (a *Agent) freeDeadline() (d time.Time) {
	if !a.freesBases() {
		return d
	}
	for _, b := range a.bases {
		if at := a.freeTime(b); b != a.current.selected.base && at.After(a.now) {
			d = earlier(d, at)
		}
	}
	return d
}
