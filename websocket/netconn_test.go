package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A NetConn is a stream: messages are where Write was called, and Read does not see them.
func TestNetConn(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageBinary)
		_, err := n.Write([]byte("ab"))
		require.NoError(t, err)
		_, err = n.Write([]byte("c"))
		require.NoError(t, err)
		s.wants("\x82\x02ab\x82\x01c")

		s.sends(0x02, "12")
		s.sends(0x00, "")
		s.sends(0x80, "3")
		s.sends(0x82, "")
		s.sends(0x82, "4")
		got := make([]byte, 4)
		_, err = io.ReadFull(n, got)
		require.NoError(t, err)
		require.Equal(t, "1234", string(got))

		// A deadline in the middle of a message loses nothing.
		s.sends(0x02, "5")
		require.NoError(t, n.SetReadDeadline(time.Now().Add(second)))
		_, err = io.ReadFull(n, got[:2])
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		timeout, ok := err.(net.Error)
		require.True(t, ok && timeout.Timeout())
		_, err = n.Read(got)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, n.SetReadDeadline(time.Time{}))
		s.sends(0x80, "6")
		_, err = io.ReadFull(n, got[:1])
		require.NoError(t, err)
		require.Equal(t, "6", string(got[:1]))

		s.sends(0x88, "\x03\xe8")
		s.hangsUp()
		_, err = n.Read(got)
		require.Equal(t, io.EOF, err)
		_, err = n.Write(got)
		require.Error(t, err)
		require.NoError(t, n.Close())
		_, err = n.Read(got)
		require.Equal(t, io.EOF, err)
	})
}

func TestNetConnClose(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageText)
		require.NoError(t, n.SetDeadline(time.Now().Add(-1)))
		closed := s.does(n.Close)
		s.wants("\x88\x02\x03\xe8")
		s.sends(0x88, "\x03\xe8")
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
		_, err := n.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestNetConnAbnormalEnds(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageText)
		s.sends(0x88, "\x03\xf3")
		s.hangsUp()
		_, err := n.Read(make([]byte, 1))
		require.Equal(t, StatusInternalError, CloseStatus(err))
	})
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageText)
		s.hangsUp()
		_, err := n.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageText)
		s.sends(0x82, "binary")
		read := s.does(func() error { _, err := n.Read(make([]byte, 1)); return err })
		s.wants("\x88\x19\x03\xebunexpected message type")
		s.sends(0x88, "")
		s.hangsUp()
		require.True(t, errors.Is(read.now().err, ErrUnexpectedMessageType), read.now().err)
	})
}

// A Write waits while enough is pending, and no longer than its deadline. If the deadline has
// passed, no part of its message is sent, and it can be repeated.
func TestNetConnWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		n := newConn(a, connConfig{client: true}).NetConn(MessageBinary)
		message := pattern(10_000)
		written := 0
		require.NoError(t, n.SetWriteDeadline(time.Now().Add(second)))
		for {
			start := time.Now()
			k, err := n.Write(message)
			if err != nil {
				require.Zero(t, k)
				require.Equal(t, os.ErrDeadlineExceeded, err)
				require.Equal(t, second, time.Since(start))
				break
			}
			written++
		}
		require.LessOrEqual(t, written*len(message), 2*maxPending+2*len(message), "what a peer that does not read costs")
		_, err := n.Write(message)
		require.Equal(t, os.ErrDeadlineExceeded, err, "at once")

		// Moved while a Write waits, and to the past.
		require.NoError(t, n.SetWriteDeadline(time.Time{}))
		late := make(chan error, 1)
		go func() {
			_, err := n.Write(message)
			late <- err
		}()
		synctest.Wait()
		require.Empty(t, late)
		require.NoError(t, n.SetWriteDeadline(time.Now().Add(time.Hour)))
		synctest.Wait()
		require.Empty(t, late)
		require.NoError(t, n.SetWriteDeadline(time.Now()))
		require.Equal(t, os.ErrDeadlineExceeded, <-late)

		// The peer reads again.
		require.NoError(t, n.SetWriteDeadline(time.Time{}))
		peer := newConn(b, connConfig{})
		for range written {
			_, got, err := peer.Read(background())
			require.NoError(t, err)
			require.Equal(t, message, got)
		}
		go n.Write([]byte("once"))
		_, got, err := peer.Read(background())
		require.NoError(t, err)
		require.Equal(t, "once", string(got))
		peer.CloseNow()
	})
}

// A write deadline applies to calls of Write. After it has passed, the connection still sends its
// own answers.
func TestNetConnWriteDeadlineIsForWrites(t *testing.T) {
	inScript(t, connConfig{pingInterval: 3 * second}, func(t *testing.T, s *script) {
		n := s.conn.NetConn(MessageBinary)
		require.NoError(t, n.SetWriteDeadline(time.Now().Add(second)))
		_, err := n.Write([]byte("in time"))
		require.NoError(t, err)
		s.wants("\x82\x07in time")

		time.Sleep(2 * second)
		read := s.does(func() error { _, err := n.Read(make([]byte, 1)); return err })
		s.sends(0x89, "ping")
		s.wants("\x8a\x04ping")
		time.Sleep(second)
		s.wants("\x89\x08\x00\x00\x00\x00\x00\x00\x00\x01")
		require.Equal(t, result{}, read.now())

		_, err = n.Write([]byte("too late"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
	})
}

// Close ends waiting calls at once and returns at once, with any behaviour of the peer and any
// deadlines.
func TestNetConnCloseEndsWhatWaits(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"no deadline": 0, "a deadline": time.Hour} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", client ", client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe() // the other end does nothing
					defer b.Close()
					c := newConn(a, connConfig{client: client})
					n := c.NetConn(MessageBinary)
					if deadline > 0 {
						require.NoError(t, n.SetDeadline(time.Now().Add(deadline)))
					}
					start := time.Now()
					ended := make(chan error, 3)
					for range 2 { // the second waits for its turn
						go func() {
							_, err := n.Read(make([]byte, 1))
							ended <- err
						}()
					}
					go func() {
						var err error
						for err == nil {
							_, err = n.Write(make([]byte, 1000))
						}
						ended <- err
					}()
					time.Sleep(second)
					require.Empty(t, ended)
					require.NoError(t, n.Close())
					require.NoError(t, n.Close())
					for range 3 {
						require.ErrorIs(t, <-ended, net.ErrClosed)
					}
					synctest.Wait() // the closing handshake continues
					_, err := n.Read(make([]byte, 1))
					require.ErrorIs(t, err, net.ErrClosed)
					_, err = n.Write(make([]byte, 1))
					require.ErrorIs(t, err, net.ErrClosed)
					require.ErrorIs(t, n.SetDeadline(time.Time{}), net.ErrClosed)
					require.Equal(t, second, time.Since(start))

					// The peer has its time, in the background.
					require.NoError(t, a.SetWriteDeadline(time.Time{}), "the stream is open")
					time.Sleep(DefaultCloseTimeout)
					synctest.Wait()
					require.ErrorIs(t, a.SetWriteDeadline(time.Time{}), io.ErrClosedPipe)
				})
			})
		}
	}
}

// Close also ends a Read that has answered the close of the peer, and waits for it to close the
// stream.
func TestNetConnCloseEndsTheWaitForThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		n := newConn(a, connConfig{client: true}).NetConn(MessageBinary)
		start := time.Now()
		ended := make(chan error, 1)
		go func() {
			_, err := n.Read(make([]byte, 1))
			ended <- err
		}()
		_, err := b.Write([]byte("\x88\x00"))
		require.NoError(t, err)
		_, err = io.ReadFull(b, make([]byte, 6)) // and the answer is there
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, ended)
		require.NoError(t, n.Close())
		require.ErrorIs(t, <-ended, net.ErrClosed)
		require.Zero(t, time.Since(start))
	})
}

// Messages written before Close arrive.
func TestNetConnCloseSendsWhatWasWritten(t *testing.T) {
	pairs(t, connConfig{}, connConfig{}, func(t *testing.T, client, server *Conn) {
		from, to := client.NetConn(MessageBinary), server.NetConn(MessageBinary)
		message := pattern(1 << 20)
		go func() {
			for p := message; len(p) > 0; p = p[1<<14:] {
				if _, err := from.Write(p[:1<<14]); err != nil {
					t.Error(err)
				}
			}
			if err := from.Close(); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(to)
		require.NoError(t, err)
		require.True(t, bytes.Equal(message, got))
		require.NoError(t, to.Close())
	})
}

// Large messages that are compressed, and small ones of others between them.
func TestNetConnCompresses(t *testing.T) {
	cfg := connConfig{compression: &compressionParams{serverMaxWindowBits: 15, clientMaxWindowBits: 15}}
	pairs(t, cfg, cfg, func(t *testing.T, client, server *Conn) {
		from, to := client.NetConn(MessageBinary), server.NetConn(MessageBinary)
		message := bytes.Repeat([]byte("all work and no play "), 10_000)
		go func() {
			for range 3 {
				from.Write(message)
				from.Write(message[:10])
			}
		}()
		for range 3 {
			got := make([]byte, len(message)+10)
			_, err := io.ReadFull(to, got)
			require.NoError(t, err)
			require.True(t, bytes.Equal(append(message[:len(message):len(message)], message[:10]...), got))
		}
	})
}
