package rtc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
)

// inTwoNetworks connects two sides with two interfaces each, and runs f when all four pairs are
// valid and one is nominated.
func inTwoNetworks(t *testing.T, f func(t *testing.T, s *simulation, a, b *DataChannel)) {
	t.Helper()
	netsim.Seeds(t, 3, func(t *testing.T, seed uint64) {
		inSimulation(t, seed, place{interfaces: twoInterfaces(), tune: lateNomination}, func(t *testing.T, s *simulation) {
			a, b := s.connect("x", nil)
			s.settled()
			require.Equal(t, 4, s.a.Stats().ICE.ValidPairs)
			require.Equal(t, 4, s.b.Stats().ICE.ValidPairs)
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
			require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
			f(t, s, a, b)
		})
	})
}

// A controlled side answers a controlling peer on the pair on which that sends, even if the peer
// has nominated another one.
func TestControlledConnectionFollowsItsPeer(t *testing.T) {
	inTwoNetworks(t, func(t *testing.T, s *simulation, a, b *DataChannel) {
		for range 3 {
			// A consent check of the peer, 2 to 8 s later, nominates the other pair and overrules
			// the data. Data that arrives within 5 s after that is not followed. Data that arrives
			// when consent is older than 15 s is not followed at once.
			pause(14 * time.Second)
			other := otherPath(t, s.a)
			sendOver(t, a, other, "from elsewhere")
			require.Equal(t, "from elsewhere", string(next(t, b).Data))
			require.Equal(t, other.Link.LocalAddr(), must(s.b.RemoteAddr()))
			require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data)) // a still uses its own pair
		}
	})
}

// A controlling connection accepts data of its peer on another pair than it has nominated, and
// keeps using the nominated one.
func TestControllingConnectionTakesWhatComesElsewhere(t *testing.T) {
	inTwoNetworks(t, func(t *testing.T, s *simulation, a, b *DataChannel) {
		before := must(s.a.RemoteAddr())
		other := otherPath(t, s.b)
		for range 10 {
			sendOver(t, b, other, "y")
			require.Equal(t, "y", string(next(t, a).Data))
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
		}
		require.Equal(t, before, must(s.a.RemoteAddr()))
		require.Zero(t, s.a.Stats().StrangersDropped)
	})
}

// The side that made the offer is controlling as soon as it has made it: checks of the controlled
// peer may arrive before the answer.
func TestRolesDoNotConflict(t *testing.T) {
	inTwoNetworks(t, func(t *testing.T, s *simulation, _, _ *DataChannel) {
		for pc, controlling := range map[*PeerConnection]bool{s.a: true, s.b: false} {
			stats := pc.Stats().ICE
			require.Equal(t, controlling, stats.Controlling)
			require.Zero(t, stats.RoleConflicts)
		}
	})
}

// A connection changes to another pair only for a record that is authentic, newer than all before,
// and from a pair on which the peer has answered a check.
func TestOldAndStrayRecordsDoNotMoveAConnection(t *testing.T) {
	inTwoNetworks(t, func(t *testing.T, s *simulation, a, b *DataChannel) {
		before, other := must(s.b.RemoteAddr()), otherPath(t, s.a)
		seal := func() []byte { return sealRecord(s.a) }
		// sent sends a datagram over a path, and returns the pair that b then uses.
		sent := func(path link.Path, datagram []byte) netip.AddrPort {
			sendDatagram(t, path, datagram)
			pause(time.Second)
			return must(s.b.RemoteAddr())
		}
		dropped := func() uint64 {
			d := s.b.transport.dtls.Stats()
			return d.BadMAC + d.Discarded
		}
		already := dropped()
		for _, first := range []byte{20, 21, 22, 23} {
			forged := append([]byte{first, 0xfe, 0xfd, 0, 1, 0, 0, 0xff, 0, 0, first, 0, 40}, make([]byte, 40)...)
			require.Equal(t, before, sent(other, forged))
		}
		require.EqualValues(t, 4, dropped()-already)

		held := seal()
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data)) // newer ones
		for _, replayed := range []uint64{0, 1} {                                         // the second time it is a replay
			require.Equal(t, before, sent(other, held))
			require.Equal(t, replayed, s.b.transport.dtls.Stats().Replayed)
		}

		strangers := s.b.Stats().StrangersDropped
		stranger := must(s.hosts[0].Listen(other.Link.LocalAddr().Addr(), 0, 0))
		defer stranger.Close()
		require.Equal(t, before, sent(stranger.PathTo(other.Remote), seal()))
		require.Equal(t, strangers+1, s.b.Stats().StrangersDropped)

		require.Equal(t, other.Link.LocalAddr(), sent(other, seal()), "the newest record moves it")
	})
}

// A socket that neither side uses is closed; a socket that the peer uses stays open.
func TestUnusedSocketsAreClosed(t *testing.T) {
	inTwoNetworks(t, func(t *testing.T, s *simulation, a, b *DataChannel) {
		links := func(pc *PeerConnection) int {
			pc.mu.Lock()
			defer pc.mu.Unlock()
			return len(pc.transport.ice.Links())
		}
		s.b.mu.Lock()
		used := *s.b.transport.ice.Path()
		s.b.mu.Unlock()
		other := used.Link.PathTo(otherPath(t, s.a).Link.LocalAddr())
		for range 12 { // two minutes
			pause(10 * time.Second)
			sendOver(t, b, other, "y")
			require.Equal(t, "y", string(next(t, a).Data))
		}
		require.Equal(t, 2, links(s.a))
		pause(ice.DefaultUnusedTimeout + 10*time.Second)
		require.Equal(t, 1, links(s.a))
		require.Equal(t, 1, links(s.b))
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	})
}
