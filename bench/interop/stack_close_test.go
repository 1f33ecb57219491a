package interop_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// testStackReopen opens and closes one channel after another; each side opens and closes some. Both sides report each
// event, and the streams are reused.
func testStackReopen(t *testing.T, s *stackSession) {
	streams := make(map[uint16]bool) // of the channels that we opened
	for i := range 20 {
		weOpen, weClose := i%2 == 0, i/2%2 == 0
		label := fmt.Sprintf("again %d", i)
		var dc *rtc.DataChannel
		if weOpen {
			dc = s.openOurs(label, nil)
			s.theirs.await("channel", label)
			stream, err := dc.Stream()
			require.NoError(t, err)
			streams[stream] = true
		} else {
			s.theirs.do("open", command{"label": label})
			dc = s.accept(label)
		}
		s.theirs.await("open", label)
		s.greet(dc)
		closed := newMilestone("our channel %q is closed", label)
		dc.OnClosed(closed.reach)
		if weClose {
			require.NoError(t, dc.SendText("the last one"))
			require.NoError(t, dc.Close())
			s.theirs.await("message", label) // messages sent before close() arrive
		} else {
			s.theirs.do("close", command{"label": label})
		}
		s.theirs.await("closed", label)
		s.reach(closed)
	}
	require.Len(t, streams, 1, "a stream is reused when both sides have closed its channel")
}

// testStackCloses closes the other stack's connection.
func testStackCloses(t *testing.T, s *stackSession) {
	closed := newMilestone("our channel is closed")
	s.kept.OnClosed(closed.reach)
	s.theirs.do("end", nil)
	if s.stack.closesSilently {
		awaitState(t, s.ours, rtc.StateDisconnected)
		return
	}
	awaitState(t, s.ours, rtc.StateClosed)
	s.reach(closed)
}

// testWeCloseToStack closes our connection.
func testWeCloseToStack(t *testing.T, s *stackSession) {
	require.NoError(t, s.kept.SendText("the last one"))
	if s.stack.losesLastMessages {
		s.theirs.await("message", "kept")
	}
	require.NoError(t, s.ours.Close())
	awaitState(t, s.ours, rtc.StateClosed)
	require.Zero(t, s.ours.Stats().Undelivered)
	if !s.stack.losesLastMessages {
		s.theirs.await("message", "kept")
	}
	if !s.stack.missesClose {
		s.theirs.await("closed", "kept")
	}
}
