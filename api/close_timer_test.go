package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A closed connection is not woken again. Its association would still answer a peer that has lost
// the end of the shutdown, but there DTLS's close_notify says the same.
func TestNoTimerAfterTheEnd(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		exchange(t, a, b, Message{Data: []byte("x")})
		require.NoError(t, p.a.Close())
		for _, pc := range []*PeerConnection{p.a, p.b} {
			eventually(t, "closed", func() bool { return pc.State() == StateClosed })
			pc.mu.Lock()
			atTheEnd := pc.timer.Stop()
			pc.timerAt = time.Time{} // as when the timer's own firing ends the connection
			pc.setTimer()
			later := pc.timer.Stop()
			pc.mu.Unlock()
			require.False(t, atTheEnd, "a timer is running")
			require.False(t, later, "a timer is running")
		}
	})
}
