package sctp

import (
	"fmt"
	"math/bits"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// RFC 9260, section 6.3.1, C5 (Karn's algorithm), and RFC 6298, section 5.7: whichever packets of
// the handshake are lost, and whichever side begins, both sides measure the round-trip time of the
// path, or nothing; the back-off ends with the handshake; and data is sent as fast as otherwise.
func TestRTTAfterHandshakeLoss(t *testing.T) {
	t.Parallel()
	const packets = 4 // of each side, that may be lost
	for _, c := range []struct {
		oneWay time.Duration
		both   bool
		losses int // at most
	}{{20 * time.Millisecond, false, 4}, {20 * time.Millisecond, true, 3}, {350 * time.Millisecond, false, 2}, {350 * time.Millisecond, true, 2}} {
		t.Run(fmt.Sprint(c.oneWay, " both ", c.both), func(t *testing.T) {
			path := 2 * c.oneWay
			for lost := range uint(1) << (2 * packets) {
				if bits.OnesCount(lost) > c.losses {
					continue
				}
				link := netsim.LinkConfig{Delay: c.oneWay}
				p := newPair(t, 1, Config{}, Config{}, link, link)
				lose := func(l *netsim.Link, set uint) {
					l.SetFilter(func(time.Time, []byte) bool {
						keep := set&1 == 0
						set >>= 1
						return keep
					})
				}
				lose(p.path.AB, lost&(1<<packets-1))
				lose(p.path.BA, lost>>packets)
				p.a.Connect(p.Now())
				if c.both {
					p.b.Connect(p.Now())
					p.Poke(p.b)
				}
				p.Poke(p.a)
				// As soon as a side is established.
				for _, e := range []*endpoint{p.a, p.b} {
					p.run(func() bool { return e.connected }, 10*time.Minute)
				}
				check := func(e *endpoint, side string) {
					s := e.Stats()
					require.Contains(t, []time.Duration{0, path}, s.SRTT, "%s, lost %b", side, lost)
					require.LessOrEqual(t, s.RTO, max(DefaultInitialRTO, 3*path), "%s, lost %b", side, lost)
				}
				check(p.a, "a")
				check(p.b, "b")
				keepAll := func(time.Time, []byte) bool { return true }
				p.path.AB.SetFilter(keepAll)
				p.path.BA.SetFilter(keepAll)
				for from, to := range map[*endpoint]*endpoint{p.a: p.b, p.b: p.a} {
					arrived := false
					to.onData = func(Message) { arrived = true }
					began := p.Now()
					require.NoError(t, from.Send(began, 0, 51, make([]byte, 200_000), SendOptions{}))
					p.Poke(from)
					p.run(func() bool { return arrived }, time.Minute)
					require.Less(t, p.Now().Sub(began), 8*path, "lost %b", lost)
				}
			}
		})
	}
}

// A side that has no measurement from the handshake sends a HEARTBEAT, and does not wait for data.
func TestHeartbeatAfterHandshakeWithoutRTT(t *testing.T) {
	answered := func(cfg Config, after time.Duration) *script {
		s := newScript(t, cfg)
		s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
		s.take()
		s.wait(after)
		s.receive(cookieEcho(s.cookie))
		s.wantEvents("connected")
		return s
	}
	s := answered(Config{}, rtt)
	s.want("COOKIE ACK")
	require.Equal(t, rtt, s.a.Stats().SRTT)

	// The COOKIE ECHO came so late that it may be a retransmission.
	s = answered(Config{}, DefaultMinRTO)
	lines, raw := s.take()
	require.Equal(t, []string{"COOKIE ACK | HEARTBEAT"}, lines)
	require.Zero(t, s.a.Stats().SRTT)
	require.Equal(t, DefaultInitialRTO, s.a.Stats().RTO)
	// A retransmitted one is no measurement, either.
	s.wait(rtt)
	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	require.Zero(t, s.a.Stats().SRTT)
	s.receive(rawChunk(5, 0, raw[0][12+4+4:])) // the HEARTBEAT's value
	require.Equal(t, rtt, s.a.Stats().SRTT)

	// Without heartbeats, the first data is the measurement.
	s = answered(Config{HeartbeatInterval: -1}, DefaultMinRTO)
	s.want("COOKIE ACK")
	// Both sides may have a shorter timeout than the default.
	s = answered(Config{HeartbeatInterval: -1, MinRTO: 50 * time.Millisecond}, 60*time.Millisecond)
	require.Zero(t, s.a.Stats().SRTT)
}

// RFC 9260, section 5.2.6: after a stale cookie a second INIT is sent, and it is unknown which of
// the two an INIT ACK answers.
func TestStaleCookieGivesNoRTT(t *testing.T) {
	s := newScript(t, Config{HeartbeatInterval: -1})
	s.a.Connect(s.now)
	s.drain()
	s.wait(rtt)
	s.receive(initAck(peerTag, peerTSN))
	require.Equal(t, rtt, s.a.Stats().SRTT)
	s.take()
	s.receive(rawChunk(9, 0, rawParam(3, uint32(5))))
	s.want("[tag 0] INIT")
	s.wait(time.Millisecond)
	s.receive(initAck(peerTag, peerTSN)) // a copy of the first
	s.want(`COOKIE ECHO "cookie"`)
	s.wait(time.Millisecond)
	s.receive(cookieAck())
	s.wantEvents("connected")
	require.Equal(t, rtt, s.a.Stats().SRTT)
}
