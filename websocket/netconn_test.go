package websocket

import (
	"errors"
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

// A Write that was late takes the connection along.
func TestNetConnWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		n := newConn(a, connConfig{client: true}).NetConn(MessageBinary)
		require.NoError(t, n.SetWriteDeadline(time.Now().Add(second)))
		_, err := n.Write(make([]byte, 100))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		_, err = n.Write(nil)
		require.Error(t, err)
	})
}

// A deadline is for calls of Write. That the last one's is over is no reason for
// an answer that the connection itself gives, much later, to fail.
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

// A deadline that is set while a Write waits is for that as well.
func TestNetConnWriteDeadlineWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		n := newConn(a, connConfig{client: true}).NetConn(MessageBinary)
		written := make(chan error, 1)
		go func() {
			_, err := n.Write(make([]byte, 100))
			written <- err
		}()
		synctest.Wait()
		require.NoError(t, n.SetDeadline(time.Now().Add(second)))
		require.Equal(t, os.ErrDeadlineExceeded, <-written)
	})
}
