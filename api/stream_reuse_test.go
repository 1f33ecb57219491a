package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// RFC 8831, section 6.7: "Streams are available for reuse after a reset has been performed." These
// tests check that a channel receives nothing that belongs to an earlier channel on its stream, on
// either side, however the two overlap.

var negotiated10 = &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 10}

// negotiate creates one side of the negotiated channel on stream 10.
func negotiate(t *testing.T, pc *PeerConnection) (*DataChannel, *recorder) {
	t.Helper()
	dc, err := pc.CreateDataChannel("x", negotiated10)
	require.NoError(t, err)
	got := new(recorder)
	dc.OnMessage(func(m Message) { got.add(string(m.Data)) })
	return dc, got
}

func inPlainWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, 1, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		pause(time.Second)
		f(t, w)
		pause(time.Minute)
		for _, pc := range []*PeerConnection{w.a, w.b} {
			require.Empty(t, pc.channels.streams)
			require.Zero(t, pc.channels.earlyBytes)
			require.Zero(t, pc.channels.unread.charged)
			require.Zero(t, pc.Stats().SCTP.Held)
		}
	})
}

// wantBothWork checks that messages pass between both sides of the negotiated channel, and closes
// it.
func wantBothWork(t *testing.T, a, b *DataChannel, gotA, gotB *recorder) {
	t.Helper()
	pause(time.Second)
	require.NoError(t, a.SendText("to b"))
	require.NoError(t, b.SendText("to a"))
	pause(time.Second)
	require.Equal(t, []string{"to b"}, gotB.all())
	require.Equal(t, []string{"to a"}, gotA.all())
	require.True(t, a.IsOpen())
	require.True(t, b.IsOpen())
	require.NoError(t, b.Close())
	pause(time.Second)
	require.True(t, a.IsClosed())
	require.True(t, b.IsClosed())
}

// Only one side creates the channel, and nothing is sent on it.
func TestChannelThatOnlyOneSideHad(t *testing.T) {
	for _, later := range []time.Duration{time.Second, 10 * time.Minute} {
		inPlainWorld(t, func(t *testing.T, w *world) {
			dc, _ := negotiate(t, w.a)
			pause(time.Second)
			require.NoError(t, dc.Close())
			pause(later)
			require.True(t, dc.IsClosed())
			require.Empty(t, w.a.channels.streams, "the peer has reset its side, too")
			b, gotB := negotiate(t, w.b)
			require.NoError(t, b.SendText("early"))
			pause(100 * time.Millisecond)
			a, gotA := negotiate(t, w.a)
			pause(time.Second)
			require.Equal(t, []string{"early"}, gotA.all())
			gotA.lines = nil
			wantBothWork(t, a, b, gotA, gotB)
		})
	}
}

// A channel opens, carries a message and closes before the other side creates its own. That one
// receives nothing of it.
func TestChannelThatClosedBeforeThePeerCreatedItsOwn(t *testing.T) {
	inPlainWorld(t, func(t *testing.T, w *world) {
		dc, _ := negotiate(t, w.a)
		pause(time.Second)
		require.NoError(t, dc.SendText("first channel"))
		require.NoError(t, dc.Close())
		pause(10 * time.Second)
		require.True(t, dc.IsClosed())
		require.Empty(t, w.b.channels.streams)
		a, gotA := negotiate(t, w.a)
		b, gotB := negotiate(t, w.b)
		wantBothWork(t, a, b, gotA, gotB)
	})
}

// Two channels use the stream before the other side has one. Its channel belongs to the second.
func TestTwoChannelsBeforeThePeerCreatedItsOwn(t *testing.T) {
	for _, open := range []bool{false, true} {
		inPlainWorld(t, func(t *testing.T, w *world) {
			dc, _ := negotiate(t, w.a)
			pause(time.Second)
			require.NoError(t, dc.SendText("first channel"))
			require.NoError(t, dc.Close())
			pause(time.Second)
			var b *DataChannel
			gotB := new(recorder)
			w.b.OnDataChannel(func(dc *DataChannel) {
				b = dc
				dc.OnMessage(func(m Message) { gotB.add(string(m.Data)) })
			})
			a, err := w.a.CreateDataChannel("x", &DataChannelInit{Negotiated: !open, ManualStream: true, Stream: 10})
			require.NoError(t, err)
			gotA := new(recorder)
			a.OnMessage(func(m Message) { gotA.add(string(m.Data)) })
			opened(t, a)
			require.NoError(t, a.SendText("second channel"))
			pause(100 * time.Millisecond)
			if !open {
				b, gotB = negotiate(t, w.b)
			}
			pause(time.Second)
			require.Equal(t, []string{"second channel"}, gotB.all())
			gotB.lines = nil
			wantBothWork(t, a, b, gotA, gotB)
		})
	}
}

// A channel is created again when it closes, while the last messages of the peer and its reset are
// still under way.
func TestChannelCreatedAgainInOnClosed(t *testing.T) {
	inPlainWorld(t, func(t *testing.T, w *world) {
		a, _ := negotiate(t, w.a)
		b, _ := negotiate(t, w.b)
		pause(time.Second)
		var again *DataChannel
		var got *recorder
		a.OnClosed(func() { again, got = negotiate(t, w.a) })
		for range 100 {
			require.NoError(t, b.Send(make([]byte, 10_000)))
		}
		require.NoError(t, a.Close())
		pause(5 * time.Second)
		require.True(t, b.IsClosed())
		require.True(t, again.IsOpen(), "the reset belonged to the earlier channel")
		require.Empty(t, got.all(), "the messages belonged to it, too")
		b, gotB := negotiate(t, w.b)
		wantBothWork(t, again, b, got, gotB)
	})
}

// The same under loss, with channels that are announced to the peer: an acknowledgement of the
// earlier channel does not count for the later one.
func TestManualStreamsReopenUnderLoss(t *testing.T) {
	inPlainWorld(t, func(t *testing.T, w *world) {
		init := &DataChannelInit{ManualStream: true, Stream: 10}
		for range 60 {
			w.losing(func(bool) bool { return w.loss.Float64() < 0.15 })
			a, err := w.a.CreateDataChannel("x", init)
			require.NoError(t, err)
			var again *DataChannel
			a.OnClosed(func() {
				again, err = w.a.CreateDataChannel("x", init)
				require.NoError(t, err)
			})
			pause(10 * time.Millisecond)
			require.NoError(t, a.Close())
			pause(30 * time.Second)
			w.losing(nothing)
			pause(time.Minute)
			require.True(t, again.IsOpen())
			require.NoError(t, again.Close())
			pause(time.Minute)
		}
	})
}

// The memory for messages that arrive after the close is bounded over all channels.
func TestLateMessagesAreBounded(t *testing.T) {
	inWorld(t, 1, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		pause(time.Second)
		w.b.OnDataChannel(func(dc *DataChannel) { _ = dc.Close() })
		for range 60 {
			dc, err := w.a.CreateDataChannel("x", nil)
			require.NoError(t, err)
			pause(15 * time.Millisecond)
			for range 60 {
				_ = dc.Send(make([]byte, 16<<10))
			}
			pause(2 * time.Second)
			require.True(t, dc.IsClosed())
			require.LessOrEqual(t, w.b.channels.unread.retained, maxRetained)
		}
		require.Greater(t, w.b.channels.unread.retained, maxRetained/2, "the bound is approached")
		require.Zero(t, w.b.Stats().SCTP.Held)
	})
}

// The parts of a message that the peer has split count in the receive window, while they are
// collected and when the message is complete.
func TestPartsAreCounted(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		_, b := w.connect("x", nil)
		send := func(ppid uint32, size int) {
			w.a.lock()
			defer w.a.unlock()
			err := w.a.transport.sctp.Send(w.a.now, uint16(b.stream), ppid, make([]byte, size), sctp.SendOptions{})
			if err != nil {
				require.ErrorIs(t, err, sctp.ErrSendBufferFull)
			}
		}
		for range 100 {
			send(dcep.PPIDBinaryPartial, 50_000)
			send(dcep.PPIDBinaryPartial, 50_000)
			send(dcep.PPIDBinary, 1)
			pause(100 * time.Millisecond)
		}
		require.Less(t, b.AvailableAmount(), 3*sctp.InitialBuffer, "the sender is held back")
		require.Positive(t, b.AvailableAmount())
		n := 0
		for received := time.Now(); time.Since(received) < 5*time.Second; pause(time.Millisecond) {
			if m, err := b.Receive(); err == nil {
				require.NotEmpty(t, m.Data)
				n, received = n+1, time.Now()
			}
		}
		require.Greater(t, n, 10)
		b.OnMessage(func(Message) {})
		for range 100 { // more than the maximum message size
			send(dcep.PPIDBinaryPartial, 50_000)
			pause(10 * time.Millisecond)
		}
		pause(time.Second)
		require.Less(t, w.b.channels.unread.charged, 2*DefaultMaxMessageSize)
		require.NoError(t, b.Close())
		pause(time.Second)
		require.Zero(t, w.b.channels.unread.charged)
		require.Zero(t, w.b.Stats().SCTP.Held)
	})
}

// The receive window grows for a channel that is read as soon as there is one, even if the first
// channel is not read.
func TestWindowGrowsInTime(t *testing.T) {
	for name, size := range map[string]int{"large messages": 16 << 10, "small messages": 1000} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				stuck, _ := w.connect("stuck", nil)
				for range 5 << 20 / size {
					require.NoError(t, stuck.Send(make([]byte, size)))
				}
				pause(time.Minute)
				a, _ := negotiate(t, w.a)
				b, _ := negotiate(t, w.b)
				echo(b)
				a.OnMessage(nil)
				opened(t, a)
				alive(t, a, 10*time.Second) // the peer rarely probes a window that has been closed for long
				for range 20 {
					alive(t, a, time.Second)
				}
			})
		})
	}
}

// A message whose lifetime has ended is removed from the channel, even if the message that opens
// the channel waits before it.
func TestExpiryOfMessagesAfterTheOpenMessage(t *testing.T) {
	inWorld(t, 1, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		reliable, _ := w.connect("x", nil)
		w.losing(everything)
		fillWith(t, reliable, 4<<20)
		dc, err := w.a.CreateDataChannel("timed", &DataChannelInit{Reliability: Reliability{Unreliable: true, MaxPacketLifeTime: 200}})
		require.NoError(t, err)
		fillWith(t, dc, 1<<20)
		require.Equal(t, 1<<20, dc.BufferedAmount())
		pause(300 * time.Millisecond)
		require.Zero(t, dc.BufferedAmount())
		w.losing(nothing)
		pause(10 * time.Second)
		require.True(t, dc.IsOpen())
		require.Equal(t, 2, w.b.Stats().Channels)
	})
}

// The events that a channel had before the program received it are delivered before those that
// happened in OnDataChannel.
func TestEventsOfAChannelDuringOnDataChannel(t *testing.T) {
	inWorld(t, 1, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, err := w.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		opened(t, a)
		require.NoError(t, a.SendText("one"))
		pause(time.Second)
		var got recorder
		w.b.OnDataChannel(func(dc *DataChannel) {
			dc.OnOpen(func() { got.add("open") })
			dc.OnMessage(func(m Message) { got.add("message") })
			dc.OnClosed(func() { got.add("closed") })
			_ = a.Close()
			time.Sleep(time.Second)
		})
		pause(10 * time.Second)
		require.Equal(t, []string{"open", "message", "closed"}, got.all())
	})
}
