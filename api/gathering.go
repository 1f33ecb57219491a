package rtc

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/udp"
)

const (
	// resolveTimeout bounds the resolution of one name of a STUN server or of a remote candidate.
	resolveTimeout = 5 * time.Second
	// maxResolving bounds the names that a peer can make us resolve at the same time.
	maxResolving = 16
)

// gathering is the sockets of a connection, one for each local address, and what is under way to find candidates.
type gathering struct {
	agent     *ice.Agent // the one that gathers or has
	sockets   []*socket
	resolving int // STUN server names and remote candidates being resolved
	servers   int // of them, STUN servers
	ctx       context.Context
	cancel    context.CancelFunc
}

// socket is one bound UDP socket: a base in the terms of ICE.
type socket struct {
	*udp.Socket
	addr netip.AddrPort
}

func (g *gathering) socket(addr netip.AddrPort) *socket {
	for _, s := range g.sockets {
		if s.addr == addr {
			return s
		}
	}
	return nil
}

// ensureAgent makes the ICE agent, whose credentials every description needs.
func (pc *PeerConnection) ensureAgent(init LocalDescriptionInit) error {
	if pc.restarting() {
		return nil
	}
	chosen := init != LocalDescriptionInit{}
	switch {
	case chosen && pc.gather.agent != nil:
		if ufrag, pwd := pc.agent.LocalCredentials(); ufrag == init.ICEUfrag && pwd == init.ICEPwd {
			return nil
		}
		return failuref("the ICE credentials cannot change after gathering has begun, except in a restart")
	case !chosen && pc.agent != nil:
		return nil
	}
	agent, err := pc.newAgent(init)
	if err != nil {
		return err
	}
	pc.agent = agent
	return nil
}

func (pc *PeerConnection) newAgent(init LocalDescriptionInit) (*ice.Agent, error) {
	if (init.ICEUfrag == "") != (init.ICEPwd == "") {
		return nil, invalidf("ICE credentials: only one of ufrag and password is given")
	}
	config := pc.tuning.ice
	config.Patience = cmp.Or(config.Patience, pc.settings.ConnectTimeout)
	config.Ufrag, config.Pwd = init.ICEUfrag, init.ICEPwd
	config.Logger = pc.iceLogger()
	for _, u := range pc.settings.stunServers {
		if addr, err := netip.ParseAddr(u.host); err == nil {
			config.STUNServers = append(config.STUNServers, netip.AddrPortFrom(addr, u.port))
		}
	}
	agent, err := ice.NewAgent(config)
	if err != nil {
		return nil, wrapError(ErrInvalid, err, "ICE credentials")
	}
	return agent, nil
}

// startGathering binds the sockets and starts to ask the STUN servers.
func (pc *PeerConnection) startGathering() {
	if pc.gather.agent == pc.currentAgent() || transportSection(pc.session.local().Description) == nil {
		return
	}
	again := pc.gather.agent != nil
	pc.gather.agent = pc.currentAgent()
	if !pc.remote.applied && pc.session.local().kind == DescriptionOffer {
		// The peer's checks may arrive before its answer: they would find an agent in the same role.
		pc.gather.agent.SetControlling(true)
	}
	if again {
		pc.session.other = gathered{pc.session.localCandidates, pc.gatheringState}
		pc.session.localCandidates = nil
	}
	pc.setGatheringState(GatheringStateInProgress)
	for _, addr := range pc.localAddresses() {
		if err := pc.addBase(addr); err != nil {
			pc.log.Warn("cannot use a local address", "addr", addr, "error", err)
		}
	}
	pc.resolveServers(pc.currentAgent())
}

// addBase makes a base of a local address: of the sockets that there are already, in a restart, or of a new one.
func (pc *PeerConnection) addBase(addr netip.Addr) error {
	reused := false
	for _, s := range pc.gather.sockets {
		if s.addr.Addr() == addr {
			reused = true
			if err := pc.currentAgent().AddLocal(pc.now, s.addr); err != nil {
				return err
			}
		}
	}
	if reused {
		return nil
	}
	return pc.bind(addr)
}

// localAddresses gives the addresses to bind to.
func (pc *PeerConnection) localAddresses() []netip.Addr {
	addrs, err := udp.Interfaces(udp.AddressFilter{Bind: pc.settings.bind, Loopback: true})
	if err != nil {
		pc.log.Error("cannot list the network interfaces", "error", err)
	}
	return addrs
}

// bind opens a socket, hands its address to the agent, and starts its reader.
func (pc *PeerConnection) bind(addr netip.Addr) error {
	s, err := udp.ListenPort(addr, pc.settings.PortRangeBegin, pc.settings.PortRangeEnd, udp.Options{})
	if err != nil {
		return err
	}
	bound := &socket{Socket: s, addr: s.LocalAddr()}
	if err := pc.currentAgent().AddLocal(pc.now, bound.addr); err != nil {
		_ = s.Close()
		return err
	}
	pc.gather.sockets = append(pc.gather.sockets, bound)
	pc.readers.Go(func() {
		_ = s.Serve(func(b *udp.Batch) { pc.receive(bound, b) })
	})
	return nil
}

// resolveServers resolves the names of STUN servers; the agent asks each as soon as its address is known.
func (pc *PeerConnection) resolveServers(agent *ice.Agent) {
	outstanding := 0
	for _, u := range pc.settings.stunServers {
		if _, err := netip.ParseAddr(u.host); err == nil {
			continue
		}
		outstanding++
		pc.gather.servers++
		pc.resolve(u.host, func(addrs []netip.Addr, err error) {
			if err != nil {
				pc.log.Warn("STUN server", "host", u.host, "error", err)
			}
			for _, addr := range firstOfEachFamily(addrs) {
				if err := agent.AddSTUNServer(pc.now, netip.AddrPortFrom(addr, u.port)); err != nil {
					pc.log.Debug("STUN server", "addr", addr, "error", err)
				}
			}
			pc.gather.servers--
			if outstanding--; outstanding == 0 {
				agent.SetLocalComplete(pc.now)
			}
		})
	}
	if outstanding == 0 {
		agent.SetLocalComplete(pc.now)
	}
}

// firstOfEachFamily gives one IPv4 and one IPv6 address: more of them are the same server.
func firstOfEachFamily(addrs []netip.Addr) []netip.Addr {
	var v4, v6 bool
	var first []netip.Addr
	for _, addr := range addrs {
		seen := &v6
		if addr = addr.Unmap(); addr.Is4() {
			seen = &v4
		}
		if !*seen {
			*seen = true
			first = append(first, addr)
		}
	}
	return first
}

// resolveCandidate resolves a remote candidate that has a name in the place of an address
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1). One that does not resolve is ignored.
func (pc *PeerConnection) resolveCandidate(c ice.Candidate) {
	if pc.gather.resolving-pc.gather.servers >= maxResolving {
		pc.log.Debug("remote candidate ignored: too many names", "host", c.Host)
		return
	}
	pc.resolve(c.Host, func(addrs []netip.Addr, err error) {
		if err != nil || len(addrs) == 0 {
			pc.log.Debug("remote candidate ignored", "host", c.Host, "error", err)
			return
		}
		for _, addr := range firstOfEachFamily(addrs)[:1] {
			pc.addCandidate(c.WithAddr(addr))
		}
	})
}

// resolve looks a name up in a goroutine of its own, which ends when the connection does, and then calls done under
// the mutex.
func (pc *PeerConnection) resolve(host string, done func([]netip.Addr, error)) {
	if pc.gather.ctx == nil {
		pc.gather.ctx, pc.gather.cancel = context.WithCancel(context.Background())
	}
	ctx, cancel := context.WithTimeout(pc.gather.ctx, resolveTimeout)
	pc.gather.resolving++
	pc.readers.Go(func() {
		defer cancel()
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, "."))
		pc.lock()
		defer pc.unlock()
		pc.gather.resolving--
		if !pc.ended {
			done(addrs, err)
		}
	})
}

// onLocalCandidate announces a candidate that an agent found. It names the agent's ufrag, so that a peer can tell one that
// comes late from those of another generation (https://www.rfc-editor.org/rfc/rfc8838.html#section-9).
func (pc *PeerConnection) onLocalCandidate(agent *ice.Agent, c ice.Candidate) {
	ufrag, _ := agent.LocalCredentials()
	c.Extensions = append(slices.Clip(c.Extensions), ice.Extension{Key: "ufrag", Value: ufrag})
	text := c.String()
	if pc.gather.agent == nil || agent == pc.gather.agent {
		pc.session.localCandidates = append(pc.session.localCandidates, text)
	} else {
		pc.session.other.candidates = append(pc.session.other.candidates, text)
	}
	pc.queue.push(event{target: pc, kind: eventCandidate, text: text, text2: pc.session.mid})
}

// onGatheringComplete notes that an agent has found all its candidates.
func (pc *PeerConnection) onGatheringComplete(agent *ice.Agent) {
	if agent == pc.gather.agent {
		pc.setGatheringState(GatheringStateComplete)
	} else {
		pc.session.other.state = GatheringStateComplete
	}
}

// releaseSockets closes the sockets that no agent has as a base any more
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3): an idle connection has one. During an ICE restart none is closed; the next
// agent frees what it does not need in its own time.
func (pc *PeerConnection) releaseSockets() {
	pc.releaseAt = time.Time{}
	used := pc.path.Load()
	if used == nil || pc.next != nil || pc.iceState != ICEStateCompleted {
		return
	}
	pc.gather.sockets = slices.DeleteFunc(pc.gather.sockets, func(s *socket) bool {
		if s == used.socket || pc.agent.HasLocal(s.addr) {
			return false
		}
		_ = s.Close()
		return true
	})
}
