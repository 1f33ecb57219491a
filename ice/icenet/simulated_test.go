package icenet

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/netsim/simnet"
	"github.com/rtcstack/rtcstack/stun"
)

func TestMain(m *testing.M) { netsim.Main(m) }

// stunServer adds a STUN server to the simulated network.
func stunServer(w *simnet.World, addr netip.Addr) {
	w.Network.Attach(&netsim.Responder{Reply: func(dst []byte, _, remote netip.AddrPort, packet []byte) []byte {
		m, err := stun.Parse(packet)
		if err != nil || m.Type() != stun.NewType(stun.MethodBinding, stun.ClassRequest) {
			return nil
		}
		b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
		b.AddXORAddress(stun.AttributeXORMappedAddress, remote)
		b.AddFingerprint()
		return b.Bytes()
	}}, netsim.Interface{Addr: addr})
}

// simulated is two Conns on a simulated network, with a signalling delay.
type simulated struct {
	t    *testing.T
	w    *simnet.World
	rng  *rand.Rand
	conn [2]*Conn
	both sync.Mutex // guards conn while it is being made
	host [2]*simnet.Host
}

func simulate(t *testing.T, seed uint64, link func(r *rand.Rand) netsim.LinkConfig, f func(s *simulated)) (trace uint64) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulated{t: t, w: simnet.New(seed), rng: rand.New(rand.NewPCG(seed, 1))}
		sum := fnv.New64a()
		s.w.Sim.SetTrace(func(line string) { fmt.Fprintln(sum, line) })
		server := netip.MustParseAddr("192.0.2.1")
		stunServer(s.w, server)
		s.w.Name("stun.example", server)
		for i := range s.host {
			in := netsim.Interface{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 2}), Up: link(s.rng), Down: link(s.rng)}
			external := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i)})
			switch s.rng.IntN(3) {
			case 0:
				in.Addr = external
			case 1:
				in.Behind = s.w.Network.AddNAT(netsim.FullCone(external))
			case 2:
				in.Behind = s.w.Network.AddNAT(netsim.PortRestrictedCone(external))
			}
			s.host[i] = s.w.Host(in)
			s.open(i)
		}
		for i := range s.conn {
			s.signal(i)
		}
		defer func() {
			for _, c := range s.conn {
				require.NoError(t, c.Close())
				c.driver.Wait()
			}
			s.w.Close()
			trace = sum.Sum64()
		}()
		f(s)
	})
	return trace
}

func (s *simulated) open(i int) {
	c, err := NewConn(context.Background(), ice.Config{Controlling: i == 0, Rand: s.w.Sim.RandReader()}, Options{
		network: s.host[i], STUNServers: []Server{{"stun.example", 3478}},
		OnCandidate: func(c ice.Candidate, ufrag string) {
			c.Extensions = []ice.Extension{{Key: "ufrag", Value: ufrag}}
			time.AfterFunc(50*time.Millisecond, func() { _ = s.other(i).AddRemoteCandidate(c) })
		},
	})
	require.NoError(s.t, err)
	s.both.Lock()
	defer s.both.Unlock()
	s.conn[i] = c
}

func (s *simulated) other(i int) *Conn {
	s.both.Lock()
	defer s.both.Unlock()
	return s.conn[1-i]
}

// signal sends the credentials of one Conn to the other.
func (s *simulated) signal(i int) {
	ufrag, pwd := s.conn[i].LocalCredentials()
	time.AfterFunc(50*time.Millisecond, func() {
		require.NoError(s.t, s.other(i).SetRemote(ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd}))
	})
}

func (s *simulated) wait(limit time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	for _, c := range s.conn {
		if err := c.Wait(ctx); err != nil {
			for _, c := range s.conn {
				c.mu.Lock()
				s.t.Logf("%v: %v %+v", c.locals, c.driver.agent.State(), c.driver.agent.Stats())
				c.mu.Unlock()
			}
			s.t.Fatal(err)
		}
	}
}

func badLink(r *rand.Rand) netsim.LinkConfig {
	return netsim.LinkConfig{
		Delay: time.Duration(1+r.IntN(50)) * time.Millisecond, Jitter: time.Duration(r.IntN(20)) * time.Millisecond,
		Loss: r.Float64() * 0.05, Reorder: r.Float64() * 0.2, Duplicate: r.Float64() * 0.1,
	}
}

// Whole connections, with their goroutines and timers, behind NATs and over bad networks, connect,
// lose their network, and restart.
func TestConnsOverASimulatedNetwork(t *testing.T) {
	began, n := time.Now(), 0
	netsim.Seeds(t, 150, func(t *testing.T, seed uint64) {
		n++
		simulate(t, seed, badLink, func(s *simulated) {
			s.wait(time.Minute)
			switch s.rng.IntN(3) {
			case 0: // one host moves to another network
				s.host[0].Detach(0, s.rng.IntN(2) == 0)
				s.host[0].Attach(netsim.Interface{Addr: netip.MustParseAddr("198.51.100.7"), Up: badLink(s.rng), Down: badLink(s.rng)})
			case 1: // nothing passes until both have failed
				s.w.Do(func() { s.host[0].Attachment(0).Up.SetConfig(netsim.LinkConfig{Loss: 1}) })
				for s.conn[0].State() != ice.StateFailed || s.conn[1].State() != ice.StateFailed {
					time.Sleep(time.Second)
				}
				_, err := s.conn[0].Write([]byte("x"))
				require.ErrorIs(t, err, ErrFailed)
				require.ErrorIs(t, s.conn[1].Wait(t.Context()), ErrFailed)
				s.w.Do(func() { s.host[0].Attachment(0).Up.SetConfig(netsim.LinkConfig{}) })
			}
			for _, c := range s.conn {
				_, _, err := c.Restart()
				require.NoError(t, err)
			}
			for i := range s.conn {
				s.signal(i)
			}
			time.Sleep(100 * time.Millisecond)
			for i := range s.conn {
				for k := 0; s.conn[i].State() != ice.StateCompleted; k++ {
					require.Less(t, k, 120, "seconds")
					time.Sleep(time.Second)
				}
			}
			s.wait(time.Minute)
		})
	})
	t.Logf("%v per seed", time.Since(began)/time.Duration(n))
}

// Runs with equal seeds are equal, packet for packet, however the goroutines are scheduled.
func TestSimulatedRunsAreRepeatable(t *testing.T) {
	if os.Getenv("RTC_SEED") != "" {
		t.Skip("one seed only")
	}
	for seed := range uint64(5) {
		var first uint64
		for i := range 3 {
			trace := simulate(t, seed, badLink, func(s *simulated) {
				s.wait(time.Minute)
				time.Sleep(20 * time.Second)
			})
			if i == 0 {
				first = trace
			}
			require.Equal(t, first, trace, "seed %d, run %d", seed, i)
		}
	}
}
