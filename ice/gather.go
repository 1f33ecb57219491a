package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/stun"
)

// gathering is the query of one STUN server from one base: RFC 8445, section 5.1.1.2. After it has
// found a candidate, it keeps the NAT's mapping alive: section 5.1.1.4.
type gathering struct {
	stun.Transaction
	server  netip.AddrPort
	giveUp  time.Time          // when the query ends without an answer
	done    bool               // it is answered or has timed out
	refresh time.Time          // when the next keepalive is due; zero: the server gave no candidate
	last    stun.TransactionID // of the last keepalive, whose response is ignored
}

// startGathering prepares the queries from a base to the STUN servers of its family. The first
// requests have a pacer of their own: they do not go where checks go, and a host with many
// addresses should not wait for its servers.
func (a *Agent) startGathering(now time.Time, b *base) {
	for _, server := range a.config.STUNServers {
		a.startGatheringFrom(now, b, server)
	}
}

// startGatheringFrom prepares the query of one STUN server, if it is reachable from the base.
func (a *Agent) startGatheringFrom(now time.Time, b *base, server netip.AddrPort) {
	ip, s := b.addr.Addr(), server.Addr()
	// Servers are not on the link, unless they are on this host, as in tests.
	if !usable(server) || s.Is4() != ip.Is4() || s.IsLoopback() != ip.IsLoopback() ||
		ip.Is6() && ip.IsLinkLocalUnicast() {
		return
	}
	b.gatherings = append(b.gatherings, gathering{server: server, giveUp: now.Add(a.config.GatheringTimeout)})
}

// AddSTUNServer adds a server to Config.STUNServers, for an owner that has to resolve its name. All
// bases, present and future, query it for server-reflexive candidates. The error wraps [ErrState]
// after EventGatheringComplete or Close, [ErrAddress], [ErrDuplicate], or [ErrLimit] (16 servers).
func (a *Agent) AddSTUNServer(now time.Time, server netip.AddrPort) error {
	server = plain(server)
	var err error
	switch {
	case a.closed() || a.latest().endOfCandidates:
		err = ErrState
	case !usable(server):
		err = ErrAddress
	case slices.Contains(a.config.STUNServers, server):
		err = ErrDuplicate
	case len(a.config.STUNServers) >= maxSTUNServers:
		err = ErrLimit
	}
	if err != nil {
		return fmt.Errorf("ice: add STUN server %v: %w", server, err)
	}
	a.config.STUNServers = append(a.config.STUNServers, server)
	for _, b := range a.bases {
		a.startGatheringFrom(now, b, server)
	}
	a.update(now)
	return nil
}

// receiveGathering handles a response to a gathering request or keepalive, and reports whether m is
// one. STUN servers do not authenticate: the transaction identifier and the source address have to
// be sufficient.
func (a *Agent) receiveGathering(now time.Time, b *base, remote netip.AddrPort, m stun.Message) bool {
	for i := range b.gatherings {
		g := &b.gatherings[i]
		if g.server != remote {
			continue
		}
		if !g.refresh.IsZero() && g.last == m.TransactionID() {
			return true
		}
		if g.done || !g.Matches(m) {
			continue
		}
		if m.CheckFingerprint() == stun.ErrFingerprintMismatch {
			a.stats.Malformed++
			return true
		}
		g.Complete(now)
		g.done = true
		if m.Type().Class() == stun.ClassError {
			code, reason, _ := m.ErrorCode()
			a.debug("gathering refused", "base", b.addr, "server", g.server, "code", code, "reason", reason)
			return true
		}
		mapped, err := m.XORMappedAddress()
		if err != nil {
			mapped, err = m.MappedAddress() // of servers of RFC 3489
		}
		if err != nil {
			a.stats.Malformed++
			return true
		}
		if a.addReflexive(b, g.server, plain(mapped)) {
			g.refresh = now.Add(a.config.Keepalive)
		}
		return true
	}
	return false
}

// addReflexive adds a server-reflexive candidate and reports whether its mapping has to be kept
// alive. Redundant candidates, which have the same address and base, are eliminated: RFC 8445,
// section 5.1.3. The candidate forms no pairs, because pruning would reduce them to those of its
// base: RFC 8445, section 6.1.2.4.
func (a *Agent) addReflexive(b *base, server, mapped netip.AddrPort) bool {
	if !usable(mapped) || mapped.Addr().Is4() != b.addr.Addr().Is4() || mapped == b.host.Addr {
		return false
	}
	ufrag := a.latest().localUfrag
	for i := range b.reflexive {
		if r := &b.reflexive[i]; r.Addr == mapped {
			if r.ufrag == ufrag {
				return false
			}
			r.ufrag = ufrag
			a.addLocalCandidate(r.Candidate, ufrag)
			return true
		}
	}
	c := Candidate{
		Foundation: a.foundation(CandidateTypeServerReflexive, b.addr.Addr(), server.Addr()),
		Component:  component,
		Addr:       mapped,
		Priority:   candidatePriority(CandidateTypeServerReflexive, b.preference, component),
		Type:       CandidateTypeServerReflexive,
		Related:    b.host.Addr,
	}
	b.reflexive = append(b.reflexive, reflexive{c, ufrag})
	a.addLocalCandidate(c, ufrag)
	return true
}

// advanceGathering ends the queries that have timed out, and reports the end of gathering.
func (a *Agent) advanceGathering(now time.Time) {
	outstanding := false
	for _, b := range a.bases {
		for i := range b.gatherings {
			g := &b.gatherings[i]
			if !g.done && !now.Before(g.giveUp) {
				g.done = true
				g.Complete(now)
				a.debug("no answer of STUN server", "base", b.addr, "server", g.server)
			}
			outstanding = outstanding || !g.done
		}
	}
	if a.next != nil {
		a.current.gatheringDone() // the queries are for the next one
	}
	if !outstanding {
		a.latest().gatheringDone()
	}
}

// gatheringDone reports the end of gathering for the generation, once, if it has all bases.
func (g *generation) gatheringDone() {
	if g.basesComplete && !g.endOfCandidates {
		g.endOfCandidates = true
		g.agent.addEvent(Event{Kind: EventGatheringComplete, Ufrag: g.localUfrag})
	}
}

// keepsMappings reports whether server-reflexive candidates may still be used.
func (a *Agent) keepsMappings() bool {
	g := a.latest()
	return !g.ended && (g.selected == nil || !g.selected.nominated)
}

// transmitGathering appends a request to a STUN server, if one is due.
func (a *Agent) transmitGathering(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	for _, b := range a.bases {
		for i := range b.gatherings {
			g := &b.gatherings[i]
			id := g.ID()
			switch {
			case g.done && a.keepsMappings() && !g.refresh.IsZero() && !now.Before(g.refresh):
				g.refresh = now.Add(a.config.Keepalive)
				g.last = a.newTransactionID()
				id = g.last
			case g.done:
				continue
			case g.State() == stun.TransactionIdle:
				if !a.gatheringPacer.ready(now) {
					continue
				}
				a.gatheringPacer.take(now)
				id = a.newTransactionID()
				g.Start(now, id, stun.Timing{RTO: a.config.RTO})
				g.Transmit(now)
			case !g.Transmit(now):
				continue
			}
			m := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassRequest), id)
			m.AddFingerprint()
			a.stats.GatheringRequestsSent++
			return m.Bytes(), b.pathTo(g.server), true
		}
	}
	return dst, path, false
}

// gatheringDeadline returns the time of the next action of gathering.
func (a *Agent) gatheringDeadline() (d time.Time) {
	for _, b := range a.bases {
		for i := range b.gatherings {
			g := &b.gatherings[i]
			switch {
			case !g.done && g.State() == stun.TransactionIdle:
				d = deadline.Earlier(deadline.Earlier(d, a.notBefore(a.gatheringPacer.next())), g.giveUp)
			case !g.done:
				d = deadline.Earlier(deadline.Earlier(d, g.Deadline()), g.giveUp)
			case a.keepsMappings():
				d = deadline.Earlier(d, g.refresh)
			}
		}
	}
	return d
}
