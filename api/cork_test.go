package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/race"
)

// Corked messages leave although nothing else happens: no acknowledgement arrives, and no other
// message is sent.
func TestCorkedMessagesLeave(t *testing.T) {
	config := withCUBIC()
	config.SCTP.InitialCongestionWindow = 200
	near := netsim.LinkConfig{Delay: 50 * time.Microsecond} // so that the pacer is fast
	var interfaces [2][]netsim.Interface
	for i := range interfaces {
		interfaces[i] = []netsim.Interface{{Addr: address(i), Up: near, Down: near}}
	}
	for _, count := range []int{corkInFlight/1024 + 2, 60, 100} {
		inSimulation(t, 1, place{a: config, b: config, interfaces: interfaces}, func(t *testing.T, p *simulation) {
			a, b := p.connect("x", nil)
			p.quiet()
			p.net.Do(func() { p.hosts[1].Attachment(0).Up.SetConfig(netsim.LinkConfig{Loss: 1}) }) // the peer is silent
			for i := range count {
				require.NoError(t, a.Send(make([]byte, 1000)), "message %d", i)
			}
			pause(time.Millisecond)
			p.a.mu.Lock()
			inFlight, unsent := p.a.transport.sctp.Outstanding()
			p.a.mu.Unlock()
			require.Zero(t, unsent)
			require.GreaterOrEqual(t, inFlight, count*1000)
			for range count {
				require.Len(t, next(t, b).Data, 1000)
			}
		})
	}
}

// On an idle connection a message does not wait, on a busy one it does until there are enough of
// them.
func TestCork(t *testing.T) {
	config := withCUBIC()
	config.SCTP.InitialCongestionWindow = 200
	p := newPair(t, config, config)
	a, b := p.connect("x", nil)
	p.quiet()
	const size = 1000
	sent := 0
	p.a.lock() // no acknowledgement is handled while the test has the mutex
	send := func() {
		if err := a.send(make([]byte, size), false); err != nil {
			t.Error(err)
		}
		sent++
	}
	for range corkInFlight/(size+16) + 1 {
		send()
		if p.a.corked.due {
			t.Error("with little in flight")
		}
		p.a.flush()
	}
	for unsent := 0; unsent+size < corkedBatch; unsent += size {
		send()
		if !p.a.corked.due {
			t.Error("with much in flight")
		}
	}
	send()
	if p.a.corked.due {
		t.Error("with enough waiting")
	}
	p.a.unlock()
	for range sent {
		require.Len(t, next(t, b).Data, size)
	}
}

// A small message on a busy connection costs no allocation either.
func TestCorkingDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	p := newPair(t, withCUBIC(), withCUBIC())
	a, b := p.connect("bulk", nil)
	const count = 500
	done := make(chan struct{}, 1)
	received := 0
	b.OnMessage(func(Message) {
		if received++; received%count == 0 {
			done <- struct{}{}
		}
	})
	message := make([]byte, 1000)
	send := func() {
		for range count {
			if err := a.WriteMessage(t.Context(), Message{Data: message}); err != nil {
				t.Error(err)
			}
		}
		<-done // so that what is under way, and its buffers, do not grow
	}
	for range 100 {
		send()
	}
	require.Less(t, testing.AllocsPerRun(100, send), count/5.0, "for %d messages", count) // pools that a collection empties
}
