package websocket

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSetMaxMessageSize(t *testing.T) {
	inScript(t, connConfig{maxMessageSize: 10}, func(t *testing.T, s *script) {
		read := s.reads(background())
		s.conn.SetMaxMessageSize(20) // from the next call on
		s.sends(0x82, strings.Repeat("a", 10))
		require.Len(t, read.now().message, 10)
		read = s.reads(background())
		s.sends(0x82, strings.Repeat("a", 20))
		require.Len(t, read.now().message, 20)

		// A message that has begun keeps its limit.
		_, r, err := readerOf(s, 0x02, "0123456789")
		require.NoError(t, err)
		s.conn.SetMaxMessageSize(5)
		s.sends(0x80, "0123456789")
		rest := s.calls(func() (string, error) {
			var buf [40]byte
			n, err := r.Read(buf[:])
			m, err2 := r.Read(buf[n:])
			if err == nil {
				err = err2
			}
			return string(buf[:n+m]), err
		})
		require.Equal(t, "01234567890123456789", rest.now().message)

		s.conn.SetMaxMessageSize(-1)
		s.sends(0x82, strings.Repeat("a", 120))
		require.Len(t, s.reads(background()).now().message, 120)
		s.conn.SetMaxMessageSize(0)
		require.EqualValues(t, DefaultMaxMessageSize, s.conn.in.limit.Load())

		s.conn.SetMaxMessageSize(5)
		read = s.reads(background())
		s.sends(0x82, "123456")
		s.hangsUp()
		require.ErrorIs(t, read.now().err, ErrMessageTooBig)
		s.wants("\x88\x02\x03\xf1")
	})
}

// readerOf returns the stream of a message whose first frame the peer sends.
func readerOf(s *script, b0 byte, payload string) (typ MessageType, r interface{ Read([]byte) (int, error) }, err error) {
	opened := s.does(func() (err error) { typ, r, err = s.conn.Reader(background()); return err })
	s.sends(b0, payload)
	return typ, r, opened.now().err
}

// A Read that was interrupted after a frame header does not change the limit of its message.
func TestSetMaxMessageSizeWithinAMessage(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		ctx, cancel := cancellable()
		read := s.reads(ctx)
		s.sends(0x02, "")
		cancel()
		require.Error(t, read.now().err)
		s.conn.SetMaxMessageSize(1)
		read = s.reads(background())
		s.sends(0x80, "123")
		require.Equal(t, result{"123", nil, true}, read.now())
		read = s.reads(background())
		s.sends(0x82, "123")
		s.hangsUp()
		require.ErrorIs(t, read.now().err, ErrMessageTooBig)
	})
}
