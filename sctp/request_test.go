package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// A conversation of small messages on a fast path takes its round trips, whatever the congestion
// control: the measurements so far do not limit it, because there was nothing to measure. The first
// message of each side is a few bytes, acknowledged only when the SACK timer of the other side
// fires.
func TestConversationIsNotPaced(t *testing.T) {
	const oneWay = 100 * time.Microsecond
	for _, c := range []struct {
		cc   CongestionControl
		both bool // connect, or one answers only
	}{{CongestionBBR, true}, {CongestionBBR, false}, {CongestionCUBIC, true}, {CongestionNewReno, true}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			link := netsim.LinkConfig{Delay: oneWay}
			p := newPair(t, 1, Config{CongestionControl: c.cc}, Config{CongestionControl: c.cc}, link, link)
			if c.both {
				p.connect()
			} else {
				p.a.Connect(p.Now())
				p.Poke(p.a)
				p.run(func() bool { return p.a.connected && p.b.connected }, time.Second)
			}
			var received int
			p.a.onData = func(Message) { received++ }
			p.b.onData = func(Message) { received++ }
			say := func(from *endpoint, size int, limit time.Duration) {
				want := received + 1
				require.NoError(t, from.Send(p.Now(), 0, 51, make([]byte, size), SendOptions{}))
				p.Poke(from)
				p.run(func() bool { return received == want }, limit)
			}
			quiet := func() { _ = p.Run(func() bool { return false }, time.Second) }
			say(p.a, 10, 10*oneWay)
			quiet()
			say(p.b, 10, 10*oneWay)
			quiet()
			for range 100 {
				say(p.a, 3000, 10*oneWay)
				say(p.b, 3000, 10*oneWay)
			}
			quiet()
			say(p.a, 12_000, 10*oneWay)
		})
	}
}
