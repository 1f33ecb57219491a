package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// script is a Conn, and the peer that the test plays, over a pipe without a buffer and in a bubble
// of virtual time.
type script struct {
	t    *testing.T
	conn *Conn
	peer net.Conn
	out  chan []byte // the bytes that the peer sends; nil closes the stream

	mu       sync.Mutex
	received bytes.Buffer // the frames that the Conn has sent, unmasked
	eof      bool         // and that it has closed the stream

	halfCloses bool // the peer at first closes only its side of the stream
}

// inScript runs a script in both roles of the Conn.
func inScript(t *testing.T, cfg connConfig, play func(*testing.T, *script)) {
	for _, client := range []bool{false, true} {
		t.Run(map[bool]string{false: "server", true: "client"}[client], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.client = client
				a, b := net.Pipe()
				fin := make(chan struct{})
				s := &script{t: t, conn: newConn(halfClosable{a, fin}, cfg), peer: b, out: make(chan []byte, 2000)}
				go s.collect()
				go func() {
					for b := range s.out {
						switch {
						case b == nil && s.halfCloses:
							s.halfCloses = false
							close(fin)
							s.conn.stream.SetReadDeadline(time.Unix(1, 0))
						case b == nil:
							s.peer.Close()
						default:
							s.peer.Write(b)
						}
					}
				}()
				defer b.Close()
				defer close(s.out)
				defer s.conn.CloseNow()
				play(t, s)
			})
		})
	}
}

// halfClosable is one end of a pipe. The other end can close its side alone.
type halfClosable struct {
	net.Conn
	fin chan struct{} // closed when it has
}

func (h halfClosable) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	select {
	case <-h.fin:
		if n == 0 {
			err = io.EOF
		}
	default:
	}
	return n, err
}

// collect is the peer's reader.
func (s *script) collect() {
	var buf [1 << 16]byte
	var stream []byte
	for {
		n, err := s.peer.Read(buf[:])
		stream = append(stream, buf[:n]...)
		s.mu.Lock()
		for {
			h, n, parseErr := ParseFrameHeader(stream)
			if n == 0 || int64(len(stream)-n) < h.PayloadLength {
				require.NoError(s.t, parseErr)
				break
			}
			require.Equal(s.t, s.conn.client, h.Masked)
			payload := stream[n : n+int(h.PayloadLength)]
			if h.Masked {
				Mask(h.MaskingKey, 0, payload)
				h.Masked, h.MaskingKey = false, [4]byte{}
			}
			s.received.Write(AppendFrameHeader(nil, h))
			s.received.Write(payload)
			stream = stream[n+len(payload):]
		}
		s.eof = err != nil
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// sends makes the peer send a frame: its first byte and payload.
func (s *script) sends(b0 byte, payload string) {
	s.out <- frame(!s.conn.client, b0, payload)
	synctest.Wait()
}

// hangsUp makes the peer close the stream after the bytes it sends.
func (s *script) hangsUp() {
	s.out <- nil
	synctest.Wait()
}

// wants checks the frames that the Conn has sent since the last call.
func (s *script) wants(wire string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(s.t, wire, s.received.String())
	s.received.Reset()
}

// closesStream checks that the Conn has closed the stream, or not.
func (s *script) closesStream(want bool) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(s.t, want, s.eof)
}

// result is the result of a call in the background, if it is done.
type result struct {
	message string
	err     error
	done    bool
}

// call is a call in the background.
type call struct {
	returned chan result
	result   result
}

// now waits until all goroutines are blocked, and returns the result of the call.
func (c *call) now() result {
	synctest.Wait()
	select {
	case c.result = <-c.returned:
	default:
	}
	return c.result
}

func (s *script) calls(f func() (string, error)) *call {
	c := &call{returned: make(chan result, 1)}
	go func() {
		message, err := f()
		c.returned <- result{message, err, true}
	}()
	synctest.Wait()
	return c
}

func (s *script) reads(ctx context.Context) *call {
	return s.calls(func() (string, error) {
		_, message, err := s.conn.Read(ctx)
		return string(message), err
	})
}

func (s *script) does(f func() error) *call {
	return s.calls(func() (string, error) { return "", f() })
}

func (s *script) closes(code StatusCode, reason string) *call {
	return s.does(func() error { return s.conn.Close(code, reason) })
}

func background() context.Context { return context.Background() }

// "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response"
//
// RFC 6455, section 5.5.2.
func TestPingsAreAnswered(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		read := s.reads(background())
		s.sends(0x89, "")
		s.wants("\x8a\x00")
		s.sends(0x01, "a")
		s.sends(0x89, "in between")
		s.wants("\x8a\x0ain between")
		s.sends(0x80, "b")
		require.Equal(t, result{"ab", nil, true}, read.now())

		// Also those that arrive with a message, before it is returned.
		s.out <- append(append(frame(!s.conn.client, 0x89, "1"), frame(!s.conn.client, 0x89, "2")...), frame(!s.conn.client, 0x82, "")...)
		require.Equal(t, result{"", nil, true}, s.reads(background()).now())
		s.wants("\x8a\x011\x8a\x012")
	})
}

// "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint
// MUST send a Close frame in response."
//
// RFC 6455, section 5.5.1.
func TestThePeerCloses(t *testing.T) {
	for _, c := range []struct {
		payload, answer string
		want            CloseError
	}{
		{"", "\x88\x00", CloseError{Code: StatusNoStatusReceived}},
		{"\x03\xe9going", "\x88\x02\x03\xe9", CloseError{StatusGoingAway, "going"}},
	} {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			read := s.reads(background())
			s.sends(0x88, c.payload)
			s.wants(c.answer)
			// A client waits for the server to close the stream.
			require.Equal(t, !s.conn.client, read.now().done)
			s.closesStream(!s.conn.client)
			s.hangsUp()
			require.True(t, read.now().done)
			require.Equal(t, &c.want, read.now().err)
			require.Equal(t, c.want.Code, CloseStatus(read.now().err))

			_, _, err := s.conn.Read(background())
			require.Equal(t, &c.want, err)
			require.Equal(t, &c.want, s.conn.Write(background(), MessageText, nil))
			require.NoError(t, s.conn.Close(1000, ""))
		})
	}
}

// … but not for ever.
func TestAServerThatDoesNotCloseTheStream(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		start := time.Now()
		read := s.reads(background())
		s.sends(0x88, "")
		time.Sleep(lingerTimeout)
		s.closesStream(true)
		require.True(t, read.now().done)
		require.LessOrEqual(t, time.Since(start), lingerTimeout)
	})
}

func TestClose(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		closed := s.closes(StatusGoingAway, "bye")
		s.wants("\x88\x05\x03\xe9bye")
		s.closesStream(false)
		require.ErrorIs(t, s.conn.Write(background(), MessageText, nil), ErrClosed)
		_, err := s.conn.Writer(background(), MessageText)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, s.conn.Ping(background()), ErrClosed)

		// RFC 6455, section 5.5.1: "The application MUST NOT send any more data frames after
		// sending a Close frame." The frames that arrive before the peer's close frame are
		// discarded, but must be valid.
		s.sends(0x01, "late")
		s.sends(0x89, "ping")
		s.sends(0x80, "r")
		require.False(t, closed.now().done)
		s.sends(0x88, "\x03\xe9")
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
		s.wants("")
		_, _, err = s.conn.Read(background())
		require.ErrorIs(t, err, ErrClosed)
		require.NoError(t, s.conn.Close(1000, "again"))
	})
}

// A Read under way sees to the peer's answer.
func TestCloseWhileReading(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		read := s.reads(background())
		closed := s.closes(StatusNoStatusReceived, "")
		s.wants("\x88\x00")
		s.sends(0x82, "thrown away")
		s.sends(0x88, "")
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
		require.True(t, read.now().done)
		require.ErrorIs(t, read.now().err, ErrClosed)
	})
}

// So does a Read that begins after Close has begun: a program that reads in a loop considers
// ErrClosed the end of the closing handshake, and might close the stream before the peer's answer.
func TestReadWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, peer := net.Pipe()
		s := &script{conn: newConn(stream, connConfig{})}
		defer s.conn.CloseNow()
		closed := s.closes(StatusNormalClosure, "")
		require.False(t, closed.now().done, "the peer takes nothing")
		read := s.reads(background())
		require.False(t, read.now().done)
		got := make([]byte, 4)
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.Equal(t, "\x88\x02\x03\xe8", string(got))
		require.False(t, closed.now().done)
		require.False(t, read.now().done, "the peer has not answered")
		_, err = peer.Write(frame(true, 0x88, "\x03\xe8"))
		require.NoError(t, err)
		require.Equal(t, result{done: true}, closed.now())
		require.ErrorIs(t, read.now().err, ErrClosed)
	})
}

// Both sides close at once: neither answers the other's close frame.
func TestClosesCross(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		closed := s.closes(StatusNormalClosure, "")
		s.sends(0x88, "\x03\xe9")
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
		s.wants("\x88\x02\x03\xe8")
	})
}

func TestCloseTimeout(t *testing.T) {
	inScript(t, connConfig{closeTimeout: 3 * time.Second}, func(t *testing.T, s *script) {
		start := time.Now()
		require.ErrorIs(t, s.conn.Close(1000, ""), ErrCloseTimeout)
		require.Equal(t, 3*time.Second, time.Since(start))
		s.closesStream(true)
		s.wants("\x88\x02\x03\xe8")
	})
	inScript(t, connConfig{closeTimeout: -1}, func(t *testing.T, s *script) {
		start := time.Now()
		require.NoError(t, s.conn.Close(1000, ""))
		require.Zero(t, time.Since(start))
		s.closesStream(true)
		s.wants("\x88\x02\x03\xe8")
	})
}

// The deadline holds, too, when the peer does not read and a writer is stuck.
func TestCloseWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := newConn(a, connConfig{})
		write := make(chan error, 1)
		go func() { write <- c.Write(background(), MessageBinary, make([]byte, 100)) }()
		synctest.Wait()
		require.ErrorIs(t, c.Close(1000, ""), ErrCloseTimeout)
		require.ErrorIs(t, <-write, ErrCloseTimeout)
	})
}

func TestCloseRefusesWhatMayNotBeSent(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		for _, code := range []StatusCode{0, 999, 1004, 1006, 1015, 1016, 2999, 5000} {
			require.ErrorIs(t, s.conn.Close(code, ""), ErrStatus, "%d", code)
		}
		require.ErrorIs(t, s.conn.Close(StatusNoStatusReceived, "reason"), ErrStatus)
		require.ErrorIs(t, s.conn.Close(1000, "\xff"), ErrInvalidUTF8)
		require.NoError(t, s.conn.Write(background(), MessageText, []byte("still open")))
		s.wants("\x81\x0astill open")
	})
}

func TestCloseNow(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		read := s.reads(background())
		require.NoError(t, s.conn.CloseNow())
		s.closesStream(true)
		s.wants("")
		require.ErrorIs(t, read.now().err, ErrClosed)
		require.ErrorIs(t, s.conn.Close(1000, ""), ErrClosed)
		require.ErrorIs(t, s.conn.Write(background(), MessageText, nil), ErrClosed)
	})
}

// RFC 6455, section 7.1.7: "_Fail the WebSocket Connection_", with a close frame that contains the
// reason.
func TestThePeerBreaksTheProtocol(t *testing.T) {
	for _, c := range []struct {
		b0      byte
		payload string
		want    error
		wire    string
	}{
		{0x83, "", ErrReservedOpcode, "\x88\x02\x03\xea"},
		{0xc1, "", ErrReservedBits, "\x88\x02\x03\xea"},
		{0x81, "\xff", ErrInvalidUTF8, "\x88\x02\x03\xef"},
		{0x82, "more than ten", ErrMessageTooBig, "\x88\x02\x03\xf1"},
		{0x88, "\x03\xed", ErrCloseStatus, "\x88\x02\x03\xea"},
		{0x88, "x", ErrClosePayload, "\x88\x02\x03\xea"},
	} {
		inScript(t, connConfig{maxMessageSize: 10}, func(t *testing.T, s *script) {
			read := s.reads(background())
			s.sends(c.b0, c.payload)
			s.wants(c.wire)
			s.hangsUp()
			require.ErrorIs(t, read.now().err, c.want)
			var protocol *ProtocolError
			require.ErrorAs(t, read.now().err, &protocol)
			require.ErrorIs(t, s.conn.Write(background(), MessageText, nil), c.want)
			require.ErrorIs(t, s.conn.Close(1000, ""), c.want)
		})
	}
}

// A protocol error is the reason of the end even if the peer does not read our close frame.
func TestThePeerBreaksTheProtocolAndDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := newConn(a, connConfig{client: true})
		written := make(chan error, 1)
		go func() { written <- c.Write(background(), MessageBinary, make([]byte, 100)) }()
		synctest.Wait()
		go b.Write([]byte{0x83})
		start := time.Now()
		_, _, err := c.Read(background())
		require.ErrorIs(t, err, ErrReservedOpcode)
		require.ErrorIs(t, <-written, ErrReservedOpcode)
		require.Less(t, time.Since(start), 3*lingerTimeout)
	})
}

func TestTheStreamEnds(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		read := s.reads(background())
		ping := s.does(func() error { return s.conn.Ping(background()) })
		s.sends(0x01, "half a message")
		s.hangsUp()
		require.ErrorIs(t, read.now().err, io.ErrUnexpectedEOF)
		require.ErrorIs(t, ping.now().err, io.ErrUnexpectedEOF)
		require.False(t, errors.As(read.now().err, new(*CloseError)))
		require.Error(t, s.conn.Write(background(), MessageText, nil))
	})
}
