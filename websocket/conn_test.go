package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// onlyConn hides that a stream is a socket.
type onlyConn struct{ net.Conn }

// pairs runs a test over sockets, and over streams that are not.
func pairs(t *testing.T, client, server connConfig, test func(t *testing.T, client, server *Conn)) {
	t.Run("socket", func(t *testing.T) {
		c, s := tcpPair(t, client, server)
		test(t, c, s)
	})
	t.Run("stream", func(t *testing.T) {
		client.client = true
		c, s := tcpPair(t, client, server)
		test(t, newConn(onlyConn{c.stream}, client), newConn(onlyConn{s.stream}, server))
	})
}

// pattern returns n bytes that depend on their positions.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31 ^ byte(i>>16)*17
	}
	return b
}

func TestEcho(t *testing.T) {
	unlimited := connConfig{maxMessageSize: -1}
	pairs(t, unlimited, unlimited, func(t *testing.T, client, server *Conn) {
		go echo(server)
		var buf []byte
		for _, size := range []int{0, 1, 125, 126, minDirect, maxCopy, maxCopy + 1, socketBuffer, 65535, 65536, maxMaskedCopy + 1, 1 << 20, 5<<20 + 1} {
			message := pattern(size)
			written := make(chan error, 1)
			go func() { written <- client.Write(background(), MessageBinary, message) }()
			typ, got, err := client.ReadInto(background(), buf)
			require.NoError(t, err)
			require.NoError(t, <-written)
			require.Equal(t, MessageBinary, typ)
			require.True(t, bytes.Equal(message, got), "%d bytes", size)
			buf = got
		}
		require.Equal(t, pattern(5<<20+1), buf, "Write leaves what it writes as it was")
	})
}

// The messages of concurrent writers stay whole, and those of each in order.
func TestConcurrentWriters(t *testing.T) {
	const writers, messages = 8, 40
	pairs(t, connConfig{}, connConfig{}, func(t *testing.T, client, server *Conn) {
		for _, from := range []*Conn{client, server} {
			to := map[*Conn]*Conn{client: server, server: client}[from]
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range messages {
						message := pattern(i * (1 + w*150))
						message = append(message, byte(w), byte(i))
						var err error
						switch {
						case w == 0 && i%3 == 0:
							var writer io.WriteCloser
							if writer, err = from.Writer(background(), MessageBinary); err == nil {
								writer.Write(message[:len(message)/2])
								writer.Write(message[len(message)/2:])
								err = writer.Close()
							}
						case i%5 == 0:
							err = from.WriteBuffered(background(), MessageBinary, message)
						default:
							ctx, cancel := context.WithTimeout(background(), time.Minute)
							err = from.Write(ctx, MessageBinary, message)
							cancel()
						}
						if err != nil {
							t.Errorf("writer %d, message %d: %v", w, i, err)
							return
						}
					}
				})
			}
			var next [writers]byte
			for range writers * messages {
				_, message, err := to.Read(background())
				require.NoError(t, err)
				n := len(message) - 2
				w, i := message[n], message[n+1]
				require.Equal(t, next[w], i)
				require.True(t, bytes.Equal(pattern(int(i)*(1+int(w)*150)), message[:n]))
				next[w]++
			}
			wg.Wait()
		}
	})
}

// Two peers that only write, as long as the other reads, do not wait for each other.
func TestBothSidesWrite(t *testing.T) {
	pairs(t, connConfig{pingInterval: time.Millisecond}, connConfig{pingInterval: time.Millisecond}, func(t *testing.T, client, server *Conn) {
		var wg sync.WaitGroup
		for _, c := range []*Conn{client, server} {
			wg.Go(func() {
				for range 500 {
					if err := c.Write(background(), MessageBinary, make([]byte, 10<<10)); err != nil {
						t.Error(err)
						return
					}
				}
			})
			wg.Go(func() {
				var buf []byte
				for range 500 {
					_, message, err := c.ReadInto(background(), buf)
					if err != nil {
						t.Error(err)
						return
					}
					buf = message
				}
			})
		}
		wg.Wait()
	})
}

// An announced length costs no memory; the buffer grows with the bytes received.
func TestReadGrowsWithWhatArrives(t *testing.T) {
	const size = 1 << 20
	inScript(t, connConfig{maxMessageSize: size}, func(t *testing.T, s *script) {
		header := FrameHeader{Fin: true, Opcode: OpcodeBinary, PayloadLength: size, Masked: !s.conn.client}
		s.conn.in.mu.Lock()
		defer s.conn.in.mu.Unlock()
		var message []byte
		s.out <- AppendFrameHeader(nil, header)
		for range size / 1000 {
			s.out <- make([]byte, 1000)
		}
		s.out <- make([]byte, size%1000)
		for complete := false; !complete; {
			var err error
			message, complete, err = s.conn.receive(background(), message, len(s.conn.in.buf), true)
			require.NoError(t, err)
			require.LessOrEqual(t, cap(message), 3*len(message)+4*minGrow)
		}
		require.Len(t, message, size)
	})
}

func TestReaderAndWriter(t *testing.T) {
	for name, compression := range map[string]*compressionParams{"": nil, "compressed": {serverMaxWindowBits: 15, clientMaxWindowBits: 12}} {
		t.Run(name, func(t *testing.T) {
			cfg := connConfig{maxMessageSize: -1, compression: compression}
			pairs(t, cfg, cfg, func(t *testing.T, client, server *Conn) {
				for i, size := range []int{0, 1, 1000, writerBuffer, writerBuffer + 1, 300_000} {
					message := pattern(size)
					go func() {
						w, err := client.Writer(background(), MessageBinary)
						if err == nil {
							for p := message; len(p) > 0 && err == nil; {
								n := min(len(p), 1+i*3000)
								_, err = w.Write(p[:n])
								p = p[n:]
							}
							err = errors.Join(err, w.Close(), w.Close())
						}
						if err != nil {
							t.Error(err)
						}
					}()
					typ, r, err := server.Reader(background())
					require.NoError(t, err)
					require.Equal(t, MessageBinary, typ)
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.True(t, bytes.Equal(message, got), "%d bytes", size)
				}
			})
		})
	}
}

// The unread part of a message is skipped.
func TestReaderSkips(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		s.sends(0x01, "first")
		typ, r, err := s.conn.Reader(background())
		require.NoError(t, err)
		require.Equal(t, MessageText, typ)
		var b [2]byte
		n, err := r.Read(b[:])
		require.NoError(t, err)
		require.Equal(t, "fi", string(b[:n]))

		read := s.reads(background())
		require.False(t, read.now().done)
		s.sends(0x80, "more of it")
		s.sends(0x82, "second")
		require.Equal(t, result{"second", nil, true}, read.now())
		_, err = r.Read(b[:])
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// An io.Reader gets bytes as they come.
func TestReaderDoesNotWaitForTheMessage(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		s.sends(0x02, "ab")
		_, r, err := s.conn.Reader(background())
		require.NoError(t, err)
		var b [100]byte
		n, err := r.Read(b[:])
		require.NoError(t, err)
		require.Equal(t, "ab", string(b[:n]))
		s.sends(0x80, "c")
		n, err = r.Read(b[:])
		require.NoError(t, err)
		require.Equal(t, "c", string(b[:n]))
		_, err = r.Read(b[:])
		require.Equal(t, io.EOF, err)
	})
}

// A message that is sent in parts lets control frames through, but no other message.
func TestWriterHoldsUpOtherMessages(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		s.reads(background())
		w, err := s.conn.Writer(background(), MessageText)
		require.NoError(t, err)
		_, err = w.Write(bytes.Repeat([]byte("x"), writerBuffer+1))
		require.NoError(t, err)
		other := s.does(func() error { return s.conn.Write(background(), MessageText, []byte("other")) })
		s.sends(0x89, "ping")
		s.wants("\x01\x7e\x40\x00" + string(bytes.Repeat([]byte("x"), writerBuffer)) + "\x8a\x04ping")
		require.False(t, other.now().done)
		require.NoError(t, w.Close())
		s.wants("\x80\x01x\x81\x05other")
		require.True(t, other.now().done)
		_, err = w.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// countingConn counts calls of Write.
type countingConn struct {
	net.Conn
	writes int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

// The answers to messages that were received together leave together, when the reader would wait,
// and at the latest after maxHold.
func TestAnswersCoalesce(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		counting := &countingConn{Conn: s.conn.stream}
		s.conn.stream = counting
		var requests []byte
		for range 3 {
			requests = append(requests, frame(!s.conn.client, 0x82, "q")...)
		}
		s.out <- requests
		answer := func() {
			_, _, err := s.conn.Read(background())
			require.NoError(t, err)
			require.NoError(t, s.conn.Write(background(), MessageBinary, []byte("a")))
		}
		answer()
		answer()
		s.wants("")
		require.Zero(t, counting.writes)
		answer() // no further message is received: it is sent at once, with the others
		s.wants("\x82\x01a\x82\x01a\x82\x01a")
		require.Equal(t, 1, counting.writes)

		s.out <- requests
		answer()
		s.wants("")
		time.Sleep(maxHold) // the program is busy with something else
		s.wants("\x82\x01a")
		answer()
		require.NoError(t, s.conn.Flush(background()))
		s.wants("\x82\x01a")

		read := s.reads(background()) // from the buffer
		require.True(t, read.now().done)
		read = s.reads(background()) // waits
		require.NoError(t, s.conn.Write(background(), MessageBinary, []byte("unasked")))
		s.wants("\x82\x07unasked")
		require.False(t, read.now().done)
	})
}

func TestWriteBuffered(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		for _, m := range []string{"1", "2"} {
			require.NoError(t, s.conn.WriteBuffered(background(), MessageText, []byte(m)))
		}
		s.wants("")
		require.NoError(t, s.conn.Flush(background()))
		s.wants("\x81\x011\x81\x012")
		require.NoError(t, s.conn.Flush(background()))
		require.NoError(t, s.conn.WriteBuffered(background(), MessageText, []byte("3")))
		require.NoError(t, s.conn.Write(background(), MessageText, []byte("4")))
		s.wants("\x81\x013\x81\x014")
		require.NoError(t, s.conn.WriteBuffered(background(), MessageText, []byte("5")))
		time.Sleep(maxHold)
		s.wants("\x81\x015")
		require.NoError(t, s.conn.WriteBuffered(background(), MessageText, []byte("6")))
		s.closes(StatusNormalClosure, "")
		s.wants("\x81\x016\x88\x02\x03\xe8")
	})
}

// A peer that sends pings and does not read fills no memory, and its messages are still read.
func TestPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c := newConn(a, connConfig{client: true})
		defer c.CloseNow()
		flood := bytes.Repeat(frame(false, 0x89, "0123456789"), 1000)
		go func() {
			for range 100 {
				b.Write(flood)
			}
			b.Write(frame(false, 0x89, "last"))
			b.Write(frame(false, 0x82, "message"))
		}()
		_, message, err := c.Read(background())
		require.NoError(t, err)
		require.Equal(t, "message", string(message))
		c.mu.Lock()
		require.Less(t, len(c.out.pending.B), maxPending+100)
		require.Equal(t, "last", string(c.out.latePong.B))
		c.mu.Unlock()
	})
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	for _, size := range []int{125, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			pairs(t, connConfig{}, connConfig{}, func(t *testing.T, client, server *Conn) {
				ctx, cancel := context.WithCancel(background())
				defer cancel()
				message := pattern(size)
				buf, answer := make([]byte, 0, size), make([]byte, 0, size)
				round := func() {
					for _, c := range [][2]*Conn{{client, server}, {server, client}} {
						written := c[0].Write(ctx, MessageBinary, message)
						_, got, err := c[1].ReadInto(ctx, buf)
						if written != nil || err != nil || len(got) != size {
							t.Fatal(written, err)
						}
					}
				}
				_ = answer
				round()
				require.Less(t, testing.AllocsPerRun(200, round), 0.5)
			})
		})
	}
}

// An idle connection over a socket holds no buffer while it reads.
func TestIdleReadHoldsNoBuffer(t *testing.T) {
	client, server := tcpPair(t, connConfig{}, connConfig{})
	if !client.socket.usable() {
		t.Skip("this system has no such sockets")
	}
	require.NoError(t, server.Write(background(), MessageText, []byte("x")))
	_, _, err := client.Read(background())
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		client.Read(background())
	}()
	require.Eventually(t, func() bool { return client.readState.Load() == readAtSocket }, 10*time.Second, time.Millisecond)
	client.CloseNow()
	<-done
	require.Nil(t, client.in.mem)
}

func TestCompressedMessagesDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	for _, forget := range []bool{false, true} {
		cfg := connConfig{compression: &compressionParams{forget, forget, 15, 15}, compressionThreshold: -1}
		client, server := tcpPair(t, cfg, cfg)
		message, buf := bytes.Repeat([]byte("all work and no play "), 1000), make([]byte, 0, 32<<10)
		round := func() {
			for _, c := range [][2]*Conn{{client, server}, {server, client}} {
				written := c[0].Write(background(), MessageText, message)
				_, got, err := c[1].ReadInto(background(), buf)
				if written != nil || err != nil || !bytes.Equal(message, got) {
					t.Fatal(written, err, len(got))
				}
			}
		}
		round()
		require.Less(t, testing.AllocsPerRun(100, round), 0.5, "forget=%v", forget)
	}
}
