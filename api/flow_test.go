package rtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sctp"
)

// Messages that the program does not read fill the receive window, which then does not grow. The
// peer stops sending, and nothing is lost.
func TestBackpressure(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		const n, size = 60000, 100
		message := make([]byte, size)
		for i := range n {
			binary.BigEndian.PutUint32(message, uint32(i))
			require.NoError(t, a.Send(message)) // buffered, never refused
		}
		eventually(t, "the sender has stopped", func() bool {
			before := a.BufferedAmount()
			time.Sleep(20 * time.Millisecond)
			return a.BufferedAmount() == before
		})
		require.Positive(t, a.BufferedAmount())
		held := p.b.Stats().SCTP.Held
		require.Less(t, held, 2*sctp.InitialBuffer+10_000, "bytes and overhead")
		require.Equal(t, held/(size+messageOverhead)*size, b.AvailableAmount(), "all of it can be read")
		require.Equal(t, StateConnected, p.a.State())

		for i := range n {
			m := next(t, b)
			require.EqualValues(t, i, binary.BigEndian.Uint32(m.Data))
		}
		require.Zero(t, b.AvailableAmount())
		eventually(t, "nothing is buffered", func() bool { return a.BufferedAmount() == 0 })
	})
}

func TestClosingWhileThePeerDoesNotRead(t *testing.T) {
	for _, who := range []string{"reader's channel", "reader", "reader and wait", "sender and wait", "sender's channel"} {
		t.Run(who, func(t *testing.T) {
			inSimulation(t, 1, place{tune: tuning{closeLinger: 50 * time.Millisecond}}, func(t *testing.T, p *simulation) {
				a, b := p.connect("x", nil)
				other, otherB := p.connect("other", nil)
				for range 4000 {
					require.NoError(t, a.Send(make([]byte, 2000)))
				}
				eventually(t, "the queue is full", func() bool { return b.AvailableAmount() > 400_000 && a.BufferedAmount() > 0 })
				switch who {
				case "reader's channel":
					require.NoError(t, b.Close())
					eventually(t, "closed", func() bool { return a.IsClosed() && b.IsClosed() })
					// The other channel works again.
					require.Equal(t, "x", string(exchange(t, other, otherB, Message{Data: []byte("x")}).Data))
					require.Equal(t, 2000, len(next(t, b).Data), "what was pending can still be read")
				case "sender's channel":
					require.NoError(t, a.Close())
					require.True(t, a.IsClosed())
					for range 4000 {
						next(t, b)
					}
					eventually(t, "closed", b.IsClosed)
				case "reader":
					require.NoError(t, p.b.Close())
					eventually(t, "closed", func() bool { return p.b.State() == StateClosed && p.a.State() == StateClosed })
				case "reader and wait":
					require.NoError(t, p.b.CloseAndWait())
					eventually(t, "closed", func() bool { return p.a.State() == StateClosed })
				case "sender and wait":
					require.NoError(t, p.a.CloseAndWait())
					eventually(t, "closed", func() bool { return p.b.State() == StateClosed })
				}
			})
		})
	}
}

func TestBufferedAmountLow(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		var lows atomic.Int32
		var at atomic.Int64
		low := func() { lows.Add(1); at.Store(int64(a.BufferedAmount())) }
		a.OnBufferedAmountLow(low)
		require.NoError(t, a.Send([]byte("x"))) // the association accepts it at once: the threshold is not crossed
		require.Zero(t, a.BufferedAmount())
		next(t, b)
		idle(t, p.a)
		require.Zero(t, lows.Load())

		for range 4000 {
			require.NoError(t, a.Send(make([]byte, 2000)))
		}
		eventually(t, "the queue is full", func() bool {
			before := a.BufferedAmount()
			time.Sleep(10 * time.Millisecond)
			return before == a.BufferedAmount()
		})
		require.Greater(t, a.BufferedAmount(), 1_000_000)
		a.OnBufferedAmountLow(nil)
		lows.Store(0)
		a.OnBufferedAmountLow(low)
		a.SetBufferedAmountLowThreshold(1_000_000)
		idle(t, p.a)
		require.Zero(t, lows.Load())
		a.SetBufferedAmountLowThreshold(100_000_000) // a change of the threshold alone calls nothing
		idle(t, p.a)
		require.Zero(t, lows.Load())
		a.SetBufferedAmountLowThreshold(1_000_000)
		b.OnMessage(func(Message) {})
		eventually(t, "buffered amount low", func() bool { return lows.Load() == 1 })
		require.LessOrEqual(t, at.Load(), int64(1_000_000))
		eventually(t, "nothing is buffered", func() bool { return a.BufferedAmount() == 0 })
		idle(t, p.a)
		require.EqualValues(t, 1, lows.Load())
	})
}

func TestReceiveInto(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		_, err := b.Receive()
		require.ErrorIs(t, err, ErrNotAvailable)
		_, _, err = b.ReceiveInto(nil)
		require.ErrorIs(t, err, ErrNotAvailable)
		require.NoError(t, a.SendText("12345"))
		eventually(t, "message", func() bool { return b.AvailableAmount() == 5 })
		n, isText, err := b.ReceiveInto(make([]byte, 4))
		require.ErrorIs(t, err, ErrTooSmall)
		require.Equal(t, 5, n)
		require.True(t, isText)
		buf := make([]byte, 9)
		n, isText, err = b.ReceiveInto(buf)
		require.NoError(t, err)
		require.True(t, isText)
		require.Equal(t, "12345", string(buf[:n]))

		// No message is pending while OnMessage is set.
		got := make(chan struct{}, 1)
		b.OnMessage(func(Message) {
			require.Zero(t, b.AvailableAmount())
			_, err := b.Receive()
			require.ErrorIs(t, err, ErrNotAvailable)
			got <- struct{}{}
		})
		require.NoError(t, a.SendText("x"))
		receive(t, got, "message")
	})
}

func TestReadAndWriteMessage(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err := b.ReadMessage(ctx)
		require.ErrorIs(t, err, ErrFailure)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		go func() { _ = a.WriteMessage(t.Context(), Message{Data: []byte("hello"), IsText: true}) }()
		m, err := b.ReadMessage(t.Context())
		require.NoError(t, err)
		require.Equal(t, Message{Data: []byte("hello"), IsText: true}, m)
		require.ErrorIs(t, a.WriteMessage(t.Context(), Message{Data: make([]byte, 1<<20)}), ErrInvalid)

		// Write blocks while too much is buffered.
		ctx, cancel = context.WithCancel(t.Context())
		written := 0
		go func() {
			eventually(t, "the writer blocks", func() bool { return a.BufferedAmount() > writeHighWater })
			cancel()
		}()
		for err = nil; err == nil; {
			if err = a.WriteMessage(ctx, Message{Data: make([]byte, 50_000)}); err == nil {
				written++
			}
		}
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, a.BufferedAmount(), writeHighWater+50_000)
		go func() {
			for range written + 1 { // including the one that waits for this
				_, _ = b.ReadMessage(t.Context())
			}
			_ = b.Close()
		}()
		require.NoError(t, a.WriteMessage(t.Context(), Message{Data: []byte("x")}), "it goes on when there is room")
		_, err = a.ReadMessage(t.Context())
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, a.WriteMessage(t.Context(), Message{}), ErrFailure)
	})
}

func TestNetConn(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		from, to := a.NetConn(), b.NetConn()
		data := make([]byte, 3_000_000)
		for i := range data {
			data[i] = byte(i * 7 >> 3)
		}
		go func() {
			n, err := from.Write(data)
			if n != len(data) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
		}()
		got := make([]byte, len(data))
		_, err := io.ReadFull(to, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))

		require.NoError(t, to.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		_, err = to.Read(got)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = to.Read(got)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "until it is moved")
		require.NoError(t, to.SetReadDeadline(time.Time{}))
		require.NoError(t, from.SetWriteDeadline(time.Now().Add(-time.Second)))
		_, err = from.Write(data)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, from.SetDeadline(time.Now().Add(time.Hour)))
		_, err = from.Write([]byte("end"))
		require.NoError(t, err)
		n, err := to.Read(got)
		require.NoError(t, err)
		require.Equal(t, "end", string(got[:n]))

		require.NoError(t, from.Close())
		_, err = to.Read(got)
		require.ErrorIs(t, err, io.EOF)
		_, err = from.Write([]byte("x"))
		require.True(t, errors.Is(err, io.ErrClosedPipe), "%v", err)
		require.Equal(t, "webrtc", to.LocalAddr().Network())
		require.Equal(t, "webrtc", to.RemoteAddr().String())
	})
}
