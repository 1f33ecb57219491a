package rtc

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// RFC 8831, section 6.7: "Streams are available for reuse after a reset has been performed." Under
// loss the sides learn of the reset at different times. Nevertheless every channel carries its
// messages and closes on both sides.
func TestChannelsReopenUnderLoss(t *testing.T) {
	for _, loss := range []float64{0.05, 0.15} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			netsim.Seeds(t, 40, func(t *testing.T, seed uint64) {
				inWorld(t, seed, 20*time.Millisecond, loss, Configuration{}, Configuration{}, testReopening)
			})
		})
	}
}

// testReopening opens channels one after the other, by turns from both sides; either side closes.
func testReopening(t *testing.T, w *world) {
	closer := make(map[string]string)
	for i := range 12 {
		closer[fmt.Sprint(i)] = []string{"opener", "acceptor", "both"}[w.rng.IntN(3)]
	}
	accepted := make(chan *DataChannel, 1)
	for _, pc := range []*PeerConnection{w.a, w.b} {
		pc.OnDataChannel(func(dc *DataChannel) {
			if err := dc.SendText("welcome"); err != nil { // the channel is open in OnDataChannel
				t.Errorf("channel %s: the acceptor cannot send: %v", dc.Label(), err)
			}
			dc.OnMessage(func(m Message) {
				if err := dc.Send(m.Data); err != nil {
					t.Errorf("channel %s: the acceptor cannot answer: %v", dc.Label(), err)
				}
				if closer[dc.Label()] != "opener" {
					_ = dc.Close()
				}
			})
			accepted <- dc
		})
	}
	for i := range 12 {
		opener := []*PeerConnection{w.a, w.b}[w.rng.IntN(2)]
		label := fmt.Sprint(i)
		dc, err := opener.CreateDataChannel(label, nil)
		require.NoError(t, err)
		var got []string
		closed := make(chan struct{})
		dc.OnError(func(err error) { t.Errorf("channel %s: %v", label, err) })
		dc.OnClosed(func() { close(closed) })
		dc.OnMessage(func(m Message) {
			if got = append(got, string(m.Data)); len(got) == 2 && closer[label] != "acceptor" {
				_ = dc.Close()
			}
		})
		opened(t, dc)
		require.NoError(t, dc.SendText("request"))
		theirs := soon(t, accepted, "channel "+label)
		soon(t, closed, "end of channel "+label)
		require.Equal(t, []string{"welcome", "request"}, got)
		for end := time.Now().Add(10 * time.Minute); !theirs.IsClosed(); pause(time.Millisecond) {
			require.True(t, time.Now().Before(end), "channel %s is still open at the acceptor", label)
		}
	}
	pause(time.Minute)
	for _, pc := range []*PeerConnection{w.a, w.b} {
		require.Zero(t, pc.Stats().Channels)
		require.Empty(t, pc.channels.streams)
		require.Zero(t, pc.Stats().SCTP.Held)
	}
}

// soon returns a value that is expected within ten minutes of virtual time, in which the
// retransmission timers of SCTP back off.
func soon[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Minute):
		t.Fatalf("no %s", what)
	}
	return v
}

// opened waits until a channel is open.
func opened(t *testing.T, dc *DataChannel) {
	t.Helper()
	for end := time.Now().Add(10 * time.Minute); !dc.IsOpen(); pause(time.Millisecond) {
		require.True(t, time.Now().Before(end), "channel %s is not open", dc.Label())
	}
}

// A channel on a stream whose earlier channel is not completely closed buffers its messages until
// then. The response to the reset of the earlier channel is not taken for one to its own, and it
// closes by a request of its own.
func TestChannelWaitsForTheResetOfTheEarlierOne(t *testing.T) {
	for _, closing := range []string{"later", "while it waits", "by the peer"} {
		t.Run(closing, func(t *testing.T) {
			inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				p := &w.pair
				_, first := p.connect("first", nil)
				stream := must(first.Stream())
				// b's reset of the stream is not answered, and a's is complete, as if a's response
				// were lost.
				p.b.lock()
				p.b.channels.stream(stream).resetting = true
				p.b.channels.remove(first)
				p.b.unlock()
				p.a.lock()
				p.a.channels.remove(p.a.channels.byStream[stream])
				p.a.unlock()

				accepted := make(chan *DataChannel, 1)
				p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
				second, err := p.a.CreateDataChannel("second", nil)
				require.NoError(t, err)
				require.Equal(t, stream, must(second.Stream()))
				opened(t, second)
				require.NoError(t, second.SendText("hello"))
				secondB := soon(t, accepted, "channel")
				require.True(t, secondB.IsOpen())
				require.NoError(t, secondB.SendText("welcome"))
				require.Equal(t, len("welcome"), secondB.BufferedAmount())
				switch closing {
				case "while it waits":
					require.NoError(t, secondB.Close())
				case "by the peer":
					require.NoError(t, second.Close())
				}
				pause(time.Second)
				require.Zero(t, second.AvailableAmount())
				require.Equal(t, "hello", string(must(secondB.Receive()).Data))
				require.Equal(t, closing != "by the peer", second.IsOpen(), "b cannot have reset the stream yet")

				p.b.lock()
				p.b.channels.onResetComplete(stream, nil) // the late response
				p.b.unlock()
				pause(time.Second)
				switch closing {
				case "later":
					require.True(t, second.IsOpen())
					require.True(t, secondB.IsOpen())
					require.Equal(t, "welcome", string(must(second.Receive()).Data))
					require.NoError(t, secondB.Close())
				case "while it waits":
					require.Equal(t, "welcome", string(must(second.Receive()).Data))
				}
				pause(time.Second)
				require.True(t, second.IsClosed())
				require.True(t, secondB.IsClosed())
				require.Empty(t, p.a.channels.streams)
				require.Empty(t, p.b.channels.streams)
			})
		})
	}
}

// A late reset by the peer belongs to the earlier channel.
func TestLateResetBelongsToTheEarlierChannel(t *testing.T) {
	inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		first, firstB := w.connect("first", &DataChannelInit{ManualStream: true, Stream: 7})
		w.b.lock()
		firstB.resetting = true // does not reset its side
		w.b.unlock()
		require.NoError(t, first.Close())
		pause(time.Second)
		require.True(t, first.IsClosed())
		w.a.lock()
		require.True(t, w.a.channels.streams[7].peerOpen)
		w.a.unlock()
		// Messages that the peer still sends on the earlier channel do not belong to the new one.
		second, err := w.a.CreateDataChannel("second", &DataChannelInit{ManualStream: true, Stream: 7, Negotiated: true})
		require.NoError(t, err)
		// The peer resets.
		w.b.lock()
		firstB.resetting = false
		firstB.reset()
		w.b.unlock()
		pause(time.Second)
		require.True(t, second.IsOpen())
		require.True(t, firstB.IsClosed())
		secondB, err := w.b.CreateDataChannel("second", &DataChannelInit{ManualStream: true, Stream: 7, Negotiated: true})
		require.NoError(t, err)
		for i, dc := range []*DataChannel{second, secondB} {
			other := []*DataChannel{secondB, second}[i]
			require.NoError(t, dc.SendText("x"))
			pause(time.Second)
			require.Equal(t, "x", string(must(other.Receive()).Data))
		}
		require.NoError(t, secondB.Close())
		pause(time.Second)
		require.True(t, second.IsClosed(), "the reset belongs to the second channel")
	})
}

// A stream that the peer never resets is used again after a time, when no other is free. Until then
// the error states the reason.
func TestPeerThatNeverResets(t *testing.T) {
	inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		w.b.OnDataChannel(func(dc *DataChannel) {
			w.b.lock()
			dc.resetting = true
			w.b.unlock()
		})
		pause(time.Second)
		w.a.mu.Lock()
		w.a.channels.maxStream = 5
		w.a.mu.Unlock()
		open := func() (*DataChannel, error) { return w.a.CreateDataChannel("x", nil) }
		for range 3 { // streams 0, 2 and 4
			dc, err := open()
			require.NoError(t, err)
			pause(time.Second)
			require.NoError(t, dc.Close())
			pause(time.Second)
			require.True(t, dc.IsClosed())
		}
		_, err := open()
		require.ErrorIs(t, err, ErrFailure)
		require.ErrorContains(t, err, "3 of them because the peer has not closed its side")
		pause(streamReuseDelay)
		dc, err := open()
		require.NoError(t, err)
		require.EqualValues(t, 0, must(dc.Stream()), "the one that has waited longest")
	})
}

// Both programs create a negotiated channel, one of them a moment later. Messages that arrive
// before are kept for it, for a limited time and up to a limited size.
func TestNegotiatedChannelCreatedLater(t *testing.T) {
	negotiated := &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 10}
	run := func(name string, f func(t *testing.T, w *world, dc *DataChannel)) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				dc, err := w.a.CreateDataChannel("x", negotiated)
				require.NoError(t, err)
				pause(time.Second)
				require.True(t, dc.IsOpen())
				f(t, w, dc)
			})
		})
	}
	run("in time", func(t *testing.T, w *world, dc *DataChannel) {
		for i := range 100 {
			require.NoError(t, dc.SendText(fmt.Sprint(i)))
		}
		pause(maxEarlyTime - time.Second)
		other, err := w.b.CreateDataChannel("x", negotiated)
		require.NoError(t, err)
		require.NoError(t, dc.SendText("100"))
		pause(time.Second)
		for i := range 101 {
			require.Equal(t, fmt.Sprint(i), string(must(other.Receive()).Data))
		}
		require.NoError(t, other.SendText("back"))
		pause(5 * time.Second)
		require.Equal(t, "back", string(must(dc.Receive()).Data))
		require.True(t, other.IsOpen())
	})
	run("closed meanwhile", func(t *testing.T, w *world, dc *DataChannel) {
		require.NoError(t, dc.SendText("all that there is"))
		require.NoError(t, dc.Close())
		pause(time.Second)
		other, err := w.b.CreateDataChannel("x", negotiated)
		require.NoError(t, err)
		pause(time.Second)
		require.True(t, other.IsClosed())
		require.Equal(t, "all that there is", string(must(other.Receive()).Data))
		require.True(t, dc.IsClosed())
		require.Empty(t, w.b.channels.streams)
	})
	run("too late", func(t *testing.T, w *world, dc *DataChannel) {
		require.NoError(t, dc.SendText("x"))
		pause(maxEarlyTime + time.Second)
		require.True(t, dc.IsClosed(), "the peer has refused the stream")
		require.Zero(t, w.b.Stats().SCTP.Held)
		require.Empty(t, w.b.channels.streams)
		// The stream can be used again.
		again, other := w.connect("again", &DataChannelInit{ManualStream: true, Stream: 10})
		require.NoError(t, again.SendText("x"))
		pause(time.Second)
		require.Equal(t, "x", string(must(other.Receive()).Data))
	})
	run("too much", func(t *testing.T, w *world, dc *DataChannel) {
		for range 30 {
			require.NoError(t, dc.Send(make([]byte, 10_000)))
		}
		pause(time.Second)
		require.True(t, dc.IsClosed())
		require.Zero(t, w.b.Stats().SCTP.Held)
		require.Zero(t, w.b.channels.earlyBytes)
	})
	run("in the callback of the connection", func(t *testing.T, w *world, dc *DataChannel) {
		// The state callback of this side is set and called after the messages of the peer have
		// arrived.
		require.NoError(t, dc.SendText("first"))
		pause(time.Second)
		got := make(chan string, 1)
		w.b.OnStateChange(func(State) {
			other, err := w.b.CreateDataChannel("x", negotiated)
			require.NoError(t, err)
			other.OnMessage(func(m Message) { got <- string(m.Data) })
		})
		require.Equal(t, "first", soon(t, got, "message"))
	})
}

// RFC 8832, section 6: two channels that both sides open on one stream are an error of the
// programs. Both channels fail, and nothing else is affected.
func TestBothSidesOpenTheSameStream(t *testing.T) {
	for _, negotiated := range []bool{false, true} {
		t.Run(fmt.Sprint("negotiated by one: ", negotiated), func(t *testing.T) {
			inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				for _, pc := range []*PeerConnection{w.a, w.b} {
					pc.OnDataChannel(func(dc *DataChannel) {
						if dc.Label() != "again" {
							t.Errorf("channel %q", dc.Label())
						}
					})
				}
				pause(time.Second)
				var ends [2]*DataChannel
				var logs [2]recorder
				for i, pc := range []*PeerConnection{w.a, w.b} {
					dc, err := pc.CreateDataChannel("mine", &DataChannelInit{ManualStream: true, Stream: 9, Negotiated: negotiated && i == 0})
					require.NoError(t, err)
					dc.OnError(func(err error) { logs[i].add(err.Error()) })
					dc.OnClosed(func() { logs[i].add("closed") })
					dc.OnMessage(func(m Message) { logs[i].add("message " + string(m.Data)) })
					require.NoError(t, dc.SendText("for my own channel"))
					ends[i] = dc
				}
				pause(10 * time.Second)
				for i := range ends {
					got := logs[i].all()
					for len(got) > 0 && strings.HasPrefix(got[0], "message") {
						require.True(t, negotiated && i == 1, "messages of the other side's channel are not delivered: %v", got)
						got = got[1:]
					}
					require.Len(t, got, 2, "%v", got)
					require.Regexp(t, "opened by both sides|refused", got[0])
					require.Equal(t, "closed", got[1])
				}
				require.Equal(t, StateConnected, w.a.State())
				require.Equal(t, StateConnected, w.b.State())
				require.Empty(t, w.a.channels.streams)
				require.Empty(t, w.b.channels.streams)
				again, err := w.a.CreateDataChannel("again", &DataChannelInit{ManualStream: true, Stream: 9})
				require.NoError(t, err)
				pause(time.Second)
				require.True(t, again.IsOpen())
				require.Equal(t, 1, w.b.Stats().Channels)
			})
		})
	}
}

// The label and the protocol count in the size of a message that the peer accepts. An OPEN message
// that is larger than the maximum message size of the receiver does not end the connection.
func TestLongNamesAndSmallMessages(t *testing.T) {
	inSimulation(t, 1, place{b: Configuration{MaxMessageSize: 1000}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		long, err := p.a.CreateDataChannel(strings.Repeat("x", 989), nil)
		require.NoError(t, err)
		failed := make(chan error, 1)
		long.OnError(func(err error) { failed <- err })
		err = receive(t, failed, "error")
		require.ErrorIs(t, err, ErrFailure)
		require.ErrorContains(t, err, "opening it takes a message of 1001 bytes, the peer accepts 1000")
		require.True(t, long.IsClosed())
		p.connect(strings.Repeat("x", 988), nil)

		// This peer ignores the limit.
		accepted := make(chan *DataChannel, 1)
		p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		open, err := dcep.Open{Label: strings.Repeat("l", 65535), Protocol: strings.Repeat("p", 65535)}.Append(nil)
		require.NoError(t, err)
		require.Len(t, open, dcep.MaxMessageSize)
		p.inject(501, dcep.PPIDDCEP, string(open))
		require.Len(t, receive(t, accepted, "channel").Label(), 65535)
		require.Equal(t, "still there", string(exchange(t, a, b, Message{Data: []byte("still there")}).Data))

		// The limit applies to other messages.
		p.inject(must(a.Stream()), dcep.PPIDBinary, strings.Repeat("x", 1001))
		eventually(t, "the end", func() bool { return p.b.State() == StateFailed && p.a.State() == StateClosed })
	})
}

// The size of the names of all channels that a peer has opened is limited.
func TestNamesAreBounded(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		pause(time.Second)
		n := maxNameBytes / 50_000
		var refused, open []*DataChannel
		for range n + 5 {
			dc, err := w.a.CreateDataChannel(strings.Repeat("x", 50_000), nil)
			require.NoError(t, err)
			pause(100 * time.Millisecond)
			if dc.IsOpen() {
				open = append(open, dc)
			} else {
				refused = append(refused, dc)
			}
		}
		require.Len(t, open, n)
		require.Len(t, refused, 5)
		var failure error
		refused[0].OnError(func(err error) { failure = err })
		synctest.Wait()
		require.ErrorContains(t, failure, "the peer refused it")
		// Channels that the program has not received yet count, too, even when they are closed.
		require.NoError(t, open[0].Close())
		pause(time.Second)
		require.NotZero(t, w.b.channels.nameBytes)
		w.b.OnDataChannel(func(*DataChannel) {})
		for _, dc := range open {
			require.NoError(t, dc.Close())
		}
		pause(time.Second)
		require.Zero(t, w.b.channels.nameBytes)
		dc, err := w.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		pause(time.Second)
		require.True(t, dc.IsOpen())
	})
}

// A stream may be used again while the program has not read the last messages of its earlier
// channel.
func TestStreamsAreReusedWhileTheReaderLags(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		const n = 30
		enter, leave := make(chan struct{}), make(chan struct{})
		var got recorder
		w.b.OnDataChannel(func(dc *DataChannel) {
			dc.OnMessage(func(m Message) { got.add(dc.Label() + " " + string(m.Data)) })
			dc.OnClosed(func() { got.add(dc.Label() + " closed") })
			if dc.Label() == "0" {
				close(enter)
				<-leave // the program is busy
			}
		})
		pause(time.Second)
		var want []string
		for i := range n {
			dc, err := w.a.CreateDataChannel(fmt.Sprint(i), nil)
			require.NoError(t, err)
			require.EqualValues(t, 0, must(dc.Stream()))
			for j := range 100 {
				require.NoError(t, dc.SendText(fmt.Sprint(j)))
				want = append(want, fmt.Sprintf("%d %d", i, j))
			}
			want = append(want, fmt.Sprintf("%d closed", i))
			require.NoError(t, dc.Close())
			pause(time.Second)
			require.True(t, dc.IsClosed())
		}
		<-enter
		close(leave)
		pause(time.Second)
		require.Equal(t, want, got.all())
	})
}

// A peer without RFC 6525 cannot close its side. It may nevertheless open another channel on the
// stream.
func TestPeerThatOpensWithoutReset(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		first, firstB := w.connect("first", nil)
		stream := must(first.Stream())
		w.a.lock()
		first.resetting = true // does not reset its side
		w.a.unlock()
		require.NoError(t, firstB.Close())
		pause(time.Second)
		require.True(t, firstB.IsClosed())
		accepted := make(chan *DataChannel, 1)
		w.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		open, err := dcep.Open{Label: "second"}.Append(nil)
		require.NoError(t, err)
		w.a.lock()
		require.NoError(t, w.a.transport.sctp.Send(w.a.now, stream, dcep.PPIDDCEP, open, sctp.SendOptions{}))
		require.NoError(t, w.a.transport.sctp.Send(w.a.now, stream, dcep.PPIDString, []byte("x"), sctp.SendOptions{}))
		w.a.unlock()
		dc := soon(t, accepted, "channel")
		pause(time.Second)
		require.Equal(t, "second", dc.Label())
		require.Equal(t, "x", string(must(dc.Receive()).Data))
	})
}
