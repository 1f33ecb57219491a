package rtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// At most 1024 messages wait. Then the WebSocket reads nothing more, TCP slows the peer down, and
// nothing is lost.
func TestWebSocketBackpressure(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, size, filled int
	}{
		{"messages", 20000, 2000, 0},
		{"small messages", 20000, 10, maxPendingMessages * 10},
		{"bytes", 200, 100_000, (maxPendingBytes + 99_999) / 100_000 * 100_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := webSocketPair(t, webSocketTuning{})
			message := make([]byte, c.size)
			for i := range c.n {
				binary.BigEndian.PutUint32(message, uint32(i))
				require.NoError(t, a.Send(message)) // buffered, never refused, never blocking
			}
			if c.filled > 0 {
				eventually(t, "the queue is full", func() bool { return b.AvailableAmount() == c.filled })
			}
			time.Sleep(20 * time.Millisecond)
			b.mu.Lock()
			require.LessOrEqual(t, b.inbox.len(), maxPendingMessages)
			require.Less(t, b.inbox.bytes, maxPendingBytes+c.size)
			b.mu.Unlock()
			for i := range c.n {
				m := next(t, b)
				require.EqualValues(t, i, binary.BigEndian.Uint32(m.Data))
				require.Len(t, m.Data, c.size)
			}
			eventually(t, "nothing is buffered", func() bool { return a.BufferedAmount() == 0 && b.AvailableAmount() == 0 })
		})
	}
}

func TestWebSocketBufferedAmountLow(t *testing.T) {
	client, peer := silentPeer(t, webSocketTuning{})
	low := make(chan int, 1000)
	client.SetBufferedAmountLowThreshold(500_000)
	fillSocket(t, client)
	require.Greater(t, client.BufferedAmount(), 500_000)
	client.OnBufferedAmountLow(nil) // the first message may have crossed the threshold alone
	client.OnBufferedAmountLow(func() { low <- client.BufferedAmount() })
	require.Empty(t, low, "above the threshold")
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	require.LessOrEqual(t, receive(t, low, "low callback"), 500_000)
	eventually(t, "nothing is buffered", func() bool { return client.BufferedAmount() == 0 })
	require.Empty(t, low, "once for each time that the threshold is crossed")
}

// A slow callback slows the peer down and does not fill the memory; closing works meanwhile.
func TestWebSocketSlowCallback(t *testing.T) {
	a, b := webSocketPair(t, webSocketTuning{closeTimeout: 100 * time.Millisecond})
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	var got int
	b.OnMessage(func(Message) {
		if got++; got == 1 {
			close(entered)
			<-leave
		}
	})
	for range 10000 {
		require.NoError(t, a.Send(make([]byte, 2000)))
	}
	receive(t, entered, "message")
	eventually(t, "the peer is held up", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.inbox.bytes+len(b.channel.batch)*2000 >= maxPendingBytes
	})
	end := watch(a)
	require.NoError(t, b.Close())
	receive(t, end.closed, "closed callback of the peer")
}

func TestWebSocketMessageCallbackClearedAndSet(t *testing.T) {
	a, b := webSocketPair(t, webSocketTuning{})
	var r recorder
	b.OnMessage(func(m Message) {
		r.add("first " + string(m.Data))
		b.OnMessage(nil)
	})
	for _, text := range []string{"1", "2", "3"} {
		require.NoError(t, a.SendText(text))
	}
	eventually(t, "the first", func() bool { return len(r.all()) == 1 })
	require.Equal(t, "2", string(next(t, b).Data))
	b.OnMessage(func(m Message) { r.add("second " + string(m.Data)) })
	eventually(t, "the rest", func() bool { return len(r.all()) == 2 })
	require.Equal(t, []string{"first 1", "second 3"}, r.all())
}

func TestWebSocketReadAndWriteMessage(t *testing.T) {
	a, b := webSocketPair(t, webSocketTuning{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const n = 300
	go func() {
		for i := range n {
			if a.WriteMessage(ctx, Message{Data: bytes.Repeat([]byte{byte(i)}, 20000)}) != nil {
				return
			}
		}
	}()
	for i := range n {
		m, err := b.ReadMessage(ctx)
		require.NoError(t, err)
		require.Equal(t, byte(i), m.Data[0])
		require.LessOrEqual(t, a.BufferedAmount(), writeHighWater+20000)
	}
	expired, cancel := context.WithCancel(ctx)
	cancel()
	_, err := b.ReadMessage(expired)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWebSocketNetConn(t *testing.T) {
	a, b := webSocketPair(t, webSocketTuning{})
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 13)
	}
	go func() {
		_, _ = a.NetConn().Write(data)
		_ = a.Close()
	}()
	got, err := io.ReadAll(b.NetConn())
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

// An echo of a small message needs no allocation on either side, callbacks included.
func TestWebSocketEchoDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	client, server := webSocketPair(t, webSocketTuning{})
	server.OnMessage(func(m Message) { _ = server.Send(m.Data) })
	answered := make(chan struct{}, 1)
	client.OnMessage(func(Message) { answered <- struct{}{} })
	message := make([]byte, 1000)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = client.Send(message)
		<-answered
	}))
}
