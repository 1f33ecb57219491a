package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The timer of a closed connection does not expire again. Its association would still answer a peer
// that has missed the end of the shutdown, but the peer has the close_notify of DTLS.
func TestNoTimerAfterTheEnd(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		exchange(t, a, b, Message{Data: []byte("x")})
		require.NoError(t, p.a.Close())
		for _, pc := range []*PeerConnection{p.a, p.b} {
			eventually(t, "closed", func() bool { return pc.State() == StateClosed })
			pc.mu.Lock()
			atTheEnd := pc.timer.Stop()
			pc.timerAt = time.Time{} // as if the timer itself ended the connection
			pc.setTimer()
			later := pc.timer.Stop()
			pc.mu.Unlock()
			require.False(t, atTheEnd, "a timer is running")
			require.False(t, later, "a timer is running")
		}
	})
}
