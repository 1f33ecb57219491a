package ice

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestNewAgent(t *testing.T) {
	a, err := NewAgent(Config{})
	require.NoError(t, err)
	b, err := NewAgent(Config{})
	require.NoError(t, err)
	ufragA, pwdA := a.LocalCredentials()
	ufragB, pwdB := b.LocalCredentials()
	require.True(t, validCredentials(ufragA, pwdA))
	require.NotEqual(t, ufragA, ufragB)
	require.NotEqual(t, pwdA, pwdB)
	require.NotEqual(t, a.tieBreaker, b.tieBreaker)
	require.True(t, a.Deadline().IsZero())
	_, _, ok := a.Transmit(time.Time{}, nil)
	require.False(t, ok)

	for _, c := range []Config{
		{Ufrag: "abc", Pwd: agentPwd}, {Ufrag: agentUfrag}, {Pwd: agentPwd}, {Ufrag: agentUfrag, Pwd: agentPwd[:21]}, {Ufrag: "a:bcd", Pwd: agentPwd},
	} {
		_, err := NewAgent(c)
		require.ErrorIs(t, err, ErrCredentials)
	}
	broken := errors.New("no entropy")
	_, err = NewAgent(Config{Rand: iotest.ErrReader(broken)})
	require.ErrorIs(t, err, broken)
}

func TestInputsThatAreRefused(t *testing.T) {
	s := newScript(t, Config{}, local1)
	require.ErrorIs(t, s.a.AddLocal(s.now, local1), ErrDuplicate)
	for _, bad := range []string{"0.0.0.0:1", "[::]:1", "192.0.2.1:0", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1"} {
		addr := netip.MustParseAddrPort(bad)
		require.ErrorIs(t, s.a.AddLocal(s.now, addr), ErrAddress, bad)
		require.ErrorIs(t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(addr)), ErrAddress, bad)
	}
	require.ErrorIs(t, s.a.AddLocal(s.now, netip.AddrPort{}), ErrAddress)
	for i := range maxLocalAddresses - 1 {
		require.NoError(t, s.a.AddLocal(s.now, netip.AddrPortFrom(local2.Addr(), uint16(1+i))))
	}
	require.ErrorIs(t, s.a.AddLocal(s.now, local2), ErrLimit)

	c := s.hostCandidate(remote1)
	for _, change := range []struct {
		want error
		f    func(*Candidate)
	}{
		{ErrUnsupportedTransport, func(c *Candidate) { c.Transport, c.TCPType = TransportTCP, TCPTypeActive }},
		{ErrUnsupportedComponent, func(c *Candidate) { c.Component = 2 }},
		{ErrUnresolved, func(c *Candidate) {
			*c = Candidate{Component: 1, Host: "x.local", HostPort: 1, Type: CandidateTypeHost, Priority: 1}
		}},
		{ErrCandidateType, func(c *Candidate) { c.Type = 0 }},
	} {
		bad := c
		change.f(&bad)
		require.ErrorIs(t, s.a.AddRemoteCandidate(s.now, bad), change.want)
	}
	require.Empty(t, s.a.current.remotes)

	require.ErrorIs(t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: "abc", Pwd: peerPwd}), ErrCredentials)
	s.setRemote()
	_, err := s.a.Agent.AddLocal(s.now, Local{Transport: TransportTCP, Addr: local2})
	require.ErrorIs(t, err, ErrUnsupportedTransport)

	s.a.Close()
	s.a.Close()
	require.ErrorIs(t, s.a.AddLocal(s.now, local2), ErrState)
	require.ErrorIs(t, s.a.AddRemoteCandidate(s.now, c), ErrState)
	s.check(local1, remote1, peerCheck{})
	s.advance(time.Minute)
	s.wantNothing()
	require.Equal(t, StateClosed, s.a.State())
	require.True(t, s.a.Deadline().IsZero())
}

func TestRemoteCandidatesAreBounded(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for i := range maxRemoteCandidates {
		s.addRemote(netip.AddrPortFrom(remote1.Addr(), uint16(1+i)))
	}
	require.ErrorIs(t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(remote2)), ErrLimit)
	require.NoError(t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(netip.AddrPortFrom(remote1.Addr(), 1))), "known already")
	s.check(local1, remote2, peerCheck{})
	require.Equal(t, uint64(1), s.a.Stats().Overflows)
	require.Len(t, s.a.current.remotes, maxRemoteCandidates)
}

// A peer whose NAT assigns a new port each second does not exhaust the table.
func TestPeerReflexiveCandidatesAreForgotten(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	for i := range 10 * maxRemoteCandidates {
		addr := netip.AddrPortFrom(remote2.Addr(), uint16(1+i))
		s.check(local1, addr, peerCheck{})
		require.True(t, s.a.Permits(local1, addr))
		p := s.a.current.checkList.find(s.a.bases[0], addr)
		s.a.current.fail(p, "test")
		for {
			if _, ok := s.transmitted(); !ok {
				break
			}
		}
	}
	require.LessOrEqual(t, len(s.a.current.remotes), maxRemoteCandidates)
	require.Zero(t, s.a.Stats().Overflows)
	pair, _ := s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
}

// RFC 8445, section 6.1.2.5: the check list has at most 100 pairs, and the agent discards those of
// lower priority.
func TestPairsAreBounded(t *testing.T) {
	var locals []netip.AddrPort
	for i := range 10 {
		locals = append(locals, netip.AddrPortFrom(local1.Addr(), uint16(1+i)))
	}
	s := newScript(t, Config{Controlling: true}, locals...)
	for i := range 20 {
		c := s.hostCandidate(netip.AddrPortFrom(remote1.Addr(), uint16(1+i)))
		c.Priority = uint32(1000 + i) // each better than those before
		require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
	}
	require.Len(t, s.a.current.checkList.pairs, maxPairs)
	for i, p := range s.a.current.checkList.pairs {
		require.GreaterOrEqual(t, p.remote.Priority, uint32(1010), "the worse half was discarded")
		if i > 0 {
			require.LessOrEqual(t, p.priority, s.a.current.checkList.pairs[i-1].priority)
		}
	}
	c := s.hostCandidate(remote2)
	c.Priority = 1
	require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
	require.Nil(t, s.a.current.checkList.find(s.a.bases[0], remote2))
	// A pair on which the peer sends a check still finds room.
	s.setRemote()
	s.wantSuccess(s.check(s.a.bases[0].addr, remote2, peerCheck{}))
	s.wantCheck(s.a.bases[0].addr, remote2)
	require.Len(t, s.a.current.checkList.pairs, maxPairs)
}

func TestPairing(t *testing.T) {
	v6, linkLocal := netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[fe80::1%eth0]:2")
	s := newScript(t, Config{}, local1, v6, linkLocal)
	s.setRemote()
	remoteV6, remoteLinkLocal := netip.MustParseAddrPort("[2001:db8::2]:1"), netip.MustParseAddrPort("[fe80::2]:1")
	s.addRemote(remoteV6, remote1, remoteLinkLocal)
	require.Len(t, s.a.current.checkList.pairs, 3)
	s.wantCheck(v6, remoteV6)
	s.wantCheck(local1, remote1)
	// A link-local address is meaningful only on its link, which is that of the base.
	zoned := netip.MustParseAddrPort("[fe80::2%eth0]:1")
	c := s.wantCheck(linkLocal, zoned)
	s.wantNothing()
	s.answer(c, netip.MustParseAddrPort("[fe80::1]:2"))
	require.True(t, s.a.Permits(linkLocal, zoned))
	s.wantSuccess(s.check(linkLocal, zoned, peerCheck{}))
	require.Len(t, s.a.current.remotes, 3, "known, whatever its zone")
}

// RFC 8838, section 11: a check may arrive before its candidate is signalled.
func TestPeerReflexiveBecomesSignalled(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.wantSuccess(s.check(local1, remote1, peerCheck{priority: 7}))
	s.answer(s.wantCheck(local1, remote1), local1)
	c := s.hostCandidate(remote1)
	c.Extensions = []Extension{{"generation", "0"}}
	require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
	require.Len(t, s.a.current.remotes, 1)
	pair, _ := s.a.Selected()
	require.Equal(t, c, pair.Remote)
	require.Equal(t, pairPriority(s.a.bases[0].host.Priority, c.Priority), s.a.current.checkList.pairs[0].priority)
	s.wantNomination(local1, remote1) // a direct pair now: no need to wait
}

// The last selected pair and the last counts of pairs are known after Close.
func TestSelectedAfterTheEnd(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	last, ok := s.a.Selected()
	require.False(t, ok)
	require.Zero(t, last)
	s.wantSuccess(s.check(local1, remote1, peerCheck{priority: 7}))
	s.answer(s.wantCheck(local1, remote1), local1)
	pair, ok := s.a.Selected()
	require.True(t, ok)
	stats := s.a.Stats()
	require.Equal(t, 1, stats.ValidPairs)
	for range 2 {
		s.a.Close()
		last, ok = s.a.Selected()
		require.False(t, ok)
		require.Equal(t, pair, last)
		stats.State = StateClosed
		require.Equal(t, stats, s.a.Stats())
	}
}

// The order of the check list changes with the priorities.
func TestCheckListOrderFollowsPriorities(t *testing.T) {
	s := newScript(t, Config{}, local1, local2)
	s.setRemote()
	order := func() (got []netip.AddrPort) {
		for _, p := range s.a.current.checkList.pairs {
			got = append(got, p.remote.Addr)
		}
		return got
	}
	s.check(local1, remote1, peerCheck{priority: 7})
	s.check(local1, remote2, peerCheck{priority: 8})
	require.Equal(t, []netip.AddrPort{remote2, remote1}, order())
	require.NoError(t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(remote1)))
	require.Equal(t, []netip.AddrPort{remote1, remote2}, order())

	// RFC 8445, section 6.1.2.3: two pairs with exchanged priorities differ by the role alone.
	s = newScript(t, Config{}, local1, local2)
	for i, addr := range []netip.AddrPort{remote2, remote1} {
		c := s.hostCandidate(addr)
		c.Priority = s.a.bases[i].host.Priority
		require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
	}
	middle := func() [2]netip.AddrPort {
		p := s.a.current.checkList.pairs
		return [2]netip.AddrPort{p[1].remote.Addr, p[2].remote.Addr}
	}
	require.Equal(t, [2]netip.AddrPort{remote2, remote1}, middle())
	s.a.SetControlling(s.now, true)
	require.Equal(t, [2]netip.AddrPort{remote1, remote2}, middle())
}

// RFC 8863, section 4: an agent without pending checks waits for the peer's checks before it fails.
func TestPatience(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.a.SetRemoteComplete(s.now)
	s.wantNothing()
	require.Equal(t, DefaultPatience, s.advanceToDeadline(time.Minute))
	require.Equal(t, StateFailed, s.a.State())

	// A long check list has long transactions, which do not prolong the wait.
	s = newScript(t, Config{}, local1)
	s.setRemote()
	for i := range 60 {
		s.addRemote(netip.AddrPortFrom(remote1.Addr(), uint16(1+i)))
	}
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 1))
	s.advance(DefaultPatience - 1)
	require.Equal(t, StateChecking, s.a.State())
	s.advance(1)
	require.Equal(t, StateFailed, s.a.State())

	s = newScript(t, Config{}, local1)
	s.setRemote()
	s.advance(time.Hour) // more candidates are possible
	require.Equal(t, StateChecking, s.a.State())
	s.addRemote(remote1)
	s.wantCheck(local1, remote1)
	s.advance(DefaultPatience - time.Second)
	require.Equal(t, StateChecking, s.a.State())
	id := s.check(local1, remote1, peerCheck{controlling: true})
	s.advance(time.Second)
	require.Equal(t, StateChecking, s.a.State(), "the peer is there")
	s.wantSuccess(id)
	s.answer(s.wantCheck(local1, remote1), local1)
	require.Equal(t, StateConnected, s.a.State())
}

func TestSetControlling(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	_, err := s.wantCheck(local1, remote1).ICEControlling()
	require.NoError(t, err)
	priority := s.a.current.checkList.pairs[0].priority
	s.a.SetControlling(s.now, true) // no change
	s.wantNothing()
	s.a.SetControlling(s.now, false)
	require.NotEqual(t, priority, s.a.current.checkList.pairs[0].priority)
	// The check in progress has the old role: it is repeated.
	_, err = s.wantCheck(local1, remote1).ICEControlled()
	require.NoError(t, err)
	s.wantNothing()
}

func TestLogging(t *testing.T) {
	var log strings.Builder
	s := newScript(t, Config{Controlling: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, local1)
	s.nominate()
	require.Contains(t, log.String(), `msg="ice: state" from=new to=checking`)
	require.Contains(t, log.String(), `msg="ice: check succeeded" local=192.168.0.1:5001 remote=198.51.100.1:6001`)
	require.Contains(t, log.String(), `msg="ice: selected pair" local=192.168.0.1:5001 remote=198.51.100.1:6001 nominated=true`)
	require.NotContains(t, log.String(), agentPwd)
	require.NotContains(t, log.String(), peerPwd)
}

func TestEventKindString(t *testing.T) {
	for kind := EventState; kind <= EventBaseFreed; kind++ {
		require.NotContains(t, kind.String(), "event", "it has a name")
	}
	require.Equal(t, "selected-pair", EventSelectedPair.String())
	require.Equal(t, "event 0", EventKind(0).String())
	require.Equal(t, "event 200", EventKind(200).String())
}

// Owners call Agent.Event after each input. A large struct would enlarge the stacks of their
// goroutines, which costs a short-lived one several microseconds.
func TestEventIsSmall(t *testing.T) {
	require.LessOrEqual(t, int(unsafe.Sizeof(Event{})), 64)
}
