package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/race"
)

// Deferred messages are sent even if nothing else happens: no acknowledgement arrives, and no other
// message is sent.
func TestDeferredMessagesAreSent(t *testing.T) {
	config := withCUBIC()
	config.SCTP.InitialCongestionWindow = 200
	near := netsim.LinkConfig{Delay: 50 * time.Microsecond} // a high rate of pacing
	var interfaces [2][]netsim.Interface
	for i := range interfaces {
		interfaces[i] = []netsim.Interface{{Addr: address(i), Up: near, Down: near}}
	}
	for _, count := range []int{deferInFlight/1024 + 2, 60, 100} {
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

// On an idle connection a message is sent at once. On a busy one it is deferred until enough
// messages wait.
func TestSendIsDeferredOnABusyConnection(t *testing.T) {
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
	for range deferInFlight/(size+16) + 1 {
		send()
		if p.a.deferred.due {
			t.Error("deferred with little in flight")
		}
		p.a.flush()
	}
	for unsent := 0; unsent+size < maxDeferred; unsent += size {
		send()
		if !p.a.deferred.due {
			t.Error("not deferred with much in flight")
		}
	}
	send()
	if p.a.deferred.due {
		t.Error("deferred with enough messages waiting")
	}
	p.a.unlock()
	for range sent {
		require.Len(t, next(t, b).Data, size)
	}
}

// A small message on a busy connection needs no allocation.
func TestDeferredSendDoesNotAllocate(t *testing.T) {
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
		<-done // bounds the messages in flight, and their buffers
	}
	for range 100 {
		send()
	}
	require.Less(t, testing.AllocsPerRun(100, send), count/5.0, "for %d messages", count) // the garbage collector empties pools
}
