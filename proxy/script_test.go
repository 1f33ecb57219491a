package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// turn is one exchange: the expected bytes of the client, and the answer of the proxy.
type turn struct{ client, proxy string }

// script is the proxy's end of a conversation that is written down.
type script struct {
	t      *testing.T
	turns  []turn
	said   string // by the client, not yet a whole turn
	unread string // of the answers
	chunk  int    // the largest number of bytes that a Read returns
}

func (s *script) Write(b []byte) (int, error) {
	require.NotEmpty(s.t, s.turns, "the client says %q after the script's end", b)
	require.Empty(s.t, s.unread, "the client speaks out of turn")
	s.said += string(b)
	require.True(s.t, strings.HasPrefix(s.turns[0].client, s.said), "the client says %q, the script %q", s.said, s.turns[0].client)
	if s.said == s.turns[0].client {
		s.unread, s.said, s.turns = s.turns[0].proxy, "", s.turns[1:]
	}
	return len(b), nil
}

func (s *script) Read(b []byte) (int, error) {
	if s.unread == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), s.chunk)], s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// play runs c's handshake for the address, with the answers in pieces of 1, 2, 3, … bytes. It
// returns the error and the unread bytes, which must be the same for all sizes.
func play(t *testing.T, c Config, address string, turns ...turn) (unread string, err *Error) {
	t.Helper()
	to, parseErr := parseTarget(context.Background(), "tcp", address)
	require.NoError(t, parseErr)
	c.Host = "proxy"
	require.NoError(t, c.check())
	for _, chunk := range []int{1 << 20, 1, 2, 3, 5, 7, 11} {
		s := &script{t: t, turns: turns, chunk: chunk}
		got := converse(s, c.newHandshake(to))
		var e *Error
		if got != nil {
			require.ErrorAs(t, got, &e)
		} else {
			require.Empty(t, s.turns, "the client did not say all")
		}
		require.Empty(t, s.said)
		if chunk == 1<<20 {
			unread, err = s.unread, e
			continue
		}
		if e == nil { // the bytes after a refusal are not read
			require.Equal(t, unread, s.unread, "in chunks of %d", chunk)
		}
		if e != nil && err != nil && errors.Is(e, ErrProtocol) && errors.Is(err, ErrProtocol) { // a later error may contain more details
			continue
		}
		require.Equal(t, err, e, "in chunks of %d", chunk)
	}
	return unread, err
}
