package rtc

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// credentials returns the ufrag in a description.
func credentials(t *testing.T, d SessionDescription) string {
	t.Helper()
	_, after, ok := strings.Cut(d.SDP, "a=ice-ufrag:")
	require.True(t, ok)
	ufrag, _, _ := strings.Cut(after, "\r\n")
	return ufrag
}

func TestRestartICE(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		require.NoError(t, p.a.RestartICE(), "before the first answer it has no effect")
		a, b := p.connect("x", nil)
		for _, pc := range []*PeerConnection{p.a, p.b, p.a} {
			before := [2]string{credentials(t, must(p.a.LocalDescription())), credentials(t, must(p.b.LocalDescription()))}
			require.NoError(t, pc.RestartICE())
			require.NoError(t, a.SendText("over the old path or the new"))
			require.True(t, a.IsOpen())
			next(t, b)
			eventually(t, "new credentials on both sides", func() bool {
				return p.a.SignalingState() == SignalingStateStable && p.b.SignalingState() == SignalingStateStable &&
					credentials(t, must(p.a.LocalDescription())) != before[0] && credentials(t, must(p.b.LocalDescription())) != before[1]
			})
			eventually(t, "a new path", func() bool {
				return p.a.ICEState() == ICEStateCompleted && p.b.ICEState() == ICEStateCompleted
			})
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
			require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
			require.False(t, pc.NegotiationNeeded())
		}
		eventually(t, "connected", func() bool { return p.a.State() == StateConnected && p.b.State() == StateConnected })
		require.NoError(t, p.a.Close())
		require.ErrorIs(t, p.a.RestartICE(), ErrFailure)
	})
}

func TestRestartICEThatIsRolledBack(t *testing.T) {
	inSimulation(t, 1, place{a: manual, b: manual}, func(t *testing.T, p *simulation) {
		p.a.OnLocalDescription(nil)
		p.b.OnLocalDescription(nil)
		dc, err := p.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		accepted := make(chan *DataChannel, 1)
		p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		negotiate := func() {
			require.NoError(t, p.a.SetLocalDescription(DescriptionOffer))
			require.NoError(t, p.b.SetRemoteDescription(must(p.a.LocalDescription())))
			require.NoError(t, p.b.SetLocalDescription(DescriptionAnswer))
			require.NoError(t, p.a.SetRemoteDescription(must(p.b.LocalDescription())))
		}
		negotiate()
		b := receive(t, accepted, "channel")
		before := must(p.a.LocalDescription())

		require.NoError(t, p.a.RestartICE())
		require.True(t, p.a.NegotiationNeeded())
		require.Equal(t, SignalingStateStable, p.a.SignalingState())
		made := must(p.a.CreateOffer())
		require.NotEqual(t, credentials(t, before), credentials(t, made))
		require.NoError(t, p.a.SetLocalDescription(DescriptionOffer))
		require.Equal(t, credentials(t, made), credentials(t, must(p.a.LocalDescription())))
		require.NoError(t, p.b.SetRemoteDescription(must(p.a.LocalDescription())))
		require.NotEqual(t, credentials(t, must(p.b.CreateAnswer())), credentials(t, must(p.b.LocalDescription())))
		require.NoError(t, p.a.SetLocalDescription(DescriptionRollback))
		require.NoError(t, p.b.SetRemoteDescription(SessionDescription{Type: DescriptionRollback}))
		require.Equal(t, credentials(t, before), credentials(t, must(p.a.LocalDescription())))
		require.Contains(t, must(p.a.LocalDescription()).SDP, "a=candidate:")
		require.Equal(t, "x", string(exchange(t, dc, b, Message{Data: []byte("x")}).Data))
		require.True(t, p.a.NegotiationNeeded(), "the restart is still wanted")

		negotiate()
		require.NotEqual(t, credentials(t, before), credentials(t, must(p.a.LocalDescription())))
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, "x", string(exchange(t, dc, b, Message{Data: []byte("x")}).Data))
		require.False(t, p.a.NegotiationNeeded())
	})
}

// A restart is agreed on and finds no path, and a second one is offered and never answered, before
// the gathering of the first has ended. The connection fails like without the second one.
func TestSecondRestartWithoutAnAnswer(t *testing.T) {
	for _, second := range []bool{false, true} {
		c := Configuration{ICEServers: []string{"stun:192.0.2.77"}} // does not answer
		inSimulation(t, 1, place{a: c, b: c}, func(t *testing.T, s *simulation) {
			a, b := s.connect("x", nil)
			s.settled()
			wantTraffic(t, a, b)
			pause(10 * time.Second)
			s.loseAll()
			require.NoError(t, s.a.RestartICE())
			pause(time.Second)
			require.Equal(t, SignalingStateStable, s.a.SignalingState())
			for _, w := range s.wires {
				w.close()
			}
			if second {
				require.NoError(t, s.a.RestartICE())
			}
			pause(2 * time.Minute)
			require.Equal(t, StateFailed, s.a.State(), "second restart: %v", second)
		})
	}
}

// The peer's candidates have no "ufrag" extension, and arrive while this side offers a restart:
// they belong to the description that the peer has made before.
func TestCandidateWithoutUfragDuringARestart(t *testing.T) {
	inSimulation(t, 1, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
		var candidates []Candidate
		s.b.OnLocalCandidate(func(c Candidate) { candidates = append(candidates, c) })
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
		offer := must(s.a.LocalDescription())
		require.NoError(t, s.b.SetRemoteDescription(offer))
		require.NoError(t, s.b.SetLocalDescription(DescriptionAnswer))
		require.NoError(t, s.a.SetRemoteDescription(must(s.b.LocalDescription())))
		pause(100 * time.Millisecond)
		require.NoError(t, s.a.RestartICE())
		require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
		require.NotEmpty(t, candidates)
		for _, c := range candidates {
			c.Candidate, _, _ = strings.Cut(c.Candidate, " ufrag ")
			require.NoError(t, s.a.AddRemoteCandidate(c))
		}
		eventually(t, "connected", func() bool { return s.a.State() == StateConnected })
	})
}
