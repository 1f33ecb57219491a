package websocket

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With NoDelay an answer is sent at once even if another request has been received, and so are
// pongs and the messages of a NetConn. WriteBuffered still waits.
func TestNoDelay(t *testing.T) {
	for _, noDelay := range []bool{false, true} {
		inScript(t, connConfig{noDelay: noDelay}, func(t *testing.T, s *script) {
			leaves := func(wire string) {
				t.Helper()
				if !noDelay {
					s.wants("")
					time.Sleep(maxHold)
				}
				s.wants(wire)
			}
			request := frame(!s.conn.client, 0x82, "q")
			read := func() {
				_, _, err := s.conn.Read(background())
				require.NoError(t, err)
			}
			s.out <- slices.Concat(request, request, frame(!s.conn.client, 0x89, "!"), request, request, request, request)
			read()
			require.NoError(t, s.conn.Write(background(), MessageBinary, []byte("a")))
			leaves("\x82\x01a")
			read()
			read()
			leaves("\x8a\x01!")
			_, err := s.conn.NetConn(MessageBinary).Write([]byte("b"))
			require.NoError(t, err)
			leaves("\x82\x01b")
			read()
			require.NoError(t, s.conn.WriteBuffered(background(), MessageBinary, []byte("c")))
			s.wants("")
			time.Sleep(maxHold)
			s.wants("\x82\x01c")
		})
	}
}

// An answer is held back for 1 ms if the program has not returned to Read in time before. The time
// grows up to 16 ms as long as the program returns in time.
func TestHowLongAnswersAreHeld(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		requests := append(frame(!s.conn.client, 0x82, "q"), frame(!s.conn.client, 0x82, "q")...)
		const answer, both = "\x82\x01a", "\x82\x01a\x82\x01a"
		answers := func() {
			_, _, err := s.conn.Read(background())
			require.NoError(t, err)
			require.NoError(t, s.conn.Write(background(), MessageBinary, []byte("a")))
		}
		isHeldFor := func(d time.Duration) {
			t.Helper()
			s.out <- requests
			answers()
			time.Sleep(d - time.Nanosecond)
			s.wants("")
			time.Sleep(time.Nanosecond)
			s.wants(answer)
			answers()
			s.wants(answer)
		}
		isHeldFor(minHold)
		isHeldFor(minHold)
		for range 5 {
			s.out <- requests
			answers()
			s.wants("")
			answers()
			s.wants(both)
			time.Sleep(2 * maxHold) // the timer has run off
		}
		isHeldFor(maxHold)
		isHeldFor(minHold)
	})
}
