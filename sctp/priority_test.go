package sctp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 7496, section 3.2: messages of lower priority are dropped in favour of messages of higher
// priority.
func TestLessImportantMessagesMakeRoom(t *testing.T) {
	p := newMemoryPipe(t, Config{MTU: 1200, MaxSendBuffer: 100_000})
	p.a.cc = newNewReno(1200, 1<<20)
	send := func(rank uint32, expendable bool, size int) error {
		return p.a.Send(p.now, 1, 53, payload(nil, 1, rank, size), SendOptions{UsePriority: expendable, Priority: rank})
	}
	for i := range uint32(4) {
		require.NoError(t, send(10+i, true, 20_000))
	}
	require.NoError(t, send(1000, false, 20_000)) // without the policy, whatever its priority
	// The buffer is full: a message that is not more important than others is refused, and so is
	// one without the policy.
	require.ErrorIs(t, send(13, true, 20_000), ErrSendBufferFull)
	require.ErrorIs(t, send(0, false, 20_000), ErrSendBufferFull)
	require.ErrorIs(t, send(12, true, 30_000), ErrSendBufferFull) // 13 alone is not enough, nothing is dropped
	require.Zero(t, p.a.Stats().MessagesAbandoned)
	// The least important message is dropped first.
	require.NoError(t, send(5, true, 20_000))
	require.NoError(t, send(6, true, 40_000))
	require.EqualValues(t, 3, p.a.Stats().MessagesAbandoned)

	var got []uint32
	for range 20 {
		p.now = p.now.Add(50_000)
		for {
			packet, ok := p.a.Transmit(p.now, nil)
			if !ok {
				break
			}
			p.b.Receive(p.now, packet)
		}
		for {
			m, ok := p.b.ReadMessage()
			if !ok {
				break
			}
			_, rank := checkPayload(t, m.Data)
			got = append(got, rank)
			p.b.Release(p.now, &m)
		}
		p.move(p.b, p.a)
	}
	require.Equal(t, []uint32{10, 1000, 5, 6}, got)
	require.Zero(t, p.a.BufferedAmount())
	require.Zero(t, p.a.send.prioritized)
}
