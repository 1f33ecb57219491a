package sctp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The sizes between which the scripts below search.
const (
	baseMTU = 1184
	mostMTU = 1412
)

// mtuScript is a script with an association that has much to send, and discovers the path MTU.
type mtuScript struct {
	*script
	info []byte // of the last probe, as a parameter
}

func newMTUScript(t *testing.T, cfg Config) *mtuScript {
	cfg.MTU, cfg.MaxMTU, cfg.HeartbeatInterval = baseMTU, mostMTU, -1
	return &mtuScript{script: established(t, cfg)}
}

// probes takes the packets sent, and returns the sizes of the probes among them. RFC 8899, section
// 3: other packets are not larger than the PLPMTU.
func (s *mtuScript) probes() (sizes []int) {
	s.t.Helper()
	lines, packets := s.take()
	for i, p := range packets {
		if strings.HasPrefix(lines[i], "HEARTBEAT") {
			require.Empty(s.t, strings.Trim(lines[i], "HEARTB |"), "in a probe")
			sizes = append(sizes, len(p))
			s.info, _ = s.split(p[16:])
			continue
		}
		require.LessOrEqual(s.t, len(p), s.a.mtu.current, lines[i])
		for rest := p[12:]; len(rest) > 0; {
			var c []byte
			c, rest = s.split(rest)
			require.LessOrEqual(s.t, 12+len(c), baseMTU, "a chunk that could not be sent again after a fall back")
		}
	}
	return sizes
}

// bulk sends a message that is much larger than a packet, and has it
// acknowledged. It returns the sizes of the probes.
func (s *mtuScript) bulk() []int {
	s.t.Helper()
	s.send(0, strings.Repeat("x", 6000))
	for range 4 {
		s.wait(rtt)
		s.receive(sack(s.a.out.next - 1))
	}
	require.Zero(s.t, s.a.BufferedAmount())
	return s.probes()
}

func (s *mtuScript) answer() { s.t.Helper(); s.receive(rawChunk(5, 0, s.info)) }

// wantMTU checks the size of packets, which must be that of a packet with data.
func (s *mtuScript) wantMTU(size int, state mtuState) {
	s.t.Helper()
	require.Equal(s.t, size, s.a.Stats().MTU)
	require.Equal(s.t, state, s.a.mtu.state)
}

// RFC 8899, section 5.2: the BASE state confirms BASE_PLPMTU; SEARCHING follows when the probe is
// acknowledged, and SEARCH_COMPLETE when a probe of MAX_PLPMTU is.
func TestPathMTUSearch(t *testing.T) {
	s := newMTUScript(t, Config{})
	s.wantMTU(baseMTU, mtuBase)
	require.Equal(t, []int{baseMTU}, s.bulk())
	s.answer()
	s.wantMTU(baseMTU, mtuSearching)

	require.Equal(t, []int{mostMTU}, s.bulk())
	s.wantMTU(baseMTU, mtuSearching)
	window := s.a.cc.window()
	s.answer()
	s.wantMTU(mostMTU, mtuSearchComplete)
	// RFC 8899, section 3: the congestion window in bytes does not grow.
	require.Equal(t, window, s.a.cc.window())

	// Packets have that size from now on: a chunk that fits in a packet of the base size, and
	// another that fills the packet.
	s.send(0, strings.Repeat("x", 2*mostMTU))
	_, packets := s.take()
	require.Len(t, packets[0], mostMTU)
	require.Len(t, packets[1], mostMTU)
	s.wait(rtt)
	s.receive(sack(s.a.out.next - 1))

	// RFC 8899, section 5.2: no probes are sent in SEARCH_COMPLETE.
	for range 3 {
		require.Empty(t, s.bulk())
		s.wait(raiseTimer)
		s.take()
	}
	for _, cc := range []CongestionControl{CongestionNewReno, CongestionCUBIC, CongestionBBR} {
		s := found(t, Config{CongestionControl: cc})
		s.a.cc.timedOut(s.a.last, 0)
		require.Equal(t, mostMTU, s.a.cc.window(), "a window of one packet")
	}
	stats := s.a.Stats()
	require.EqualValues(t, 2, stats.MTUProbesSent)
	require.EqualValues(t, 2, stats.MTUProbesAcked)
	require.Zero(t, stats.MTUProbesLost)
}

// RFC 8899, section 5.1: a probe that is not acknowledged within PROBE_TIMER, at least 1 s, is
// repeated, MAX_PROBES (3) times. Each size that fails halves the rest.
func TestPathMTUSearchBelowTheMaximum(t *testing.T) {
	s := newMTUScript(t, Config{})
	const path = 1340
	var sizes []int
	var last time.Time
	for s.a.mtu.state != mtuSearchComplete {
		probes := s.bulk()
		require.LessOrEqual(t, len(probes), 1, "one probe is under way at a time")
		if len(probes) == 0 {
			continue
		}
		sizes = append(sizes, probes[0])
		if probes[0] <= path {
			s.answer()
		} else {
			// The probe was sent at the beginning of bulk or later.
			require.Greater(t, s.now.Sub(last), minProbeTimer-4*rtt)
			last = s.now
		}
	}
	require.Equal(t, []int{baseMTU, 1412, 1412, 1412, 1296, 1352, 1352, 1352, 1324, 1336}, sizes)
	s.wantMTU(1336, mtuSearchComplete) // 1352 is less than mtuStep more

	// RFC 8899, section 3: the loss of a probe does not affect the congestion control.
	stats := s.a.Stats()
	require.EqualValues(t, 6, stats.MTUProbesLost)
	require.Zero(t, stats.LossEpisodes)
	require.Zero(t, stats.Timeouts)
	require.Zero(t, stats.MTUBlackHoles)
	require.Zero(t, s.a.loss.errors)

	// RFC 8899, section 5.1.1: the search begins again after PMTU_RAISE_TIMER, 600 s. The path has
	// become a better one.
	s.wait(raiseTimer - 10*time.Second)
	s.take()
	require.Empty(t, s.bulk())
	s.wait(10 * time.Second)
	s.take()
	require.Equal(t, []int{mostMTU}, s.bulk())
	s.wantMTU(1336, mtuSearching)
	s.answer()
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// RFC 8899, section 5.1.1: no probes without application data since the previous probe. Data that
// does not fill a packet has no advantage from a larger one.
func TestPathMTUIdle(t *testing.T) {
	s := newMTUScript(t, Config{})
	for range 20 {
		s.send(0, strings.Repeat("x", 500))
		s.wait(rtt)
		s.receive(sack(s.a.out.next - 1))
		require.Empty(t, s.probes())
	}
	// There was data after the first probe, but not after the second, and no answer. No timer is
	// left.
	require.Equal(t, []int{baseMTU}, s.bulk())
	s.wait(time.Hour)
	require.Equal(t, []int{baseMTU}, s.probes())
	require.True(t, s.a.Deadline().IsZero())

	// Without a limit above the base there is no discovery.
	for _, most := range []int{0, baseMTU - 4, baseMTU, baseMTU + 3} {
		s := &mtuScript{script: established(t, Config{MTU: baseMTU, MaxMTU: most})}
		for range 5 {
			require.Empty(t, s.bulk())
		}
		s.a.PathChanged(s.now, 0, 0)
		require.Empty(t, s.bulk())
		s.wantMTU(baseMTU, mtuDisabled)
	}
}

// A packet larger than the congestion window has no use yet.
func TestPathMTUAndTheWindow(t *testing.T) {
	s := newMTUScript(t, Config{})
	require.Equal(t, []int{baseMTU}, s.bulk())
	cc := s.a.cc.(*newReno)
	cc.cwnd, cc.ssthresh = mostMTU, 0
	s.answer()
	s.send(0, strings.Repeat("x", 3*baseMTU))
	require.Empty(t, s.probes())
	cc.cwnd = mostMTU + 1
	s.wait(rtt)
	s.receive(sack(s.a.out.next - 1))
	require.Equal(t, []int{mostMTU}, s.probes())
}

// RFC 8899, section 6.2.1.2: the HEARTBEAT contains the size of the probe and a nonce. Section 3:
// answers may be late or duplicated.
func TestPathMTUAnswers(t *testing.T) {
	s := newMTUScript(t, Config{})
	require.Equal(t, []int{baseMTU}, s.bulk())
	base := s.info
	for i := range 4 + mtuProbeInfoSize { // without its padding
		if i == 2 || i == 3 {
			continue // its length: there is less padding
		}
		forged := append([]byte(nil), base...)
		forged[i] ^= 1
		s.receive(rawChunk(5, 0, forged))
	}
	require.Zero(t, s.a.Stats().MTUProbesAcked)
	s.answer()
	s.answer()
	s.wantMTU(baseMTU, mtuSearching)
	require.EqualValues(t, 1, s.a.Stats().MTUProbesAcked)

	// The answer is late, but not too late.
	require.Equal(t, []int{mostMTU}, s.bulk())
	s.receive(rawChunk(5, 0, base))
	s.wantMTU(baseMTU, mtuSearching)
	late := s.info
	s.wait(time.Second)
	require.EqualValues(t, 1, s.a.Stats().MTUProbesLost)
	require.Equal(t, []int{mostMTU}, s.probes())
	s.receive(rawChunk(5, 0, late))
	s.wantMTU(mostMTU, mtuSearchComplete)
	// Answers to probes after the end of discovery have no effect.
	s.receive(rawChunk(5, 0, late), rawChunk(5, 0, base), rawChunk(5, 0, rawParam(1, make([]byte, 12))), rawChunk(5, 0, rawParam(1, make([]byte, 300))))
	s.wantMTU(mostMTU, mtuSearchComplete)
	require.EqualValues(t, 2, s.a.Stats().MTUProbesAcked)
	s.wantAlive()
}

// RFC 8899, section 5.2: BASE is left for ERROR after MAX_PROBES, and ERROR when probes succeed
// again. Such is a peer that does not answer HEARTBEATs.
func TestPathMTUError(t *testing.T) {
	s := newMTUScript(t, Config{})
	var sizes []int
	for s.a.mtu.state != mtuError {
		sizes = append(sizes, s.bulk()...)
	}
	require.Equal(t, []int{baseMTU, baseMTU, baseMTU}, sizes)
	s.wantMTU(baseMTU, mtuError)
	require.Empty(t, s.bulk())
	require.Zero(t, s.a.loss.errors)
	s.wait(raiseTimer)
	s.take()
	require.Equal(t, []int{baseMTU}, s.bulk())
	s.answer()
	require.Equal(t, []int{mostMTU}, s.bulk())
	s.answer()
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// The peer's probe is answered without its PAD chunk, which is skipped (RFC 4820, section 3).
func TestPeersPathMTUProbe(t *testing.T) {
	s := established(t, Config{})
	s.receive(rawChunk(4, 0, rawParam(1, "probe of 1412")), rawChunk(132, 0, make([]byte, 1374)))
	s.want("HEARTBEAT ACK " + quote(rawParam(1, "probe of 1412")))
	s.wantAlive()
}
