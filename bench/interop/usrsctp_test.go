package interop_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// bothKinds runs a test with DATA chunks and with I-DATA chunks.
func bothKinds(t *testing.T, f func(t *testing.T, interleaving bool)) {
	for _, interleaving := range []bool{false, true} {
		t.Run(fmt.Sprintf("interleaving %v", interleaving), func(t *testing.T) { f(t, interleaving) })
	}
}

func TestUsrsctpHandshake(t *testing.T) {
	program := buildUsrsctp(t)
	for _, role := range []usrsctpRole{usrsctpBothConnect, usrsctpAccepts, usrsctpConnects} {
		for _, row := range []struct {
			name    string
			options usrsctpOptions
		}{
			{"default", usrsctpOptions{}},
			{"interleaving", usrsctpOptions{interleaving: true}},
			{"small packets", usrsctpOptions{mtu: 600, config: sctp.Config{MTU: 572}}},
			{"bad network", usrsctpOptions{network: lossyNetwork{loss: 0.05, duplicate: 0.1, reorder: 0.1}}},
		} {
			t.Run(string(role)+", "+row.name, func(t *testing.T) {
				row.options.role = role
				s := newUsrsctpSession(t, program, row.options)
				s.ours.send(7, []byte("from us"), sctp.SendOptions{})
				require.Equal(t, expected(7, false, []byte("from us")), s.peer.next("our message"))
				s.usrsctpSends(8, 100_000, 1, 1)
				m := s.ours.next("usrsctp's message")
				require.Equal(t, usrsctpNoise(1, 100_000), m.Data)
				require.Equal(t, ppidBinary, m.PPID)
				require.Equal(t, uint16(8), m.Stream)
				require.False(t, m.Unordered)
				s.ours.send(8, m.Data, sctp.SendOptions{})
				require.Equal(t, expected(8, false, m.Data), s.peer.next("the echo"))
			})
		}
	}
}

// Both sides send at the same time, as fast as they can.
func TestUsrsctpBulk(t *testing.T) {
	program := buildUsrsctp(t)
	for _, network := range []struct {
		name string
		lossyNetwork
	}{
		{"perfect", lossyNetwork{}},
		{"mild", mild},
		{"bad", lossyNetwork{loss: 0.03, duplicate: 0.03, reorder: 0.05}},
	} {
		for _, size := range []int{1 << 10, 64 << 10} {
			for _, interleaving := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d KiB, interleaving %v", network.name, size>>10, interleaving), func(t *testing.T) {
					s := newUsrsctpSession(t, program, usrsctpOptions{network: network.lossyNetwork, interleaving: interleaving})
					count := 4 << 20 / size
					if race.Enabled {
						count /= 4
					}
					start := time.Now()
					s.usrsctpSends(1, size, 1000, count)
					for i := range count {
						s.ours.send(1, usrsctpNoise(uint64(i), size), sctp.SendOptions{})
					}
					for i := range count {
						require.True(t, bytes.Equal(usrsctpNoise(uint64(1000+i), size), s.ours.next("usrsctp's bulk").Data), "message %d", i)
					}
					for i := range count {
						require.Equal(t, expected(1, false, usrsctpNoise(uint64(i), size)), s.peer.next("our bulk"), "message %d", i)
					}
					s.peer.awaitLine("sent")
					s.ours.mu.Lock()
					stats := s.ours.a.Stats()
					s.ours.mu.Unlock()
					t.Logf("%.1f MB/s each way; %d retransmissions, %d timeouts, SRTT %v",
						float64(count*size)/1e6/time.Since(start).Seconds(), stats.Retransmissions, stats.Timeouts, stats.SRTT)
				})
			}
		}
	}
}

// Messages of one chunk and of many chunks arrive in order on each of two hundred streams.
func TestUsrsctpManyStreams(t *testing.T) {
	program := buildUsrsctp(t)
	bothKinds(t, func(t *testing.T, interleaving bool) {
		s := newUsrsctpSession(t, program, usrsctpOptions{network: mild, interleaving: interleaving})
		const streams = 200
		sizes := [...]int{1, 5000, 100, 1200, 20_000, 3, 1100, 2400, 40, 8000}
		seed := func(stream, i int) int { return stream<<8 | i }
		for i, size := range sizes {
			for id := range streams {
				s.usrsctpSends(uint16(id), size, seed(id, i), 1)
				s.ours.send(uint16(id), usrsctpNoise(uint64(seed(id, i)), size), sctp.SendOptions{})
			}
		}
		var atOurs, atTheirs [streams]int
		for range streams * len(sizes) {
			m := s.ours.next("all messages of usrsctp")
			i := atOurs[m.Stream]
			require.True(t, bytes.Equal(usrsctpNoise(uint64(seed(int(m.Stream), i)), sizes[i]), m.Data), "stream %d, message %d", m.Stream, i)
			atOurs[m.Stream]++
			n := s.peer.next("all our messages")
			i = atTheirs[n.stream]
			require.Equal(t, expected(n.stream, false, usrsctpNoise(uint64(seed(int(n.stream), i)), sizes[i])), n)
			atTheirs[n.stream]++
		}
	})
}

// Each unordered message arrives complete and exactly once.
func TestUsrsctpUnordered(t *testing.T) {
	program := buildUsrsctp(t)
	bothKinds(t, func(t *testing.T, interleaving bool) {
		s := newUsrsctpSession(t, program, usrsctpOptions{network: lossyNetwork{loss: 0.02, reorder: 0.05}, interleaving: interleaving})
		const count = 100
		sizes := [...]int{100, 3000, 1, 20_000}
		atOurs, atTheirs := make(map[usrsctpMessage]int), make(map[usrsctpMessage]int)
		for i := range count {
			size := sizes[i%len(sizes)]
			s.peer.sendCommand("send 3 %d %d 1 u 0", size, i)
			message := usrsctpNoise(uint64(i), size)
			s.ours.send(3, message, sctp.SendOptions{Unordered: true})
			atOurs[expected(3, true, message)]++ // two messages of one byte can be equal
			atTheirs[expected(3, true, message)]++
		}
		for range count {
			m := s.ours.next("usrsctp's messages")
			atOurs[expected(m.Stream, m.Unordered, m.Data)]--
			atTheirs[s.peer.next("our messages")]--
		}
		for m, n := range atOurs {
			require.Zero(t, n, "at our side: %+v", m)
		}
		for m, n := range atTheirs {
			require.Zero(t, n, "at usrsctp: %+v", m)
		}
	})
}

// With interleaving (RFC 8260) a small message does not wait for a large message that was sent before it on another stream.
func TestUsrsctpInterleaving(t *testing.T) {
	program := buildUsrsctp(t)
	const large = 900_000 // less than the send buffer
	s := newUsrsctpSession(t, program, usrsctpOptions{interleaving: true, config: sctp.Config{MaxMessageSize: large}})
	s.ours.input(func(now time.Time) {
		require.NoError(t, s.ours.a.Send(now, 1, ppidBinary, usrsctpNoise(1, large), sctp.SendOptions{}))
		require.NoError(t, s.ours.a.Send(now, 2, ppidBinary, []byte("small"), sctp.SendOptions{}))
	})
	require.Equal(t, expected(2, false, []byte("small")), s.peer.next("the small message"))
	require.Equal(t, expected(1, false, usrsctpNoise(1, large)), s.peer.next("the large message"))

	s.usrsctpSends(1, large, 2, 1)
	s.usrsctpSends(2, 10, 3, 1)
	require.Equal(t, usrsctpNoise(3, 10), s.ours.next("usrsctp's small message").Data)
	require.True(t, bytes.Equal(usrsctpNoise(2, large), s.ours.next("usrsctp's large message").Data))
}
