package websocket

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame returns a frame of fewer than 126 bytes: its first byte, and a payload. A client masks it.
func frame(fromClient bool, b0 byte, payload string) []byte {
	b := []byte{b0, byte(len(payload))}
	if !fromClient {
		return append(b, payload...)
	}
	b[1] |= bitMask
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	b = append(b, payload...)
	Mask(key, 0, b[6:])
	return b
}

// events returns the events of a receiver for a stream in pieces, one event a line. With direct, it
// uses ReceiveDirect where possible.
func events(r *Receiver, direct bool, pieces ...[]byte) string {
	var s strings.Builder
	var message []byte
	for _, piece := range pieces {
		for len(piece) > 0 {
			var n int
			var event Event
			var err error
			if d := r.Direct(); direct && d > 0 {
				n = int(min(d, int64(len(piece))))
				message = append(message, piece[:n]...)
				event, err = r.ReceiveDirect(message[len(message)-n:])
			} else {
				message, n, event, err = r.Receive(message, piece)
			}
			piece = piece[n:]
			switch event {
			case EventMessage:
				fmt.Fprintf(&s, "%v %q\n", r.MessageType(), message)
				message = message[:0]
			case EventPing:
				fmt.Fprintf(&s, "ping %q\n", r.ControlPayload())
			case EventPong:
				fmt.Fprintf(&s, "pong %q\n", r.ControlPayload())
			case EventClose:
				fmt.Fprintf(&s, "close %d %q\n", r.CloseError().Code, r.CloseError().Reason)
			}
			if err != nil {
				var protocol *ProtocolError
				if !errors.As(err, &protocol) {
					return err.Error()
				}
				fmt.Fprintf(&s, "%d %v\n", protocol.Code, unprefixed(protocol.Err))
				return s.String()
			}
		}
	}
	return s.String()
}

// everyWay passes a stream to receivers at once, byte by byte, and in two pieces, split at every
// place.
func everyWay(t *testing.T, stream []byte, want string, receiver func() *Receiver) {
	t.Helper()
	var bytewise [][]byte
	for i := range stream {
		bytewise = append(bytewise, stream[i:i+1])
	}
	for _, direct := range []bool{false, true} {
		require.Equal(t, want, events(receiver(), direct, stream), "at once")
		require.Equal(t, want, events(receiver(), direct, bytewise...), "byte by byte")
		for i := range stream {
			require.Equal(t, want, events(receiver(), direct, stream[:i], stream[i:]), "cut at %d", i)
		}
	}
}

func TestReceiver(t *testing.T) {
	type f struct {
		b0      byte
		payload string
	}
	long := strings.Repeat("x", MaxControlPayload)
	for _, c := range []struct {
		name   string
		frames []f
		want   string
	}{
		// RFC 6455, section 5.7.
		{"a single-frame text message", []f{{0x81, "Hello"}}, "text \"Hello\"\n"},
		{"a fragmented text message", []f{{0x01, "Hel"}, {0x80, "lo"}}, "text \"Hello\"\n"},
		{"ping and pong", []f{{0x89, "Hello"}, {0x8a, "Hello"}}, "ping \"Hello\"\npong \"Hello\"\n"},
		{"binary, empty messages", []f{{0x82, "\xff"}, {0x82, ""}, {0x81, ""}}, "binary \"\\xff\"\nbinary \"\"\ntext \"\"\n"},

		// RFC 6455, section 5.4.
		{"control frames MAY be injected in the middle of a fragmented message",
			[]f{{0x02, "a"}, {0x89, "1"}, {0x00, "b"}, {0x8a, ""}, {0x80, "c"}}, "ping \"1\"\npong \"\"\nbinary \"abc\"\n"},
		{"empty fragments", []f{{0x01, ""}, {0x00, ""}, {0x80, ""}, {0x01, ""}, {0x00, "x"}, {0x80, ""}}, "text \"\"\ntext \"x\"\n"},
		{"the fragments of one message MUST NOT be interleaved with another's", []f{{0x01, "a"}, {0x81, "b"}}, "1002 new message before the last one is complete\n"},
		{"also not of another type", []f{{0x01, "a"}, {0x02, "b"}}, "1002 new message before the last one is complete\n"},
		{"a continuation of nothing", []f{{0x80, "a"}}, "1002 continuation frame without a message to continue\n"},
		{"nor of a message that is complete", []f{{0x81, "a"}, {0x00, "a"}}, "text \"a\"\n1002 continuation frame without a message to continue\n"},

		// RFC 6455, section 5.5.
		{"the longest control frame", []f{{0x89, long}}, "ping \"" + long + "\"\n"},
		{"control frames MUST NOT be fragmented", []f{{0x09, "a"}}, "1002 fragmented control frame\n"},
		{"a close neither", []f{{0x08, ""}}, "1002 fragmented control frame\n"},

		// RFC 6455, section 5.2.
		{"reserved opcode 3", []f{{0x83, ""}}, "1002 reserved opcode\n"},
		{"reserved opcode 7", []f{{0x07, "a"}}, "1002 reserved opcode\n"},
		{"reserved opcode 11", []f{{0x8b, "a"}}, "1002 reserved opcode\n"},
		{"reserved opcode 15", []f{{0x8f, ""}}, "1002 reserved opcode\n"},
		{"RSV1 without an extension", []f{{0x81, "a"}, {0xc1, "a"}}, "text \"a\"\n1002 reserved bit set that no extension gives a meaning\n"},
		{"RSV2", []f{{0xa2, ""}}, "1002 reserved bit set that no extension gives a meaning\n"},
		{"RSV3 on a ping", []f{{0x99, ""}}, "1002 reserved bit set that no extension gives a meaning\n"},

		// RFC 6455, section 5.5.1.
		{"a close without a status, and what follows it", []f{{0x88, ""}, {0x81, "a"}, {0xff, "a"}}, "close 1005 \"\"\n"},
		{"a close with a status", []f{{0x88, "\x03\xe8"}}, "close 1000 \"\"\n"},
		{"a close with a reason", []f{{0x88, "\x0f\xa0tschüß"}}, "close 4000 \"tschüß\"\n"},
		{"a close in a message", []f{{0x01, "a"}, {0x88, ""}}, "close 1005 \"\"\n"},
		{"half a status", []f{{0x88, "\x03"}}, "1002 close frame with half a status code\n"},
		{"the reason must be UTF-8", []f{{0x88, "\x03\xe8\xff"}}, "1007 invalid UTF-8\n"},
		{"all of it", []f{{0x88, "\x03\xe8\xc3"}}, "1007 invalid UTF-8\n"},

		// RFC 6455, section 8.1.
		{"a character in two fragments", []f{{0x01, "\xe2\x82"}, {0x80, "\xac"}}, "text \"€\"\n"},
		{"half a character at the end", []f{{0x81, "\xe2\x82"}}, "1007 invalid UTF-8\n"},
		{"at the end of the last fragment", []f{{0x01, "\xe2\x82"}, {0x80, ""}}, "1007 invalid UTF-8\n"},
		{"a surrogate", []f{{0x01, "\xed\xa0"}, {0x89, "never seen"}}, "1007 invalid UTF-8\n"},
		{"anything is binary", []f{{0x02, "\xed\xa0"}, {0x80, "\xff"}}, "binary \"\\xed\\xa0\\xff\"\n"},
	} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/client=%v", c.name, client), func(t *testing.T) {
				var stream []byte
				for _, f := range c.frames {
					stream = append(stream, frame(!client, f.b0, f.payload)...)
				}
				everyWay(t, stream, c.want, func() *Receiver { return NewReceiver(Config{Client: client}) })
			})
		}
	}
}

func TestReceiverChecksTheLengthEncoding(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   string
	}{
		{"\x82\x7e\x00\x7d", "1002 length not encoded in the fewest bytes, or beyond 63 bits\n"},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "1002 length not encoded in the fewest bytes, or beyond 63 bits\n"},
		{"\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00", "1002 length not encoded in the fewest bytes, or beyond 63 bits\n"},
		{"\x89\x7e", "1002 control frame of more than 125 bytes\n"}, // fails before the length has come
		{"\x88\x7f", "1002 control frame of more than 125 bytes\n"},
		{"\x83", "1002 reserved opcode\n"},
		{"\x82\x7e\x00\x7e" + strings.Repeat("x", 126), "binary \"" + strings.Repeat("x", 126) + "\"\n"},
	} {
		everyWay(t, []byte(c.stream), c.want, func() *Receiver { return NewReceiver(Config{Client: true}) })
	}
}

// RFC 6455, section 5.1: "The server MUST close the connection upon receiving a frame that is not
// masked." "A client MUST close a connection if it detects a masked frame."
func TestReceiverChecksMasking(t *testing.T) {
	everyWay(t, frame(false, 0x81, "a"), "1002 unmasked frame from a client\n", func() *Receiver { return NewReceiver(Config{}) })
	everyWay(t, frame(true, 0x88, ""), "1002 masked frame from a server\n", func() *Receiver { return NewReceiver(Config{Client: true}) })
}

// A message beyond the limit fails when the header is there that makes it so.
func TestReceiverLimitsMessages(t *testing.T) {
	limited := func() *Receiver { return NewReceiver(Config{Client: true, MaxMessageSize: 10}) }
	tooBig := "1009 message too big\n"
	everyWay(t, frame(false, 0x82, "0123456789"), "binary \"0123456789\"\n", limited)
	everyWay(t, []byte{0x82, 11}, tooBig, limited)
	everyWay(t, []byte("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), tooBig, limited)
	everyWay(t, append(append(frame(false, 0x02, "012345"), frame(false, 0x00, "6789")...), 0x80, 1), tooBig, limited)
	everyWay(t, append(frame(false, 0x02, "0"), "\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"...), tooBig, limited)

	unlimited := NewReceiver(Config{Client: true, MaxMessageSize: -1})
	_, n, event, err := unlimited.Receive(nil, []byte("\x82\x7f\x00\x00\x00\x00\x7f\xff\xff\xff"))
	require.Equal(t, 10, n)
	require.Equal(t, EventNone, event)
	require.NoError(t, err)
	require.Equal(t, int64(1<<31-1), unlimited.Direct())

	usual := NewReceiver(Config{Client: true})
	_, _, _, err = usual.Receive(nil, []byte("\x82\x7f\x00\x00\x00\x00\x00\x04\x00\x01"))
	require.ErrorIs(t, err, ErrMessageTooBig)
}

func TestReceiverLimitsEmptyFragments(t *testing.T) {
	stream := frame(false, 0x02, "")
	for range maxEmptyFragments - 1 {
		stream = append(stream, frame(false, 0x00, "")...)
	}
	receiver := func() *Receiver { return NewReceiver(Config{Client: true}) }
	everyWay(t, append(stream[:len(stream):len(stream)], frame(false, 0x80, "")...), "binary \"\"\n", receiver)
	everyWay(t, append(stream, frame(false, 0x00, "")...), "1008 too many empty fragments\n", receiver)
}

// RFC 6455, section 7.4.
func TestReceiverChecksCloseCodes(t *testing.T) {
	for code := range 6000 {
		want := fmt.Sprintf("close %d \"\"\n", code)
		switch {
		case code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006, code >= 3000 && code <= 4999:
		default:
			want = "1002 close frame with a status code that may not be sent\n"
		}
		stream := frame(false, 0x88, string([]byte{byte(code >> 8), byte(code)}))
		require.Equal(t, want, events(NewReceiver(Config{Client: true}), false, stream))
	}
}

// A receiver fails at the first invalid byte, before the end of the frame.
func TestReceiverFailsFastOnText(t *testing.T) {
	for _, bad := range []string{"\x80", "\xc0", "\xc1", "\xe0\x9f", "\xed\xa0", "\xf0\x8f", "\xf4\x90", "\xf5", "\xff", "\xe2\x82a", "\xc3\xc3"} {
		payload := "κόσμε" + bad
		stream := append([]byte{0x01, 100}, payload...)
		r := NewReceiver(Config{Client: true})
		require.Empty(t, events(r, false, stream[:len(stream)-1]), "%q", bad)
		require.Equal(t, "1007 invalid UTF-8\n", events(r, false, stream[len(stream)-1:]), "%q", bad)
	}
}

func TestReceiverDoesNotAllocate(t *testing.T) {
	stream := append(frame(true, 0x81, "Hello"), frame(true, 0x89, "Hello")...)
	r, buf := NewReceiver(Config{}), make([]byte, 0, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for b := stream; len(b) > 0; {
			_, n, _, err := r.Receive(buf, b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
	}))
}
