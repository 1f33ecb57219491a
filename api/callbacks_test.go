package rtc

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/goroutine"
)

func TestOrderOfTheFirstCallbacks(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		var r recorder
		pc.OnLocalDescription(func(d SessionDescription) {
			require.NotContains(t, d.SDP, "a=candidate", "no candidates the first time")
			r.add("description " + d.Type.String())
		})
		pc.OnSignalingStateChange(func(s SignalingState) { r.add("signaling " + s.String()) })
		complete := make(chan struct{})
		pc.OnGatheringStateChange(func(s GatheringState) {
			r.add("gathering " + s.String())
			if s == GatheringStateComplete {
				close(complete)
			}
		})
		pc.OnLocalCandidate(func(c Candidate) {
			require.True(t, strings.HasPrefix(c.Candidate, "candidate:"))
			require.Equal(t, "0", c.Mid)
			r.add("candidate")
		})
		_, err := pc.CreateDataChannel("x", nil)
		require.NoError(t, err)
		receive(t, complete, "end of gathering")
		require.Equal(t, []string{"description offer", "signaling have-local-offer", "gathering gathering", "candidate",
			"gathering complete"}, r.all())
		text := must(pc.LocalDescription()).SDP
		require.Contains(t, text, "a=candidate:") // LocalDescription includes the candidates found so far
		require.Contains(t, text, "a=end-of-candidates")
	})
}

func TestCallbacksOfAConnectionsLife(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		var a, b recorder
		for _, side := range []struct {
			pc *PeerConnection
			r  *recorder
		}{{p.a, &a}, {p.b, &b}} {
			side.pc.OnStateChange(func(s State) { side.r.add("state " + s.String()) })
			side.pc.OnSignalingStateChange(func(s SignalingState) { side.r.add("signaling " + s.String()) })
		}
		closed := make(chan struct{}, 2)
		p.b.OnDataChannel(func(dc *DataChannel) {
			b.add("channel")
			// Callbacks that are set here miss nothing, in any order.
			dc.OnMessage(func(m Message) { b.add("message " + string(m.Data)) })
			dc.OnClosed(func() { b.add("closed"); closed <- struct{}{} })
			dc.OnOpen(func() { b.add("open") })
		})
		dc, err := p.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		dc.OnOpen(func() {
			a.add("open")
			require.NoError(t, dc.SendText("1"))
			require.NoError(t, dc.SendText("2"))
			require.NoError(t, p.a.Close())
		})
		dc.OnClosed(func() { a.add("closed"); closed <- struct{}{} })
		receive(t, closed, "closed callback")
		receive(t, closed, "closed callback")
		eventually(t, "closed", func() bool { return p.a.State() == StateClosed && p.b.State() == StateClosed })
		last := func(r *recorder) func() bool {
			return func() bool { l := r.all(); return l[len(l)-1] == "state closed" }
		}
		eventually(t, "the last callback", last(&a))
		eventually(t, "the last callback", last(&b))
		require.Equal(t, []string{"signaling have-local-offer", "signaling stable", "state connecting", "state connected", "open",
			"closed", "state closed"}, a.all())
		// Close sends the buffered messages, then both sides change to StateClosed.
		require.Equal(t, []string{"signaling have-remote-offer", "signaling stable", "state connecting", "state connected",
			"channel", "open", "message 1", "message 2", "closed", "state closed"}, b.all())
	})
}

// Callbacks that are set late are called in the order of the events: those of a channel after the
// one that announces it, and the end of the connection after them.
func TestOrderOfLateCallbacks(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		var r recorder
		p.b.OnStateChange(func(s State) {
			if s == StateConnected {
				eventually(t, "all is over", func() bool { return p.b.State() == StateClosed })
			}
			r.add("state " + s.String())
		})
		p.b.OnDataChannel(func(dc *DataChannel) {
			r.add("channel")
			dc.OnOpen(func() { r.add("open") })
			dc.OnMessage(func(m Message) { r.add("message " + string(m.Data)) })
			dc.OnClosed(func() { r.add("closed") })
		})
		dc, err := p.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		dc.OnOpen(func() {
			require.NoError(t, dc.SendText("1"))
			require.NoError(t, p.a.Close())
		})
		want := []string{"state connecting", "state connected", "channel", "open", "message 1", "closed", "state closed"}
		eventually(t, "all callbacks", func() bool { return len(r.all()) == len(want) })
		require.Equal(t, want, r.all())
	})
}

func TestReceivedChannelsAreKeptForACallback(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		for i := range 3 {
			dc, err := p.a.CreateDataChannel(fmt.Sprint(i), nil)
			require.NoError(t, err)
			dc.OnOpen(func() { require.NoError(t, dc.SendText("hello "+dc.Label())) })
		}
		eventually(t, "all channels", func() bool { return p.b.Stats().Channels == 3 && p.b.Stats().Messages.MessagesReceived == 3 })
		var r recorder
		p.b.OnDataChannel(func(dc *DataChannel) {
			r.add("channel " + dc.Label())
			dc.OnOpen(func() { r.add("open " + dc.Label()) })
			dc.OnMessage(func(m Message) { r.add("message " + string(m.Data)) })
		})
		eventually(t, "everything", func() bool { return len(r.all()) == 9 })
		var order []string
		for _, line := range r.all() {
			if strings.HasSuffix(line, "1") {
				order = append(order, line)
			}
		}
		require.Equal(t, []string{"channel 1", "open 1", "message hello 1"}, order)
	})
}

func TestWhatHappenedBeforeACallbackWasSet(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, err := p.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		accepted := make(chan *DataChannel, 1)
		p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		b := receive(t, accepted, "channel")
		eventually(t, "open", a.IsOpen)
		require.NoError(t, a.Send([]byte("x")))
		eventually(t, "message", func() bool { return b.AvailableAmount() == 1 })
		idle(t, p.b)

		count := func() (func(), func() int) {
			var n atomic.Int32
			return func() { n.Add(1) }, func() int { return int(n.Load()) }
		}
		opened, opens := count()
		b.OnOpen(opened)
		eventually(t, "the stored open callback", func() bool { return opens() == 1 })
		b.OnOpen(opened)
		idle(t, p.b)
		require.Equal(t, 1, opens(), "it is delivered once")

		available, availables := count()
		b.OnAvailable(available)
		eventually(t, "the stored available callback", func() bool { return availables() == 1 })
		must(b.Receive())
		require.NoError(t, a.Send([]byte("y")))
		require.NoError(t, a.Send([]byte("z")))
		eventually(t, "both messages", func() bool { return b.AvailableAmount() == 2 })
		idle(t, p.b)
		require.Equal(t, 2, availables(), "it fires when the queue goes from empty to one")

		// Setting nil discards the stored event.
		require.NoError(t, a.Close())
		eventually(t, "closed", func() bool { return p.a.Stats().Channels == 0 && p.b.Stats().Channels == 0 })
		idle(t, p.b)
		b.OnClosed(nil)
		closed, closes := count()
		b.OnClosed(closed)
		idle(t, p.b)
		require.Zero(t, closes())
		require.Equal(t, 2, b.AvailableAmount(), "messages can be received after the channel closed")
		require.Equal(t, "y", string(must(b.Receive()).Data))
		a.OnClosed(closed)
		eventually(t, "the stored closed callback", func() bool { return closes() == 1 })
	})
}

// idle waits until a connection has no callback to call.
func idle(t testing.TB, pc *PeerConnection) {
	t.Helper()
	eventually(t, "the callbacks are done", func() bool {
		pc.mu.Lock()
		defer pc.mu.Unlock()
		return pc.queue.idle()
	})
}

func TestNothingIsCalledInsideTheFunctionThatCausedIt(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		caller := goroutine.ID()
		inside := make(chan bool, 10)
		pc.OnLocalDescription(func(SessionDescription) { inside <- goroutine.ID() == caller })
		dc, err := pc.CreateDataChannel("x", nil)
		require.NoError(t, err)
		require.False(t, receive(t, inside, "description"))
		dc.OnClosed(func() { inside <- goroutine.ID() == caller })
		require.NoError(t, dc.Close())
		require.False(t, receive(t, inside, "closed callback"))
		require.True(t, dc.IsClosed())
	})
}

func TestSettingNilWaitsForARunningCallback(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		entered, leave := make(chan struct{}), make(chan struct{})
		var left atomic.Bool
		b.OnMessage(func(m Message) {
			if string(m.Data) == "1" {
				close(entered)
				<-leave
				left.Store(true)
			}
		})
		for _, text := range []string{"1", "2", "3"} {
			require.NoError(t, a.SendText(text))
		}
		receive(t, entered, "message")
		eventually(t, "all messages", func() bool { return b.Stats().MessagesReceived == 3 })
		b.OnClosed(nil) // another kind: does not wait
		cleared := make(chan bool, 1)
		go func() {
			b.OnMessage(nil)
			cleared <- left.Load()
		}()
		eventually(t, "the callback is taken away", func() bool { return b.AvailableAmount() == len("23") })
		select {
		case <-cleared:
			t.Fatal("did not wait")
		case <-time.After(20 * time.Millisecond):
		}
		close(leave)
		require.True(t, receive(t, cleared, "return of OnMessage(nil)"))
		// After OnMessage(nil), messages are pending again.
		require.Equal(t, "2", string(must(b.Receive()).Data))
		require.Equal(t, "3", string(must(b.Receive()).Data))
	})
}

func TestChangingTheMessageCallbackInsideIt(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		for i := range 5 {
			require.NoError(t, a.SendText(fmt.Sprint(i)))
		}
		eventually(t, "all messages", func() bool { return b.AvailableAmount() == 5 })
		var r recorder
		done := make(chan struct{})
		b.OnMessage(func(m Message) {
			r.add("first " + string(m.Data))
			b.OnMessage(nil) // inside the callback: does not wait
			next := must(b.Receive())
			r.add("received " + string(next.Data))
			b.OnMessage(func(m Message) {
				r.add("second " + string(m.Data))
				if string(m.Data) == "4" {
					close(done)
				}
			})
		})
		receive(t, done, "the last message")
		require.Equal(t, []string{"first 0", "received 1", "second 2", "second 3", "second 4"}, r.all())
	})
}

func TestCloseAndWaitInsideACallback(t *testing.T) {
	for _, where := range []string{"message", "open", "state", "channel", "other connection"} {
		t.Run(where, func(t *testing.T) {
			inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
				var after atomic.Bool
				closed := make(chan struct{}, 10)
				end := func(closers ...interface{ CloseAndWait() error }) {
					for _, c := range closers {
						require.NoError(t, c.CloseAndWait())
					}
					after.Store(true)
					closed <- struct{}{}
				}
				a, b := p.connect("x", nil)
				for range 10 {
					require.NoError(t, a.SendText("x"))
				}
				eventually(t, "messages", func() bool { return b.AvailableAmount() == 10 })
				b.OnClosed(func() { t.Error("called after CloseAndWait") })
				p.b.OnStateChange(func(s State) {
					if after.Load() && where != "state" && where != "channel" {
						t.Error("called after CloseAndWait")
					}
					if where == "state" {
						end(p.b)
					}
				})
				switch where {
				case "message":
					b.OnMessage(func(Message) { require.False(t, after.Load()); end(p.b) })
				case "open":
					b.OnOpen(func() { end(p.b) })
				case "state":
					b.OnClosed(nil)
					require.NoError(t, p.a.Close())
				case "channel":
					b.OnMessage(func(Message) { require.False(t, after.Load()); end(b) })
				case "other connection":
					b.OnMessage(func(Message) { require.False(t, after.Load()); end(p.a, p.b) })
				}
				receive(t, closed, "return of CloseAndWait")
				require.NoError(t, p.b.CloseAndWait())
				require.Empty(t, closed)
			})
		})
	}
}

func TestCloseAndWaitWaitsForARunningCallback(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		for _, what := range []string{"connection", "channel"} {
			p := n.pair(place{})
			a, b := p.connect("x", nil)
			entered := make(chan struct{}, 1)
			var left, after atomic.Bool
			b.OnMessage(func(Message) {
				require.False(t, after.Load())
				entered <- struct{}{}
				time.Sleep(10 * time.Millisecond)
				left.Store(true)
			})
			require.NoError(t, a.SendText("x"))
			receive(t, entered, "message")
			if what == "connection" {
				require.NoError(t, p.b.CloseAndWait())
			} else {
				require.NoError(t, b.CloseAndWait())
			}
			require.True(t, left.Load(), what)
			after.Store(true)
			_ = a.SendText("y")
		}
	})
}

func TestACallbackThatLeavesByGoexit(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		got := make(chan string, 3)
		b.OnMessage(func(m Message) {
			got <- string(m.Data)
			if string(m.Data) == "1" {
				runtime.Goexit() // as a test's FailNow does
			}
		})
		for _, text := range []string{"1", "2", "3"} {
			require.NoError(t, a.SendText(text))
		}
		for _, text := range []string{"1", "2", "3"} {
			require.Equal(t, text, receive(t, got, "message"))
		}
	})
}

// A program may call every method from every goroutine and callback: nothing deadlocks and nothing
// races.
func TestEveryFunctionFromEveryCallback(t *testing.T) {
	p := newPair(t, Configuration{}, Configuration{})
	everything := func(pc *PeerConnection, dc *DataChannel) {
		_, _ = pc.LocalDescription()
		_, _ = pc.RemoteDescription()
		_, _ = pc.CreateOffer()
		_, _ = pc.LocalAddr()
		_, _, _ = pc.SelectedCandidatePair()
		_ = pc.NegotiationNeeded()
		_ = pc.Stats()
		_ = pc.AddRemoteCandidate(Candidate{})
		pc.OnStateChange(read(pc, &pc.onState))
		pc.OnICEStateChange(nil)
		if dc != nil {
			_ = dc.Send(nil)
			_, _ = dc.Receive()
			dc.OnError(nil)
			_ = dc.MaxMessageSize()
		}
	}
	done := make(chan struct{})
	p.a.OnGatheringStateChange(func(GatheringState) { everything(p.a, nil); everything(p.b, nil) })
	p.b.OnStateChange(func(State) { everything(p.b, nil); everything(p.a, nil) })
	p.b.OnDataChannel(func(dc *DataChannel) {
		everything(p.b, dc)
		dc.OnOpen(func() { everything(p.b, dc); _ = dc.SendText("x") })
	})
	dc, err := p.a.CreateDataChannel("x", nil)
	require.NoError(t, err)
	dc.OnMessage(func(m Message) {
		if m.IsText {
			everything(p.a, dc)
			close(done)
		}
	})
	receive(t, done, "message")
}

// While there is traffic, one goroutine calls the functions. It ends when the traffic ceases, and
// when the connection ends.
func TestTheDispatcherStaysWhileThereIsTraffic(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		var callers []uint64
		b.OnMessage(func(Message) { callers = append(callers, goroutine.ID()) })
		const before, after = 200, 400
		traffic := func() {
			for range before + after {
				require.NoError(t, a.SendText("message"))
				pause(time.Millisecond)
			}
			pause(quietInterval / 10)
		}
		running := func() bool {
			p.b.mu.Lock()
			defer p.b.mu.Unlock()
			return p.b.queue.running
		}
		for range 2 {
			callers = nil
			traffic()
			require.Len(t, callers, before+after)
			require.NotEqual(t, callers[0], callers[before], "a few messages are not worth a goroutine that stays")
			different := slices.Compact(slices.Clone(callers[before:]))
			require.LessOrEqual(t, len(different), 1+busyRecords, "the queue looks for traffic once a second")
			require.True(t, running())
			pause(3 * quietInterval)
			require.False(t, running())
		}
		traffic()
		require.NoError(t, p.b.CloseAndWait())
		require.False(t, running())
	})
}

// A queue that is never empty does not grow: it reuses the memory of delivered events.
func TestTheCallbackQueueDoesNotGrowUnderASteadyLoad(t *testing.T) {
	var mu sync.Mutex
	var q callbackQueue
	var dc DataChannel
	q.init(&mu, func() {})
	dc.owner, dc.queue = &dc, &q
	const turns = 10_000
	n, most, done := 0, 0, make(chan struct{})
	dc.onLow = func() { // each call adds two more, until there are a few
		mu.Lock()
		defer mu.Unlock()
		if n++; n == turns {
			close(done)
		}
		for q.events.Len() < 5 && n < turns {
			dc.push(event{kind: eventLow})
		}
		most = max(most, q.events.Cap())
	}
	mu.Lock()
	dc.push(event{kind: eventLow})
	mu.Unlock()
	receive(t, done, "last call")
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, most, 8)
}

// An event from before a callback was set is delivered before the events after that, at any
// position in the queue.
func TestStoredEventsKeepTheirOrder(t *testing.T) {
	happen := []func(c *bareChannel){
		func(c *bareChannel) { c.opened() },
		func(c *bareChannel) { c.arrived(received{Message: Message{Data: []byte("m")}}) },
		func(c *bareChannel) { c.closed(failuref("broken")) },
	}
	for delivered := range len(happen) + 1 {
		synctest.Test(t, func(t *testing.T) {
			c := newBareChannel(channelConnecting)
			for _, f := range happen[:delivered] {
				c.mu.Lock()
				f(c)
				c.mu.Unlock()
			}
			synctest.Wait() // these events were processed without a callback
			// The other events are in the queue while the callbacks are set.
			busy := &busyTarget{begun: make(chan struct{}), end: make(chan struct{})}
			c.mu.Lock()
			c.calls.push(event{target: busy})
			c.mu.Unlock()
			<-busy.begun
			c.mu.Lock()
			for _, f := range happen[delivered:] {
				f(c)
			}
			c.mu.Unlock()
			var got []string
			c.OnOpen(func() { got = append(got, "open") })
			c.OnMessage(func(Message) { got = append(got, "message") })
			c.OnError(func(error) { got = append(got, "error") })
			c.OnClosed(func() { got = append(got, "closed") })
			close(busy.end)
			synctest.Wait()
			// A message without a callback is pending, not stored: it is delivered after the events
			// in the queue, but before the end.
			want := [...][]string{
				{"open", "message", "error", "closed"},
				{"open", "message", "error", "closed"},
				{"open", "error", "message", "closed"},
				{"open", "error", "closed", "message"},
			}[delivered]
			require.Equal(t, want, got, "%d had their turn before", delivered)
		})
	}
}

// busyTarget is an event target whose callback blocks until end is closed.
type busyTarget struct{ begun, end chan struct{} }

func (b *busyTarget) deliver(q *callbackQueue, e event) {
	q.enter(b, e.kind)
	close(b.begun)
	<-b.end
	q.leave()
}
