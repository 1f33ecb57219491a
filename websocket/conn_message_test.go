package websocket

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// streams begins to read a message of "ab" and more.
func (s *script) streams() io.Reader {
	s.sends(0x02, "ab")
	_, r, err := s.conn.Reader(background())
	require.NoError(s.t, err)
	var b [2]byte
	n, err := r.Read(b[:])
	require.NoError(s.t, err)
	require.Equal(s.t, "ab", string(b[:n]))
	return r
}

// A program may pause between two parts of a message. Pings do not count as unanswered during the
// pause, in which the peer's pongs are not read.
func TestKeepAliveBetweenTheReadsOfAMessage(t *testing.T) {
	inScript(t, connConfig{pingInterval: second, maxOutstandingPings: 1}, func(t *testing.T, s *script) {
		r := s.streams()
		time.Sleep(10 * second)
		s.sends(0x80, "c")
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "c", string(rest))
	})
}

// A ping that arrived with a part of a message is answered before that part is returned.
func TestPingsWithinAMessageAreAnsweredSoon(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		client := !s.conn.client
		s.out <- bytes.Join([][]byte{frame(client, 0x02, "a"), frame(client, 0x89, "ping"), frame(client, 0x00, "b")}, nil)
		_, r, err := s.conn.Reader(background())
		require.NoError(t, err)
		var b [1]byte
		for range 2 {
			_, err = io.ReadFull(r, b[:])
			require.NoError(t, err)
		}
		s.wants("\x8a\x04ping")
	})
}

// Messages that arrive after Close are discarded. In particular they are not taken for a part of
// the message being read.
func TestCloseWithinAMessageThatIsRead(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		r := s.streams()
		rest := s.calls(func() (string, error) {
			b, err := io.ReadAll(r)
			return string(b), err
		})
		closed := s.closes(StatusNormalClosure, "")
		s.sends(0x80, "c")
		s.sends(0x82, "another message")
		s.sends(0x88, "\x03\xe8")
		s.hangsUp()
		require.ErrorIs(t, rest.now().err, ErrClosed)
		require.Empty(t, rest.now().message)
		require.NoError(t, closed.now().err)
	})
}

// Nor does a message begin after Close.
func TestCloseWhileWaitingForAMessage(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		read := s.does(func() error { _, _, err := s.conn.Reader(background()); return err })
		closed := s.closes(StatusNormalClosure, "")
		s.sends(0x02, "a message")
		s.sends(0x80, "")
		s.sends(0x82, "")
		require.Equal(t, result{}, read.now())
		s.sends(0x88, "\x03\xe8")
		s.hangsUp()
		require.ErrorIs(t, read.now().err, ErrClosed)
		require.NoError(t, closed.now().err)
	})
}

// "[…] an endpoint MAY delay sending a Close frame until its current message is sent": this one
// does not, and the message is lost; the closing handshake continues.
//
// RFC 6455, section 5.5.1.
func TestCloseWithinAMessageThatIsWritten(t *testing.T) {
	for _, by := range []string{"this side", "the peer"} {
		t.Run(by, func(t *testing.T) {
			inScript(t, connConfig{}, func(t *testing.T, s *script) {
				w, err := s.conn.Writer(background(), MessageText)
				require.NoError(t, err)
				var closed *call
				if by == "this side" {
					closed = s.closes(StatusNormalClosure, "")
					s.wants("\x88\x02\x03\xe8")
				} else {
					closed = s.reads(background())
					s.sends(0x88, "\x03\xe8")
					s.wants("\x88\x02\x03\xe8")
				}
				_, err = w.Write([]byte("too late"))
				require.NoError(t, err, "it is buffered")
				require.Error(t, w.Close())
				if by == "this side" {
					s.sends(0x88, "\x03\xe8")
				}
				s.hangsUp()
				if by == "this side" {
					require.Equal(t, result{done: true}, closed.now())
				} else {
					require.Equal(t, StatusNormalClosure, CloseStatus(closed.now().err))
				}
			})
		})
	}
}

// The stream of a compressed message that was skipped returns no more bytes, not even decompressed
// ones.
func TestSkippedReaderOfACompressedMessage(t *testing.T) {
	compression := &compressionParams{serverMaxWindowBits: 15, clientMaxWindowBits: 15}
	inScript(t, connConfig{compression: compression}, func(t *testing.T, s *script) {
		sender := NewSender(Config{Client: !s.conn.client, Compression: &CompressionOptions{}}, nil)
		s.out <- sender.AppendMessage(nil, MessageText, []byte(strings.Repeat("first", 1000)))
		s.out <- sender.AppendMessage(nil, MessageText, []byte(strings.Repeat("second", 1000)))
		_, first, err := s.conn.Reader(background())
		require.NoError(t, err)
		var b [10]byte
		_, err = io.ReadFull(first, b[:])
		require.NoError(t, err)
		_, second, err := s.conn.Reader(background())
		require.NoError(t, err)
		_, err = first.Read(b[:])
		require.ErrorIs(t, err, io.ErrClosedPipe)
		all, err := io.ReadAll(second)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("second", 1000), string(all))
	})
}

// A writer that has waited, and then has nothing to send at once, starts a flush of the pending
// frames of others.
func TestWriterLeavesWhatIsPendingToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := newConn(a, connConfig{})
		defer c.CloseNow()
		message := make([]byte, maxCopy)
		go c.Write(background(), MessageBinary, message) // waits for the peer
		synctest.Wait()
		for range maxPending / maxCopy {
			require.NoError(t, c.Write(background(), MessageBinary, message))
		}
		writer := make(chan error, 1)
		go func() {
			_, err := c.Writer(background(), MessageBinary) // and then takes its time
			writer <- err
		}()
		synctest.Wait()
		require.Empty(t, writer, "it waits for room")
		const header = 4
		_, err := io.ReadFull(b, make([]byte, (1+maxPending/maxCopy)*(header+maxCopy)))
		require.NoError(t, err)
		require.NoError(t, <-writer)
	})
}
