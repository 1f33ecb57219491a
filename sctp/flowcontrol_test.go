package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 6.2: received data lowers the a_rwnd, and data that the reader has taken raises
// it again.
func TestWindowFollowsTheReader(t *testing.T) {
	const window = 10_000
	s := established(t, Config{MaxReceiveWindow: window, MaxMessageSize: 2000})
	text := strings.Repeat("x", 1000)
	tsn := uint32(peerTSN)
	for previous := uint32(window); previous > 0; previous = s.window {
		s.receive(data(tsn, 0, uint16(tsn-peerTSN), "BEI", text))
		s.want(fmt.Sprintf("SACK %d", tsn))
		require.Less(t, s.window, previous)
		tsn++
	}
	require.LessOrEqual(t, tsn, uint32(peerTSN+10))

	// ReadMessage does not raise it: the memory is in use until Release.
	m, ok := s.a.ReadMessage()
	require.True(t, ok)
	s.drain()
	s.want()
	// The room of a single message is not advertised at once (silly window syndrome).
	s.a.Release(s.now, &m)
	s.a.Release(s.now, &m) // twice: no effect
	s.drain()
	s.want()
	held := s.a.Stats().Held
	// A quarter of the window is.
	for range 2 {
		m, ok = s.a.ReadMessage()
		require.True(t, ok)
		s.a.Release(s.now, &m)
	}
	s.drain()
	s.want(fmt.Sprintf("SACK %d", tsn-1))
	require.Greater(t, s.window, uint32(window/4-200))
	require.Less(t, s.a.Stats().Held, held)

	// The update is lost; the window probe of the peer finds the window open.
	s.receive(data(tsn, 0, uint16(tsn-peerTSN), "BE", text))
	s.wait(DefaultSACKDelay)
	s.want(fmt.Sprintf("SACK %d", tsn))
	require.NotZero(t, s.window)
	for {
		m, ok := s.a.ReadMessage()
		if !ok {
			break
		}
		s.a.Release(s.now, &m)
	}
	require.Zero(t, s.a.Stats().Held)
	s.drain()
	s.take()
	s.receive(data(tsn+1, 0, uint16(tsn+1-peerTSN), "BEI", "x"))
	s.want(fmt.Sprintf("SACK %d", tsn+1))
	require.Greater(t, s.window, uint32(window-200))
}

// RFC 9260, section 6.2: with a closed window, new DATA above the highest TSN is dropped and
// answered by a SACK. Data of a peer that ignores the window is bounded by a multiple of it.
func TestPeerIgnoresTheWindow(t *testing.T) {
	const window = 10_000
	s := established(t, Config{MaxReceiveWindow: window, MaxMessageSize: 2000})
	text := strings.Repeat("x", 1000)
	for i := range uint32(100) {
		s.receive(data(peerTSN+i, 0, uint16(i), "BE", text))
		require.LessOrEqual(t, s.a.Stats().Held, 3*window)
	}
	require.NotZero(t, s.a.Stats().ChunksNoRoom)
	require.Zero(t, s.window)
	s.take()
	cum := s.a.recv.cum
	s.receive(data(cum+1, 0, uint16(cum+1-peerTSN), "BE", text))
	s.want(fmt.Sprintf("SACK %d", cum))
	// Data that arrived is delivered, and dropped data accepted when there is room.
	var want []string
	for range cum + 1 - peerTSN {
		want = append(want, "0:"+text)
	}
	s.wantMessages(want...)
	s.take()
	s.receive(data(cum+1, 0, uint16(cum+1-peerTSN), "BEI", "next"))
	s.wantMessages("0:next")
}

// A window full of data that waits for one missing chunk: that chunk must be accepted, or nothing
// could ever be read.
func TestFullWindowTakesTheMissingChunk(t *testing.T) {
	s := established(t, Config{MaxReceiveWindow: 10_000, MaxMessageSize: 2000})
	text := strings.Repeat("x", 1000)
	i := uint16(1)
	for ; s.a.Stats().ChunksNoRoom == 0; i++ {
		s.receive(data(peerTSN+uint32(i), 0, i, "BE", text))
	}
	s.take()
	s.receive(data(peerTSN, 0, 0, "BE", text))
	s.wait(DefaultSACKDelay)
	lines, _ := s.take()
	require.Equal(t, []string{fmt.Sprintf("SACK %d", peerTSN+uint32(i)-2)}, lines)
	n := 0
	for m, ok := s.a.ReadMessage(); ok; m, ok = s.a.ReadMessage() {
		s.a.Release(s.now, &m)
		n++
	}
	require.EqualValues(t, i-1, n)
}

// RFC 9260, section 6.1, A: no new data is sent into a closed window, except one chunk in flight as
// a window probe.
func TestZeroWindowProbe(t *testing.T) {
	s := established(t, Config{MaxRetransmits: 3})
	s.send(0, "a")
	s.want(`DATA 1000 s0 ssn0 BE "a"`)
	s.send(0, "b")
	s.want(`DATA 1001 s0 ssn1 BE "b"`)
	s.wait(rtt)
	s.receive(sackWindow(1000, 0))
	s.send(0, "c")
	s.want() // b is in flight
	s.receive(sackWindow(1001, 0))
	s.want(`DATA 1002 s0 ssn2 BE "c"`)
	s.send(0, "d")
	s.want()

	// RFC 9260, section 6.1, A: window probes that are answered do not increase the error counter.
	// The interval grows.
	var last time.Duration
	for range 20 {
		d := s.waitDeadline()
		for len(s.sent) == 0 { // a timer that stood for something else
			d += s.waitDeadline()
		}
		lines, _ := s.take()
		require.Len(t, lines, 1)
		require.Contains(t, lines[0], "DATA 1002 s0 ssn2")
		require.GreaterOrEqual(t, d, min(last, 59*time.Second))
		last = d
		s.receive(sackWindow(1001, 0))
		s.want()
		s.wantEvents()
	}
	require.Greater(t, last, 30*time.Second)
	// A closed window is not congestion, but the path was idle (RFC 9260, section 7.2.1).
	require.Equal(t, 4*DefaultMTU, s.a.cc.window())
	// The window opens, and data is sent.
	s.receive(sackWindow(1001, 1<<20))
	lines, _ := s.take()
	require.Equal(t, `DATA 1003 s0 ssn3 BE "d"`, lines[len(lines)-1])
	s.wait(rtt)
	s.receive(sack(1003))
	s.wantAlive()

	// A peer that does not answer at all is unreachable.
	s = established(t, Config{MaxRetransmits: 3})
	s.receive(sackWindow(999, 0))
	s.send(0, "a")
	s.wait(10 * time.Minute)
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())
}

// RFC 9260, section 6.1: a chunk is not fragmented to the size of a small window while others are
// in flight (silly window syndrome avoidance).
func TestWindowForWholeChunks(t *testing.T) {
	s := established(t, Config{MTU: 1192})
	s.send(0, "a")
	s.receive(sackWindow(1000, 2000))
	s.take()
	s.send(0, strings.Repeat("x", 1164*3))
	s.want("DATA 1001 s0 ssn1 B (1164)")
	s.receive(sackWindow(1001, 2328))
	s.want("DATA 1002 s0 ssn1  (1164)", "DATA 1003 s0 ssn1 E (1164)")
}

// EventWritable follows ErrSendBufferFull once there is room, and only then.
func TestSendTooLarge(t *testing.T) {
	t.Parallel() // the memory is large, and may have to be zeroed
	s := established(t, Config{})
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, make([]byte, MaxBuffer+1), SendOptions{}), ErrMessageTooLarge)
}

func TestSendBuffer(t *testing.T) {
	s := established(t, Config{MaxSendBuffer: 3000})
	text := strings.Repeat("x", 1000)
	for range 3 {
		s.send(0, text)
	}
	require.Equal(t, 3000, s.a.BufferedAmount())
	s.wantEvents()
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrSendBufferFull)
	s.wait(rtt)
	s.receive(sack(1000))
	s.wantEvents("writable") // nothing waits to be sent, and there is room for an eighth of the buffer
	s.receive(sack(1001))
	s.wantEvents()
	s.receive(sack(1002))
	s.wantEvents()
	require.Zero(t, s.a.BufferedAmount())
	// A larger message is taken when nothing else is buffered.
	s.send(0, strings.Repeat("x", 5000))
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrSendBufferFull)

	require.ErrorIs(t, s.a.Send(s.now, 0, 51, nil, SendOptions{}), ErrMessageEmpty)
	require.ErrorIs(t, s.a.Send(s.now, 1024, 51, []byte("x"), SendOptions{}), ErrInvalidStream)
}
