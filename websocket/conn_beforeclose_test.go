package websocket

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// In BeforeClose the program can answer the messages before the peer's end, of any kind. The
// answers are sent in front of our close frame, and are not held back for a reader that does not
// read again.
func TestWhatIsWrittenBeforeTheCloseIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		b0      byte // of the peer's last frame; 0: it ends the stream without one
		payload string
		want    error
		wire    string
	}{
		"close frame":     {0x88, "\x0f\xa1bye", &CloseError{4001, "bye"}, "\x88\x02\x0f\xa1"},
		"protocol error":  {0x83, "", ErrReservedOpcode, "\x88\x02\x03\xea"},
		"message too big": {0x82, "more than ten", ErrMessageTooBig, "\x88\x02\x03\xf1"},
		"end of stream":   {want: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			ending, answered := make(chan error, 2), make(chan struct{})
			cfg := connConfig{maxMessageSize: 10, beforeClose: func(err error) {
				ending <- err
				<-answered
			}}
			inScript(t, cfg, func(t *testing.T, s *script) {
				answered = make(chan struct{})
				// Messages and the end arrive together.
				last := frame(!s.conn.client, c.b0, c.payload)
				if c.b0 == 0 {
					last = nil
				}
				s.halfCloses = c.b0 == 0
				s.out <- append(append(frame(!s.conn.client, 0x82, "q1"), frame(!s.conn.client, 0x82, "q2")...), last...)
				if s.halfCloses {
					s.out <- nil
				}
				require.Equal(t, result{"q1", nil, true}, s.reads(background()).now())
				require.Equal(t, result{"q2", nil, true}, s.reads(background()).now())
				// An answer that waits for company does not wait for a reader.
				require.NoError(t, s.conn.WriteBuffered(background(), MessageBinary, []byte("a1")))
				read := s.reads(background())
				requireEnd(t, c.want, <-ending)
				s.wants("\x82\x02a1")

				time.Sleep(time.Minute) // the program takes its time
				require.False(t, read.now().done)
				require.NoError(t, s.conn.Write(background(), MessageBinary, []byte("a2")))
				s.wants("\x82\x02a2")
				close(answered)
				s.wants(c.wire)
				s.hangsUp()
				require.True(t, read.now().done)
				requireEnd(t, c.want, read.now().err)
				require.Empty(t, ending, "it is called once")
				require.Error(t, s.conn.Write(background(), MessageBinary, nil))
			})
		})
	}
}

func requireEnd(t *testing.T, want, got error) {
	t.Helper()
	if closed, ok := want.(*CloseError); ok {
		require.Equal(t, closed, got)
		return
	}
	require.ErrorIs(t, got, want)
}

// BeforeClose is not called after the program has closed the connection.
func TestNothingIsAskedAfterClose(t *testing.T) {
	cfg := connConfig{beforeClose: func(error) { panic("called") }}
	inScript(t, cfg, func(t *testing.T, s *script) {
		closed := s.closes(StatusNormalClosure, "")
		s.sends(0x88, "\x03\xe8")
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
	})
	inScript(t, cfg, func(t *testing.T, s *script) {
		read := s.reads(background())
		require.NoError(t, s.conn.CloseNow())
		require.ErrorIs(t, read.now().err, ErrClosed)
	})
}

// A program that closes in BeforeClose chooses the close frame; the reason is still the peer's.
func TestCloseWhileTheProgramIsAsked(t *testing.T) {
	var s *script
	var closed *call
	asked := make(chan struct{}, 1)
	cfg := connConfig{beforeClose: func(error) { <-asked }}
	inScript(t, cfg, func(t *testing.T, running *script) {
		asked = make(chan struct{}, 1)
		s = running
		read := s.reads(background())
		s.sends(0x88, "\x0f\xa1bye")
		closed = s.closes(4002, "mine")
		s.wants("\x88\x06\x0f\xa2mine")
		require.False(t, closed.now().done)
		asked <- struct{}{}
		s.hangsUp()
		require.Equal(t, result{done: true}, closed.now())
		require.Equal(t, &CloseError{4001, "bye"}, read.now().err)
	})
}

// noDeadlines is a stream without deadlines.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return nil }
func (noDeadlines) SetReadDeadline(time.Time) error  { return nil }
func (noDeadlines) SetWriteDeadline(time.Time) error { return nil }

// A peer that does not read delays the end only for a bounded time, even if the stream ignores
// deadlines.
func TestTheEndDoesNotDependOnDeadlines(t *testing.T) {
	for name, end := range map[string]string{"close frame": "\x88\x00", "protocol error": "\x83\x00"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				c := newConn(noDeadlines{a}, connConfig{client: true})
				go b.Write([]byte(end))
				start := time.Now()
				_, _, err := c.Read(background())
				require.Error(t, err)
				require.LessOrEqual(t, time.Since(start), maxLinger)
			})
		})
	}
	t.Run("handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer b.Close()
			start := time.Now()
			_, _, err := Handshake(background(), noDeadlines{a}, nil)
			require.ErrorIs(t, err, ErrHandshakeTimeout)
			require.Equal(t, DefaultConnectionTimeout, time.Since(start))
		})
	})
}

// The alert that TLS sends at its end has little time, not the 5 s of crypto/tls.
func TestTLSEndsInTimeWhenThePeerDoesNotRead(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	certificates := https.TLS.Certificates
	https.Close()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		handshake := make(chan error, 1)
		go func() { handshake <- tls.Client(b, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
		secure := tls.Server(a, &tls.Config{Certificates: certificates, SessionTicketsDisabled: true})
		require.NoError(t, secure.Handshake())
		require.NoError(t, <-handshake)

		c := newConn(secure, connConfig{})
		start := time.Now()
		require.NoError(t, c.CloseNow())
		require.LessOrEqual(t, time.Since(start), alertTimeout)
	})
}
