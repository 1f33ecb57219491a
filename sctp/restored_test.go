package sctp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// During an interruption the retransmission timeout backs off. PathRestored makes retransmissions
// due at once, instead of after up to RTO.Max.
func TestPathRestored(t *testing.T) {
	for _, informed := range []bool{false, true} {
		link := netsim.LinkConfig{Delay: 20 * time.Millisecond}
		p := newPair(t, 1, Config{}, Config{}, link, link)
		p.connect()
		received := 0
		p.b.onData = func(Message) { received++ }
		p.path.AB.SetConfig(netsim.LinkConfig{Loss: 1})
		require.NoError(t, p.a.Send(p.Now(), 1, 51, []byte("lost"), SendOptions{}))
		require.NoError(t, p.a.ResetStream(p.Now(), 2))
		p.Poke(p.a)
		require.NoError(t, p.RunFor(30*time.Second))
		p.path.AB.SetConfig(link)
		began := p.Now()
		if informed {
			p.a.PathRestored(p.Now())
			p.a.PathRestored(p.Now()) // no effect: nothing has backed off since
			p.Poke(p.a)
		}
		p.run(func() bool { return received == 1 && p.a.resetDone[2] == 1 }, 2*time.Minute)
		if informed {
			require.Less(t, p.Now().Sub(began), time.Second)
			require.Equal(t, StateEstablished, p.a.State())
		} else {
			require.Greater(t, p.Now().Sub(began), 5*time.Second, "the interruption is long enough")
		}
	}
}
