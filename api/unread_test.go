package rtc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/sctp"
)

// fillWith sends n bytes in messages of 16 KiB.
func fillWith(t *testing.T, dc *DataChannel, n int) {
	t.Helper()
	for message := make([]byte, 16<<10); n > 0; n -= len(message) {
		require.NoError(t, dc.Send(message))
	}
}

// echo makes a channel answer every message.
func echo(dc *DataChannel) {
	dc.OnMessage(func(m Message) { _ = dc.Send(m.Data) })
}

// alive checks that a message is answered within a time, on a channel whose other side echoes.
func alive(t *testing.T, dc *DataChannel, within time.Duration) {
	t.Helper()
	require.NoError(t, dc.SendText("are you there"))
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := dc.ReadMessage(ctx)
	require.NoError(t, err)
}

// Unread messages of closed channels do not remain in the receive window, with any way in which the
// program closes the channels. More data than the largest window is sent, and the connection still
// works.
func TestClosedChannelsReleaseTheReceiveWindow(t *testing.T) {
	const rounds, size, window = 12, 512 << 10, 2 << 20
	require.Greater(t, rounds*size, 2*window)
	small := Configuration{SCTP: &SCTPSettings{ReceiveBufferSize: window}}
	// Each function receives the channel at the receiver, and may return a function that is called
	// when the messages have arrived.
	ways := map[string]func(dc *DataChannel) (later func()){
		"closed by the receiver": func(dc *DataChannel) func() { return func() { _ = dc.Close() } },
		"closed by the sender":   func(dc *DataChannel) func() { return nil },
		"received in part": func(dc *DataChannel) func() {
			return func() {
				_, _ = dc.Receive()
				_ = dc.Close()
			}
		},
		"NetConn read in part": func(dc *DataChannel) func() {
			return func() {
				n := dc.NetConn()
				_, _ = io.ReadFull(n, make([]byte, 100))
				_ = n.Close()
			}
		},
		"NetConn closed at once": func(dc *DataChannel) func() {
			_ = dc.NetConn().Close()
			return nil
		},
		"CloseAndWait": func(dc *DataChannel) func() { return func() { _ = dc.CloseAndWait() } },
		"CloseAndWait in OnMessage": func(dc *DataChannel) func() {
			dc.OnMessage(func(Message) { _ = dc.CloseAndWait() })
			return nil
		},
		"Close in OnMessage": func(dc *DataChannel) func() {
			dc.OnMessage(func(Message) { _ = dc.Close() })
			return nil
		},
		"OnMessage(nil) in OnMessage": func(dc *DataChannel) func() {
			dc.OnMessage(func(Message) { dc.OnMessage(nil) })
			return nil
		},
		"OnMessage(nil) and closed": func(dc *DataChannel) func() {
			dc.OnMessage(func(Message) {})
			dc.OnMessage(nil)
			return func() { _ = dc.Close() }
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, time.Millisecond, 0, small, small, func(t *testing.T, w *world) {
				control, controlB := w.connect("control", nil)
				echo(controlB)
				accepted := make(chan func(), 1)
				w.b.OnDataChannel(func(dc *DataChannel) { accepted <- way(dc) })
				for range rounds {
					dc, err := w.a.CreateDataChannel("x", nil)
					require.NoError(t, err)
					opened(t, dc)
					fillWith(t, dc, size)
					later := soon(t, accepted, "channel")
					pause(time.Second)
					if later != nil {
						later()
					}
					require.NoError(t, dc.Close())
					alive(t, control, time.Second)
					pause(time.Second)
					require.True(t, dc.IsClosed())
				}
				require.Zero(t, w.b.Stats().SCTP.Held)
				require.Zero(t, w.b.channels.unread.charged)
				require.LessOrEqual(t, w.b.channels.unread.retained, maxRetained)
				require.Equal(t, 1, w.b.Stats().Channels)
			})
		})
	}
}

// Channels that the program does not receive, because OnDataChannel is not set.
func TestIgnoredChannelsReleaseTheReceiveWindow(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		negotiated := &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 500}
		control := must(w.a.CreateDataChannel("control", negotiated))
		echo(must(w.b.CreateDataChannel("control", negotiated)))
		opened(t, control)
		for range 40 {
			dc := must(w.a.CreateDataChannel("x", nil))
			opened(t, dc)
			fillWith(t, dc, 1<<20)
			require.NoError(t, dc.Close())
			pause(time.Second)
			alive(t, control, time.Second)
		}
		require.Zero(t, w.b.Stats().SCTP.Held)
		require.LessOrEqual(t, w.b.channels.unread.retained, maxRetained)
		// Open channels hold back their own senders only.
		var ignored []*DataChannel
		for range 3 {
			dc := must(w.a.CreateDataChannel("open", nil))
			opened(t, dc)
			ignored = append(ignored, dc)
			fillWith(t, dc, 2<<20)
			pause(time.Second)
			alive(t, control, time.Second)
		}
		// In the end the program receives all channels and their messages.
		accepted := make(chan *DataChannel, 100)
		w.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		pause(time.Second)
		require.Len(t, accepted, 43)
		received := 0
		for range 43 {
			dc := <-accepted
			dc.OnMessage(func(m Message) {
				if dc.Label() == "open" {
					received += len(m.Data)
				}
			})
		}
		pause(time.Second)
		require.Equal(t, len(ignored)*2<<20, received)
		require.Zero(t, w.b.Stats().SCTP.Held)
		require.Zero(t, w.b.channels.unread.retained)
	})
}

// Messages that have arrived can be read after the channel has closed. They are limited for all
// closed channels of the connection together; above the limit, the channels that have waited
// longest lose theirs, and report an error.
func TestUnreadMessagesOfClosedChannels(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		var all []*DataChannel
		add := func(n, size int) {
			for range n {
				a, b := w.connect("x", nil)
				fillWith(t, a, size)
				pause(time.Second)
				require.NoError(t, []*DataChannel{a, b}[len(all)%2].Close())
				pause(time.Second)
				require.True(t, b.IsClosed())
				all = append(all, b)
			}
		}
		count := func(dc *DataChannel) (n int, err error) {
			for {
				m, err := dc.ReadMessage(context.Background())
				if err != nil {
					return n, err
				}
				n += len(m.Data)
			}
		}
		add(10, 1<<20)
		require.Zero(t, w.b.Stats().SCTP.Held)
		for _, dc := range all {
			n, err := count(dc)
			require.Equal(t, 1<<20, n)
			require.True(t, errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed), "%v", err)
		}
		require.Zero(t, w.b.channels.unread.retained)
		all = nil
		add(40, 1<<20)
		require.LessOrEqual(t, w.b.channels.unread.retained, maxRetained)
		require.Greater(t, w.b.channels.unread.retained, maxRetained-2<<20)
		dropped := 0
		for i, dc := range all {
			n, err := count(dc)
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				require.Equal(t, 1<<20, n)
				continue
			}
			require.Equal(t, i, dropped, "the oldest")
			require.Zero(t, n, "all or nothing")
			require.ErrorContains(t, err, "dropped")
			dropped++
		}
		require.InDelta(t, 40-maxRetained>>20, dropped, 2)
		require.Zero(t, w.b.channels.unread.retained)
		require.Empty(t, w.b.channels.unread.retaining)
	})
}

// A program that reads a closed channel slowly receives all its messages, however many other
// channels close meanwhile.
func TestClosedChannelThatIsReadKeepsItsMessages(t *testing.T) {
	inWorld(t, 1, time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		slow, slowB := w.connect("slow", nil)
		fillWith(t, slow, 1<<20)
		require.NoError(t, slow.Close())
		pause(time.Second)
		for range 64 { // reads one message in each round
			m, err := slowB.Receive()
			require.NoError(t, err)
			require.Len(t, m.Data, 16<<10)
			a, b := w.connect("x", nil)
			fillWith(t, a, 1<<20)
			pause(time.Second)
			require.NoError(t, b.Close())
			pause(time.Second)
		}
		_, err := slowB.ReadMessage(context.Background())
		require.ErrorIs(t, err, io.EOF)
	})
}

// Messages on a channel that the program does not read hold back their sender, which buffers the
// rest. The other channels of the connection, and new ones, are not affected.
func TestUnreadChannelStopsNobodyElse(t *testing.T) {
	for _, size := range []int{1, 100, 64 << 10} {
		for _, noInterleaving := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, interleaving: %v", size, !noInterleaving), func(t *testing.T) {
				inTunedWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, tuning{noInterleaving: noInterleaving}, func(t *testing.T, w *world) {
					other, otherB := w.connect("other", nil)
					echo(otherB)
					stuck, stuckB := w.connect("stuck", nil)
					n := min(40_000, 12<<20/size) // more than the window, less than its maximum
					for i := range n {
						message := make([]byte, size)
						if size >= 4 {
							binary.BigEndian.PutUint32(message, uint32(i))
						}
						if err := stuck.Send(message); err != nil { // require is slow
							t.Fatal(err)
						}
					}
					// While the send buffer is full, the other channels take turns with this one.
					pause(10 * time.Second)
					for range 100 {
						alive(t, other, time.Second)
					}
					again, againB := w.connect("again", nil)
					echo(againB)
					alive(t, again, time.Second)
					bulk, bulkB := w.connect("bulk", nil)
					got := 0
					bulkB.OnMessage(func(m Message) { got += len(m.Data) })
					fillWith(t, bulk, 8<<20)
					pause(20 * time.Second)
					require.Equal(t, 8<<20, got)
					require.LessOrEqual(t, w.b.Stats().SCTP.Held, sctp.DefaultMaxBuffer)
					// Nothing is lost: the program then reads all messages, in order.
					for i := range n {
						m, err := stuckB.ReadMessage(context.Background())
						if err != nil || size >= 4 && i != int(binary.BigEndian.Uint32(m.Data)) {
							t.Fatalf("message %d: %v", i, err)
						}
					}
				})
			})
		}
	}
}

// While the messages of an unread channel fill the whole window, the other channels wait. They
// continue when the program reads the channel, or closes it.
func TestWindowThatIsFullOpensAgain(t *testing.T) {
	for _, how := range []string{"read", "closed"} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
				other, otherB := w.connect("other", nil)
				echo(otherB)
				stuck, stuckB := w.connect("stuck", nil)
				fillWith(t, stuck, 48<<20)
				pause(time.Second)
				for end := time.Now().Add(time.Minute); time.Now().Before(end); pause(time.Second) {
					_ = other.SendText("x") // makes it a channel that is read
				}
				require.Positive(t, stuck.BufferedAmount(), "the sender is held back")
				require.LessOrEqual(t, w.b.transport.sctp.ReceiveWindow(), sctp.DefaultMaxBuffer)
				require.Less(t, w.b.Stats().SCTP.Held, sctp.DefaultMaxBuffer*5/4)
				for other.AvailableAmount() > 0 {
					_, _ = other.Receive()
				}
				if how == "closed" {
					require.NoError(t, stuckB.Close())
				} else {
					for range 48 << 20 / (16 << 10) {
						_, err := stuckB.ReadMessage(context.Background())
						require.NoError(t, err)
					}
				}
				for range 100 {
					alive(t, other, 2*time.Second)
				}
			})
		})
	}
}

// If no channel is read, the receive window does not grow: the peer is held back, and the memory of
// the program is not filled.
func TestWindowDoesNotGrowForUnreadChannels(t *testing.T) {
	inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		for range 4 {
			stuck, _ := w.connect("stuck", nil)
			fillWith(t, stuck, 4<<20)
		}
		pause(time.Minute)
		require.Equal(t, sctp.InitialBuffer, w.b.transport.sctp.ReceiveWindow())
		require.Less(t, w.b.Stats().SCTP.Held, 3*sctp.InitialBuffer)
	})
}

// A lifetime counts from Send, in the channel, in the association and on the path: a message
// arrives within its lifetime plus the delay of the path, or not at all.
func TestLifetimeCountsFromSend(t *testing.T) {
	const lifetime, delay = 200 * time.Millisecond, 20 * time.Millisecond
	netsim.Seeds(t, 4, func(t *testing.T, seed uint64) {
		inWorld(t, seed, delay, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
			start := time.Now()
			dc, dcB := w.connect("x", &DataChannelInit{Reliability: Reliability{
				Unordered: seed%2 == 0, Unreliable: true, MaxPacketLifeTime: uint(lifetime.Milliseconds()),
			}})
			pause(time.Second) // the messages are ordered until the channel is acknowledged
			arrived := 0
			dcB.OnMessage(func(m Message) {
				arrived++
				sent := start.Add(time.Duration(binary.BigEndian.Uint64(m.Data)))
				// An ordered message may also wait for an earlier one that was abandoned.
				if age := time.Since(sent); seed%2 == 0 && age > lifetime+delay+time.Millisecond {
					t.Errorf("a message arrived after %v", age)
				}
			})
			sent := 0
			for round := range 12 {
				switch kind := w.rng.IntN(4); {
				case round < 3: // the association measures the path
				case kind == 0:
					w.losing(everything)
				case kind == 1:
					w.losing(func(bool) bool { return w.loss.Float64() < 0.3 })
				default:
					w.losing(nothing)
				}
				for range 100 {
					message := make([]byte, 1+w.rng.IntN(30_000)+8)
					binary.BigEndian.PutUint64(message, uint64(time.Since(start)))
					require.NoError(t, dc.Send(message))
					sent++
					pause(time.Duration(w.rng.IntN(5)) * time.Millisecond)
				}
				require.LessOrEqual(t, dc.BufferedAmount(), 210*30_000, "the messages sent within a lifetime")
			}
			w.losing(nothing)
			pause(10 * time.Second)
			require.Zero(t, dc.BufferedAmount())
			require.Greater(t, arrived, sent/10)
			stats := w.a.Stats()
			require.Positive(t, stats.MessagesExpired+stats.SCTP.MessagesAbandoned)
			require.LessOrEqual(t, arrived, sent-int(stats.MessagesExpired))
			// The channel still works.
			before := arrived
			message := make([]byte, 8)
			binary.BigEndian.PutUint64(message, uint64(time.Since(start)))
			require.NoError(t, dc.Send(message))
			pause(time.Second)
			require.Equal(t, before+1, arrived)
		})
	})
}

// Messages whose lifetime has ended are removed from the channel, and a writer that waits for space
// continues.
func TestExpiredMessagesAreRemovedFromTheChannel(t *testing.T) {
	inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		dc, dcB := w.connect("x", &DataChannelInit{Reliability: Reliability{Unreliable: true, MaxPacketLifeTime: 200}})
		reliable, reliableB := w.connect("reliable", nil)
		w.losing(everything)
		var low time.Duration
		start := time.Now()
		dc.OnBufferedAmountLow(func() { low = time.Since(start) })
		fillWith(t, dc, 25<<20)
		fillWith(t, reliable, 2<<20)
		require.Greater(t, dc.BufferedAmount(), 20<<20)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.NoError(t, dc.WriteMessage(ctx, Message{Data: []byte("x")}))
		require.InDelta(t, 200, time.Since(start).Milliseconds(), 10)
		pause(300 * time.Millisecond)
		require.Zero(t, dc.BufferedAmount())
		require.InDelta(t, 200, low.Milliseconds(), 10)
		require.Positive(t, reliable.BufferedAmount(), "messages without a lifetime remain")
		// Close does not wait for expired messages.
		fillWith(t, dc, 1<<20)
		require.NoError(t, dc.Close())
		w.losing(nothing)
		pause(10 * time.Second)
		require.True(t, dc.IsClosed())
		require.True(t, dcB.IsClosed())
		for range 2 << 20 / (16 << 10) {
			_, err := reliableB.ReadMessage(context.Background())
			require.NoError(t, err)
		}
	})
}

// golang.org/x/net/nettest tests the behaviour that Go programs expect of a net.Conn.
func TestNetConnKeepsToItsContract(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprint("from the acceptor: ", back), func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				p := newPair(t, Configuration{}, Configuration{})
				a, b := p.connect("x", nil)
				c1, c2 = a.NetConn(), b.NetConn()
				if back {
					c1, c2 = c2, c1
				}
				return c1, c2, func() {
					_ = c1.Close()
					_ = c2.Close()
				}, nil
			})
		})
	}
}

// Close ends a blocked Read and a blocked Write at once, even if the peer is unreachable, with
// deadlines and without.
func TestNetConnCloseEndsWhatIsBlocked(t *testing.T) {
	for _, vanished := range []bool{false, true} {
		for _, timeout := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprint("vanished: ", vanished, ", timeout: ", timeout), func(t *testing.T) {
				inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
					dc, _ := w.connect("x", nil)
					conn := dc.NetConn()
					if vanished {
						w.losing(everything)
					}
					if timeout > 0 {
						require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
					}
					ends := make(chan error, 2)
					go func() {
						_, err := conn.Read(make([]byte, 100))
						ends <- err
					}()
					go func() {
						n, err := conn.Write(make([]byte, 64<<20))
						if n == 64<<20 {
							err = errors.New("all was written")
						}
						ends <- err
					}()
					pause(5 * time.Second)
					require.Empty(t, ends)
					start := time.Now()
					require.NoError(t, conn.Close())
					synctest.Wait()
					require.Len(t, ends, 2)
					require.Zero(t, time.Since(start))
					for range 2 {
						err := <-ends
						require.ErrorIs(t, err, net.ErrClosed)
						require.NotContains(t, strings.TrimPrefix(err.Error(), "rtc: "), "rtc: ")
					}
					_, err := conn.Read(nil)
					require.ErrorIs(t, err, net.ErrClosed)
					require.NoError(t, conn.Close())
				})
			})
		}
	}
}
