package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sdp"
)

// requireSum fails unless the connection's count is the sum of those of its channels.
func requireSum(t *testing.T, pc *PeerConnection, channels ...*DataChannel) {
	t.Helper()
	var sum uint64
	for _, dc := range channels {
		sum += dc.BytesAcknowledged()
	}
	require.Equal(t, sum, pc.Stats().BytesAcknowledged)
}

// The count follows the acknowledgements of the peer, over a path that loses packets, and ends at
// the number of bytes sent.
func TestBytesAcknowledged(t *testing.T) {
	inWorld(t, 1, 50*time.Millisecond, 0.02, withCUBIC(), withCUBIC(), func(t *testing.T, w *world) {
		a, b := w.connect("x", &DataChannelInit{Protocol: "protocol"})
		received := counted(b)
		pause(time.Second)
		require.Zero(t, a.BytesAcknowledged(), "the OPEN message does not count")
		const count, size = 100, 30_000
		for range count {
			require.NoError(t, a.Send(make([]byte, size)))
		}
		require.Zero(t, a.BytesAcknowledged())
		last, steps := uint64(0), 0
		for last < count*size {
			pause(10 * time.Millisecond)
			n := a.BytesAcknowledged()
			require.GreaterOrEqual(t, n, last)
			require.LessOrEqual(t, n, uint64(received.Load()+int64(w.b.Stats().SCTP.Held)))
			if n > last {
				steps++
			}
			last = n
			requireSum(t, w.a, a)
		}
		require.EqualValues(t, count*size, a.BytesAcknowledged())
		require.Greater(t, steps, 10)

		require.NoError(t, b.SendText("the other direction"))
		require.NoError(t, b.Send(nil))
		pause(time.Second)
		require.EqualValues(t, 19, b.BytesAcknowledged())
		require.EqualValues(t, 19, b.Stats().BytesSent)
		requireSum(t, w.b, b)
	})
}

// The count of a channel stays when it closes, and the next channel on its stream begins at zero.
func TestBytesAcknowledgedOfAStreamUsedAgain(t *testing.T) {
	for _, unfinished := range []bool{false, true} {
		inWorld(t, 2, 20*time.Millisecond, 0.02, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
			init := &DataChannelInit{ManualStream: true, Stream: 10}
			var all []*DataChannel
			for i := range 4 {
				a, b := w.connect("x", init)
				counted(b)
				size := 10_000 * (i + 1)
				require.NoError(t, a.Send(make([]byte, size)))
				if !unfinished {
					pause(5 * time.Second)
				}
				require.NoError(t, a.Close()) // the message is acknowledged before the end
				pause(10 * time.Second)
				require.EqualValues(t, size, a.BytesAcknowledged(), i)
				all = append(all, a)
				requireSum(t, w.a, all...)
			}
			require.NoError(t, w.a.Shutdown(t.Context()))
			for i, a := range all {
				require.EqualValues(t, 10_000*(i+1), a.BytesAcknowledged())
			}
			requireSum(t, w.a, all...)
		})
	}
}

// When the peer closes a channel, when the connection ends at once, and when the path is lost, the
// count remains at the number of acknowledged bytes.
func TestBytesAcknowledgedAtTheEnd(t *testing.T) {
	ends := map[string]func(t *testing.T, w *world, b *DataChannel) (want uint64){
		"the peer closes the channel": func(t *testing.T, w *world, b *DataChannel) uint64 {
			w.losing(nothing)
			require.NoError(t, b.Close())
			pause(10 * time.Second)
			return 5700 // the peer's association has received them, its program has not
		},
		"the peer ends the connection": func(t *testing.T, w *world, _ *DataChannel) uint64 {
			w.losing(func(toB bool) bool { return toB })
			require.NoError(t, w.b.CloseAndWait())
			pause(time.Second)
			require.Equal(t, StateClosed, w.a.State())
			return 5000
		},
		"this side ends the connection": func(t *testing.T, w *world, _ *DataChannel) uint64 {
			require.NoError(t, w.a.CloseAndWait())
			return 5000
		},
		"the peer is given up": func(t *testing.T, w *world, _ *DataChannel) uint64 {
			require.Error(t, w.a.Shutdown(t.Context()))
			return 5000
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				a, b := w.connect("x", nil)
				counted(b)
				require.NoError(t, a.Send(make([]byte, 5000)))
				pause(5 * time.Second)
				w.losing(everything)
				require.NoError(t, a.Send(make([]byte, 700)))
				pause(100 * time.Millisecond)
				require.EqualValues(t, 5000, a.BytesAcknowledged())
				require.Equal(t, end(t, w, b), a.BytesAcknowledged())
				requireSum(t, w.a, a)
			})
		})
	}
}

// Abandoned messages of an unreliable channel are not acknowledged.
func TestBytesAcknowledgedOfAnUnreliableChannel(t *testing.T) {
	inWorld(t, 4, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, b := w.connect("x", &DataChannelInit{Reliability: Reliability{Unordered: true, Unreliable: true}})
		received := counted(b)
		require.NoError(t, a.Send(make([]byte, 100)))
		pause(time.Second)
		w.losing(everything)
		require.NoError(t, a.Send(make([]byte, 20)))
		pause(5 * time.Second)
		w.losing(nothing)
		require.NoError(t, a.Send(make([]byte, 3)))
		pause(10 * time.Second)
		require.EqualValues(t, 103, a.BytesAcknowledged())
		require.EqualValues(t, 103, received.Load())
		require.EqualValues(t, 123, a.Stats().BytesSent)
		require.NoError(t, a.Close())
		pause(10 * time.Second)
		require.EqualValues(t, 103, a.BytesAcknowledged())
		requireSum(t, w.a, a)
	})
}

// A peer denies to reset a stream. The next channel on it starts from the count of the earlier one,
// and does not count that one's unacknowledged bytes.
func TestBytesAcknowledgedAfterADeniedReset(t *testing.T) {
	for _, suspended := range []bool{false, true} {
		inWorld(t, 5, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
			init := &DataChannelInit{ManualStream: true, Stream: 10, Negotiated: true}
			pause(time.Second)
			a, err := w.a.CreateDataChannel("x", init)
			require.NoError(t, err)
			b, err := w.b.CreateDataChannel("x", init)
			require.NoError(t, err)
			counted(b)
			require.NoError(t, a.Send(make([]byte, 1000)))
			pause(time.Second)
			require.NoError(t, a.Send(make([]byte, 200)))

			w.a.lock()
			w.a.channels.stream(10).resetting = true
			a.resetting = true
			a.settleWhenSent()
			if suspended {
				w.a.channels.remove(a)
			} else {
				w.a.channels.onResetComplete(10, failuref("denied"))
			}
			w.a.unlock()
			again, err := w.a.CreateDataChannel("again", init)
			require.NoError(t, err)
			require.NoError(t, again.Send(make([]byte, 30)))
			require.Zero(t, again.BytesAcknowledged())
			if suspended {
				pause(time.Second)
				w.a.lock()
				w.a.channels.onResetComplete(10, failuref("denied"))
				w.a.unlock()
				require.Zero(t, again.BytesAcknowledged())
			}
			pause(time.Second)
			require.EqualValues(t, 30, again.BytesAcknowledged())
			require.EqualValues(t, 1000, a.BytesAcknowledged())
			requireSum(t, w.a, a, again)
		})
	}
}

// A new association on the same streams does not change the counts of the channels before it.
func TestBytesAcknowledgedOfAReplacedAssociation(t *testing.T) {
	inWorld(t, 6, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, b := w.connect("x", nil)
		counted(b)
		require.NoError(t, a.Send(make([]byte, 1000)))
		pause(time.Second)
		w.a.lock()
		w.a.channels.replaced(errReplaced)
		require.NoError(t, w.a.transport.startSCTP(sdp.DefaultSCTPPort))
		w.a.unlock()
		require.EqualValues(t, 1000, a.BytesAcknowledged())
		requireSum(t, w.a, a)
	})
}
