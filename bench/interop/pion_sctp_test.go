package interop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	pionlog "github.com/pion/logging"
	pionsctp "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// sctpSession has our association and pion's, connected by a lossy pipe.
type sctpSession struct {
	t    *testing.T
	ours *sctpEnd
	pion *pionsctp.Association
	from chan *pionsctp.Stream // pion's ends of the streams on which our messages have arrived
}

// sctpRole selects the sides that send INIT.
type sctpRole string

const (
	bothConnect sctpRole = "both connect" // as in WebRTC
	weConnect   sctpRole = "we connect"
	pionConnect sctpRole = "pion connects"
)

// mild is the network of tests that are not about losses.
var mild = lossyNetwork{loss: 0.01, duplicate: 0.01, reorder: 0.02}

func newSCTPSession(t *testing.T, role sctpRole, network lossyNetwork, options ...pionsctp.AssociationOption) *sctpSession {
	return newConfiguredSCTPSession(t, role, network, sctp.Config{}, options...)
}

func newConfiguredSCTPSession(
	t *testing.T, role sctpRole, network lossyNetwork, config sctp.Config, options ...pionsctp.AssociationOption,
) *sctpSession {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %#x", seed)
	ourEnd, theirEnd := newLossyPipe(seed, network)
	s := &sctpSession{t: t, ours: newSCTPEnd(t, ourEnd, config), from: make(chan *pionsctp.Stream, 1024)}
	options = append([]pionsctp.AssociationOption{
		pionsctp.WithNetConn(theirEnd),
		pionsctp.WithLoggerFactory(pionlog.NewDefaultLoggerFactory()),
		pionsctp.WithMaxMessageSize(1 << 20),
	}, options...)
	type result struct {
		a   *pionsctp.Association
		err error
	}
	connected := make(chan result, 1)
	go func() {
		var r result
		if role == weConnect {
			server := make([]pionsctp.ServerOption, len(options))
			for i, o := range options {
				server[i] = o
			}
			r.a, r.err = pionsctp.ServerWithOptions(server...)
		} else {
			client := make([]pionsctp.ClientOption, len(options))
			for i, o := range options {
				client[i] = o
			}
			r.a, r.err = pionsctp.ClientWithOptions(client...)
		}
		connected <- r
	}()
	t.Cleanup(func() { _ = theirEnd.Close() })
	if role != pionConnect {
		s.ours.input(s.ours.a.Connect)
	}
	s.ours.event("we connect", sctp.EventConnected)
	r := next(t, connected, "pion connects")
	require.NoError(t, r.err)
	s.pion = r.a
	go func() {
		for {
			stream, err := s.pion.AcceptStream()
			if err != nil {
				close(s.from)
				return
			}
			s.from <- stream
		}
	}()
	return s
}

// openPion opens a stream at pion, before any message has arrived on it, and returns pion's end.
func (s *sctpSession) openPion(id uint16) *pionsctp.Stream {
	stream, err := s.pion.OpenStream(id, pionsctp.PayloadTypeWebRTCBinary)
	require.NoError(s.t, err)
	require.NoError(s.t, stream.SetReadDeadline(time.Now().Add(pionBulkTime)))
	return stream
}

// acceptPion waits for a message of ours on a new stream, and returns pion's end of the stream.
func (s *sctpSession) acceptPion() *pionsctp.Stream {
	s.t.Helper()
	stream := next(s.t, s.from, "a new stream at pion")
	require.NotNil(s.t, stream, "pion's association ended")
	require.NoError(s.t, stream.SetReadDeadline(time.Now().Add(pionBulkTime)))
	return stream
}

// writePion names the payload type in each message. The default of a stream does not last: pion
// resets it when a message of the peer arrives, also when that message is already accepted.
func writePion(stream *pionsctp.Stream, message []byte) (int, error) {
	return stream.WriteSCTP(message, pionsctp.PayloadTypeWebRTCBinary)
}

func readPion(t *testing.T, stream *pionsctp.Stream) []byte {
	t.Helper()
	buf := make([]byte, 1<<20)
	n, ppid, err := stream.ReadSCTP(buf)
	require.NoError(t, err, "pion reads stream %d", stream.StreamIdentifier())
	require.Equal(t, ppidBinary, uint32(ppid))
	return buf[:n]
}

func TestPionSCTPHandshake(t *testing.T) {
	for _, role := range []sctpRole{bothConnect, weConnect, pionConnect} {
		for name, option := range map[string]pionsctp.AssociationOption{
			"default":         pionsctp.WithName("pion"),
			"zero checksum":   pionsctp.WithEnableZeroChecksum(true),
			"no interleaving": pionsctp.WithEnableInterleaving(false),
			"small packets":   pionsctp.WithMTU(600),
		} {
			t.Run(string(role)+", "+name, func(t *testing.T) {
				s := newSCTPSession(t, role, lossyNetwork{}, option)
				s.ours.send(7, []byte("from us"), sctp.SendOptions{})
				stream := s.acceptPion()
				require.Equal(t, uint16(7), stream.StreamIdentifier())
				require.Equal(t, "from us", string(readPion(t, stream)))
				big := noise(1, 100_000)
				_, err := writePion(stream, big)
				require.NoError(t, err)
				m := s.ours.next("pion's message")
				require.Equal(t, big, m.Data)
				require.Equal(t, ppidBinary, m.PPID)
				require.Equal(t, uint16(7), m.Stream)
				s.ours.send(7, big, sctp.SendOptions{})
				require.Equal(t, big, readPion(t, stream))
			})
		}
	}
}

// bulkSCTP is the number of bytes that each side sends in TestPionSCTPBulk.
const bulkSCTP = 8 << 20

// Both sides send as fast as possible at the same time, over networks that lose, duplicate and reorder packets.
func TestPionSCTPBulk(t *testing.T) {
	for _, row := range []struct {
		name    string
		network lossyNetwork
	}{
		{"perfect", lossyNetwork{}},
		{"mild", mild},
		{"reordering", lossyNetwork{reorder: 0.2}},
		{"bad", lossyNetwork{loss: 0.03, duplicate: 0.03, reorder: 0.05}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSCTPSession(t, bothConnect, row.network)
			total, size := bulkSCTP, 32<<10
			if race.Enabled {
				total /= 4
			}
			start := time.Now()
			stream := s.openPion(1)
			theirSum := make(chan []byte, 2)
			go func() {
				h := sha256.New()
				for i := range total / size {
					b := noise(uint64(i), size)
					h.Write(b)
					for s.pion.BufferedAmount() > 1<<20 {
						time.Sleep(time.Millisecond)
					}
					if _, err := stream.Write(b); err != nil {
						t.Errorf("send from pion: %v", err)
						break
					}
				}
				theirSum <- h.Sum(nil)
			}()
			atPion := make(chan []byte, 1)
			go func() {
				h, buf := sha256.New(), make([]byte, size)
				for range total / size {
					n, err := stream.Read(buf)
					if err != nil {
						t.Errorf("receive at pion: %v", err)
						break
					}
					h.Write(buf[:n])
				}
				atPion <- h.Sum(nil)
			}()
			ours, atOurs := sha256.New(), sha256.New()
			for i := range total / size {
				b := noise(uint64(i)+1<<32, size)
				ours.Write(b)
				s.ours.send(1, b, sctp.SendOptions{})
			}
			for range total / size {
				atOurs.Write(s.ours.next("pion's bulk").Data)
			}
			require.Equal(t, next(t, theirSum, "pion's hash"), atOurs.Sum(nil))
			require.Equal(t, ours.Sum(nil), next(t, atPion, "the hash at pion"))
			s.ours.mu.Lock()
			stats := s.ours.a.Stats()
			s.ours.mu.Unlock()
			t.Logf("%.1f MB/s each way; %d retransmissions, %d timeouts, SRTT %v",
				float64(total)/1e6/time.Since(start).Seconds(), stats.Retransmissions, stats.Timeouts, stats.SRTT)
		})
	}
}

// Two hundred ordered streams, with messages of one chunk and of several.
func TestPionSCTPManyStreams(t *testing.T) {
	for _, interleaving := range []bool{false, true} {
		t.Run(fmt.Sprintf("interleaving %v", interleaving), func(t *testing.T) {
			testPionSCTPManyStreams(t, pionsctp.WithEnableInterleaving(interleaving))
		})
	}
}

func testPionSCTPManyStreams(t *testing.T, option pionsctp.AssociationOption) {
	s := newSCTPSession(t, bothConnect, mild, option)
	const streams, messages = 200, 10
	sizes := [messages]int{1, 5000, 100, 1200, 20_000, 3, 1100, 2400, 40, 8000}
	numbered := func(stream, i int) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(stream<<16|i)), noise(uint64(stream), sizes[i])...)
	}
	var opened [streams]*pionsctp.Stream
	var reading sync.WaitGroup
	for id := range streams {
		opened[id] = s.openPion(uint16(id))
		reading.Go(func() {
			buf := make([]byte, 1<<16)
			for i := range messages {
				n, err := opened[id].Read(buf)
				if err != nil || !bytes.Equal(buf[:n], numbered(id, i)) {
					t.Errorf("message %d of stream %d at pion: %d bytes, %v", i, id, n, err)
					return
				}
			}
		})
	}
	go func() {
		for i := range messages {
			for id, stream := range opened {
				if _, err := stream.Write(numbered(id, i)); err != nil {
					t.Errorf("send from pion on stream %d: %v", id, err)
				}
			}
		}
	}()
	for i := range messages {
		for id := range streams {
			s.ours.send(uint16(id), numbered(id, i), sctp.SendOptions{})
		}
	}
	var seen [streams]int
	for range streams * messages {
		m := s.ours.next("all messages of pion")
		require.Equal(t, numbered(int(m.Stream), seen[m.Stream]), m.Data)
		seen[m.Stream]++
	}
	reading.Wait()
}

// RFC 3758: abandoned messages are skipped. All others arrive complete, those of an ordered stream in order.
func TestPionSCTPPartialReliability(t *testing.T) {
	rexmit, timed := pionsctp.ReliabilityTypeRexmit, pionsctp.ReliabilityTypeTimed
	for _, row := range []struct {
		name    string
		ours    sctp.SendOptions
		pion    byte
		value   uint32
		ordered bool
	}{
		{"ordered, no retransmission", sctp.SendOptions{LimitRetransmits: true}, rexmit, 0, true},
		{"unordered, no retransmission", sctp.SendOptions{LimitRetransmits: true, Unordered: true}, rexmit, 0, false},
		{"ordered, one retransmission", sctp.SendOptions{LimitRetransmits: true, MaxRetransmits: 1}, rexmit, 1, true},
		{"ordered, 5 ms", sctp.SendOptions{Lifetime: 5 * time.Millisecond}, timed, 5, true},
		{"unordered, 5 ms", sctp.SendOptions{Lifetime: 5 * time.Millisecond, Unordered: true}, timed, 5, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, interleaving := range []bool{false, true} {
				t.Run(fmt.Sprintf("interleaving %v", interleaving), func(t *testing.T) {
					s := newSCTPSession(t, bothConnect, lossyNetwork{loss: 0.05, reorder: 0.02},
						pionsctp.WithEnableInterleaving(interleaving))
					const messages, stream, last = 120, 3, "the last message, which is reliable"
					size := func(i int) int { return []int{100, 3000, 1, 10_000}[i%4] }
					numbered := func(i int) []byte {
						return append(binary.BigEndian.AppendUint32(nil, uint32(i)), noise(uint64(i), size(i))...)
					}
					check := func(who string, receive func() []byte) {
						var numbers []uint32
						seen := make(map[uint32]bool)
						for b := receive(); string(b) != last; b = receive() {
							require.GreaterOrEqual(t, len(b), 4)
							n := binary.BigEndian.Uint32(b)
							require.False(t, seen[n], "%s: message %d is a duplicate", who, n)
							require.Equal(t, numbered(int(n)), b, "%s: message %d", who, n)
							if row.ordered && len(numbers) > 0 {
								require.Greater(t, n, numbers[len(numbers)-1], "%s", who)
							}
							numbers, seen[n] = append(numbers, n), true
						}
						require.NotEmpty(t, numbers, "%s: nothing arrived", who)
						t.Logf("%s: %d of %d arrived", who, len(numbers), messages)
					}

					for i := range messages {
						s.ours.send(stream, numbered(i), row.ours)
						if i%10 == 9 {
							time.Sleep(time.Millisecond)
						}
					}
					s.ours.until("all messages are acknowledged or abandoned", func() bool { return s.ours.a.BufferedAmount() == 0 })
					s.ours.send(stream, []byte(last), sctp.SendOptions{})
					theirs := s.acceptPion()
					check("at pion", func() []byte { return readPion(t, theirs) })

					theirs.SetReliabilityParams(!row.ordered, row.pion, row.value)
					for i := range messages {
						_, err := writePion(theirs, numbered(i))
						require.NoError(t, err)
						if i%10 == 9 {
							time.Sleep(time.Millisecond)
						}
					}
					require.Eventually(t, func() bool { return s.pion.BufferedAmount() == 0 }, pionPatience, time.Millisecond)
					// On an unordered stream the last message is unordered, too, because pion's FORWARD-TSN would skip
					// an ordered one.
					theirs.SetReliabilityParams(!row.ordered, pionsctp.ReliabilityTypeReliable, 0)
					_, err := writePion(theirs, []byte(last))
					require.NoError(t, err)
					check("at our side", func() []byte {
						return s.ours.next("pion's messages, up to the reliable one").Data
					})
				})
			}
		})
	}
}

// RFC 6525: after both sides have reset a stream, its sequence numbers are 0 again.
func TestPionSCTPStreamReset(t *testing.T) {
	for _, byOurs := range []bool{true, false} {
		t.Run(fmt.Sprintf("we reset first %v", byOurs), func(t *testing.T) {
			s := newSCTPSession(t, bothConnect, mild)
			for round := range 5 {
				const messages = 50
				for i := range messages {
					s.ours.send(9, noise(uint64(i), 3000), sctp.SendOptions{})
				}
				stream := s.acceptPion()
				for i := range messages {
					_, err := writePion(stream, noise(uint64(i), 2000))
					require.NoError(t, err)
				}
				reset := func() {
					s.ours.input(func(now time.Time) { require.NoError(t, s.ours.a.ResetStream(now, 9)) })
				}
				if byOurs {
					reset()
				}
				for i := range messages {
					require.Equal(t, noise(uint64(i), 3000), readPion(t, stream), "round %d, message %d", round, i)
				}
				if byOurs {
					_, err := stream.Read(make([]byte, 10))
					require.ErrorIs(t, err, io.EOF)
				}
				for i := range messages {
					require.Equal(t, noise(uint64(i), 2000), s.ours.next("pion's message before the reset").Data)
				}
				require.NoError(t, stream.Close())
				require.Equal(t, uint16(9), s.ours.event("pion's reset", sctp.EventStreamReset).Stream)
				if !byOurs {
					reset()
					_, err := stream.Read(make([]byte, 10))
					require.ErrorIs(t, err, io.EOF)
				}
				require.NoError(t, s.ours.event("our reset is done", sctp.EventStreamResetComplete).Err)
				s.ours.send(9, []byte("x"), sctp.SendOptions{})
				again := s.acceptPion()
				require.Equal(t, "x", string(readPion(t, again)))
				// The stream is reset again for the next round.
				reset()
				_, err := again.Read(make([]byte, 10))
				require.ErrorIs(t, err, io.EOF)
				require.NoError(t, again.Close())
				s.ours.event("pion's second reset", sctp.EventStreamReset)
				require.NoError(t, s.ours.event("our second reset", sctp.EventStreamResetComplete).Err)
			}
		})
	}
}

func TestPionSCTPAbort(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		s := newSCTPSession(t, bothConnect, lossyNetwork{})
		s.ours.send(1, []byte("hello"), sctp.SendOptions{})
		stream := s.acceptPion()
		readPion(t, stream)
		s.ours.input(func(now time.Time) { s.ours.a.Abort(now, "enough") })
		_, err := stream.Read(make([]byte, 10))
		require.ErrorContains(t, err, "enough")
	})
	t.Run("pion's", func(t *testing.T) {
		s := newSCTPSession(t, bothConnect, lossyNetwork{})
		s.pion.Abort("enough")
		closed := s.ours.event("the end", sctp.EventClosed)
		var abort *sctp.AbortError
		require.ErrorAs(t, closed.Err, &abort)
		require.True(t, abort.Remote)
		require.Equal(t, sctp.CauseUserInitiatedAbort, abort.Code)
		require.Equal(t, "enough", abort.Reason)
	})
}

// All messages that were sent before SHUTDOWN arrive, also on a network that loses chunks of the shutdown.
func TestPionSCTPShutdown(t *testing.T) {
	for _, network := range []lossyNetwork{{}, mild} {
		t.Run(fmt.Sprintf("ours, %+v", network), func(t *testing.T) {
			s := newSCTPSession(t, bothConnect, network)
			const messages, size = 30, 20_000
			for i := range messages {
				s.ours.send(1, noise(uint64(i), size), sctp.SendOptions{})
			}
			s.ours.input(s.ours.a.Shutdown)
			stream := s.acceptPion()
			for i := range messages {
				require.Equal(t, noise(uint64(i), size), readPion(t, stream))
			}
			require.NoError(t, s.ours.event("the end", sctp.EventClosed).Err)
			_, err := stream.Read(make([]byte, 10))
			require.Error(t, err) // pion has closed its net.Conn
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		})
		t.Run(fmt.Sprintf("pion's, %+v", network), func(t *testing.T) {
			s := newSCTPSession(t, bothConnect, network)
			const messages, size = 30, 20_000
			stream := s.openPion(1)
			for i := range messages {
				_, err := writePion(stream, noise(uint64(i), size))
				require.NoError(t, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), pionPatience)
			defer cancel()
			shut := make(chan error, 1)
			go func() { shut <- s.pion.Shutdown(ctx) }()
			for i := range messages {
				require.Equal(t, noise(uint64(i), size), s.ours.next("pion's messages before its SHUTDOWN").Data)
			}
			require.NoError(t, s.ours.event("the end", sctp.EventClosed).Err)
			require.NoError(t, next(t, shut, "pion's Shutdown returns"))
		})
	}
}
