package interop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// stackRestart is a stack's response to an offer that restarts ICE.
type stackRestart int

const (
	restartAccepted stackRestart = iota // an answer with new credentials
	restartIgnored                      // an answer with the old credentials, which we reject
	restartRefused                      // an error
)

// iceUfrag returns the ICE username fragment in a description.
func iceUfrag(description string) string {
	_, after, _ := strings.Cut(description, "a=ice-ufrag:")
	ufrag, _, _ := strings.Cut(after, "\r\n")
	return ufrag
}

// testStackRestart restarts ICE by an offer of ours.
func testStackRestart(t *testing.T, s *stackSession) {
	s.theirs.do("mode", command{"label": "kept", "mode": "echo"})
	before, err := s.ours.RemoteDescription()
	require.NoError(t, err)
	require.NoError(t, s.ours.RestartICE())
	if s.stack.restart == restartAccepted {
		s.untilStable()
		after, err := s.ours.RemoteDescription()
		require.NoError(t, err)
		require.NotEqual(t, iceUfrag(before.SDP), iceUfrag(after.SDP))
	} else {
		s.wantRefusal()
		if s.o.theyOffer {
			// The other stack's offer rolls ours back. We answer it, and then make an offer again.
			s.do(s.takeOffer)
			s.wantRefusal()
		}
		require.NoError(t, s.ours.SetLocalDescription(rtc.DescriptionRollback))
		require.Equal(t, rtc.SignalingStateStable, s.ours.SignalingState())
	}
	s.hold(3 * time.Second)
	require.Equal(t, rtc.StateConnected, s.ours.State())
	s.greet(s.openOurs("after the restart", nil))
}

// wantRefusal waits until our offer that restarts ICE has failed.
func (s *stackSession) wantRefusal() {
	s.t.Helper()
	err := next(s.t, s.refused, "the refusal of our offer, or of the answer")
	s.t.Logf("no restart: %v", err)
	require.Equal(s.t, s.stack.restart == restartIgnored, strings.Contains(err.Error(), "the answer does not"))
	require.Equal(s.t, rtc.SignalingStateHaveLocalOffer, s.ours.SignalingState())
}

// testRestartByStack restarts ICE by an offer of the other stack.
func testRestartByStack(t *testing.T, s *stackSession) {
	s.theirs.do("mode", command{"label": "kept", "mode": "echo"})
	before, err := s.ours.LocalDescription()
	require.NoError(t, err)
	s.do(func() error {
		offer, err := s.theirs.ask("offer", command{"restart": true})
		if err != nil {
			return err
		}
		return s.fromTheirs(offer)
	})
	for deadline := time.Now().Add(stackPatience); ; time.Sleep(time.Millisecond) {
		after, err := s.ours.LocalDescription()
		require.NoError(t, err)
		if iceUfrag(after.SDP) != iceUfrag(before.SDP) {
			break
		}
		require.True(t, time.Now().Before(deadline), "no new credentials after %v", stackPatience)
	}
	s.hold(3 * time.Second)
	require.Equal(t, rtc.StateConnected, s.ours.State())
	s.greet(s.openOurs("after their restart", nil))
}

// untilStable waits until our offer is answered.
func (s *stackSession) untilStable() {
	s.t.Helper()
	for deadline := time.Now().Add(stackPatience); s.ours.SignalingState() != rtc.SignalingStateStable; time.Sleep(time.Millisecond) {
		require.True(s.t, time.Now().Before(deadline), "no answer after %v", stackPatience)
	}
}

// hold sends messages on the first channel for a duration, and waits for the other stack's echo of each.
func (s *stackSession) hold(duration time.Duration) {
	s.t.Helper()
	for i, start := 0, time.Now(); time.Since(start) < duration; i++ {
		text := fmt.Sprintf("message %d", i)
		require.NoError(s.t, s.kept.SendText(text))
		m, err := s.read(s.kept)
		require.NoError(s.t, err, "%s, after %v", text, time.Since(start))
		require.Equal(s.t, text, string(m.Data))
		time.Sleep(5 * time.Millisecond) // a moderate rate is enough
	}
}
