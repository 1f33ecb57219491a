package rtc

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// The connection to an unreachable peer fails after ConnectTimeout, not sooner and not later, also
// if the peer has declared that it has no candidates.
func TestConnectTimeout(t *testing.T) {
	const timeout = 300 * time.Millisecond
	inSimulation(t, 1, place{a: Configuration{ConnectTimeout: timeout}, unconnected: true}, func(t *testing.T, s *simulation) {
		h := recordStates(s.a)
		offer, answer := make(chan SessionDescription, 10), make(chan SessionDescription, 10)
		s.a.OnLocalDescription(func(d SessionDescription) { offer <- d })
		s.b.OnLocalDescription(func(d SessionDescription) { answer <- d })
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		require.NoError(t, s.b.SetRemoteDescription(receive(t, offer, "offer")))
		d := receive(t, answer, "answer")
		d.SDP += "a=end-of-candidates\r\n"
		start := time.Now()
		require.NoError(t, s.a.SetRemoteDescription(d))
		pause(time.Second)
		require.Equal(t, []State{StateConnecting, StateFailed}, h.all())
		require.InDelta(t, timeout.Seconds(), h.when(StateFailed).Sub(start).Seconds(), 0.001)
	})
}

// The settings of a connection take precedence over those of the process.
func TestSCTPSettingsOfOneConnection(t *testing.T) {
	inSimulation(t, 1, place{a: Configuration{SCTP: &SCTPSettings{CongestionControl: sctp.CongestionCUBIC}}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		got := make(chan int, 1)
		b.OnMessage(func(m Message) { got <- len(m.Data) })
		require.NoError(t, a.Send(make([]byte, 200_000)))
		require.Equal(t, 200_000, receive(t, got, "message"))
		require.Equal(t, sctp.CongestionCUBIC, p.a.Stats().SCTP.CongestionControl)
		require.Equal(t, sctp.CongestionBBR, p.b.Stats().SCTP.CongestionControl)
	})
}
