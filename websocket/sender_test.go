package websocket

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of RFC 6455, section 5.7
func TestSender(t *testing.T) {
	key := func() uint32 { return 0x3d21fa37 } // 37 fa 21 3d
	server, client := NewSender(Config{}, nil), NewSender(Config{Client: true}, key)
	require.Equal(t, "\x81\x05Hello", string(server.AppendMessage(nil, MessageText, []byte("Hello"))))
	require.Equal(t, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", string(client.AppendMessage(nil, MessageText, []byte("Hello"))))
	require.Equal(t, "\x89\x05Hello", string(server.AppendPing(nil, []byte("Hello"))))
	require.Equal(t, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", string(client.AppendPong(nil, []byte("Hello"))))

	b := server.AppendFragment(nil, MessageText, []byte("Hel"), false)
	b = server.AppendPing(b, nil)
	b = server.AppendFragment(b, MessageText, []byte("lo"), true)
	b = server.AppendFragment(b, MessageBinary, nil, true)
	require.Equal(t, "\x01\x03Hel\x89\x00\x80\x02lo\x82\x00", string(b))

	b = server.AppendMessage(nil, MessageBinary, make([]byte, 256))
	require.Equal(t, "\x82\x7e\x01\x00", string(b[:4]))
	b = server.AppendMessage(nil, MessageBinary, make([]byte, 65536))
	require.Equal(t, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", string(b[:10]))
}

func TestSenderClose(t *testing.T) {
	s := NewSender(Config{}, nil)
	long := strings.Repeat("x", MaxCloseReason-1)
	for _, c := range []struct {
		code   StatusCode
		reason string
		want   string
	}{
		{StatusNormalClosure, "", "\x88\x02\x03\xe8"},
		{4999, "bye", "\x88\x05\x13\x87bye"},
		{StatusNoStatusReceived, "", "\x88\x00"},
		{StatusAbnormalClosure, "not sent either", "\x88\x00"},
		{StatusTLSHandshake, "", "\x88\x00"},
		{0, "", "\x88\x00"},
		{1000, long + "yz", "\x88\x7d\x03\xe8" + long + "y"},
		{1000, long + "€", "\x88\x7c\x03\xe8" + long}, // cut between characters
	} {
		require.Equal(t, c.want, string(s.AppendClose(nil, c.code, c.reason)), "%d %q", c.code, c.reason)
	}
	require.Len(t, s.AppendPing(nil, make([]byte, 1000)), 2+MaxControlPayload)
}

// A receiver of the other role receives the messages of a sender.
func TestSenderToReceiver(t *testing.T) {
	compressions := []*CompressionOptions{nil, {Threshold: -1}, {Threshold: -1, ServerNoContextTakeover: true, ClientNoContextTakeover: true},
		{ServerMaxWindowBits: 9, ClientMaxWindowBits: 8, ClientNoContextTakeover: true, Threshold: -1}, {Threshold: 1000}}
	text := strings.Repeat("Happy families are all alike; every unhappy family is unhappy in its own way. ", 2000)
	for _, client := range []bool{false, true} {
		for i, compression := range compressions {
			t.Run(fmt.Sprintf("client=%v/%d", client, i), func(t *testing.T) {
				s := NewSender(Config{Client: client, Compression: compression}, nil)
				r := NewReceiver(Config{Client: !client, Compression: compression})
				for _, size := range []int{0, 1, 125, 126, 127, 1000, 65535, 65536, 100000} {
					message := text[:size]
					want := fmt.Sprintf("text %q\n", message)
					require.Equal(t, want, events(r, false, s.AppendMessage(nil, MessageText, []byte(message))), "%d bytes", size)

					var pieces [][]byte
					for rest := message; ; {
						n := min(len(rest), size/3+1)
						pieces = append(pieces, s.AppendFragment(nil, MessageText, []byte(rest[:n]), n == len(rest)))
						if rest = rest[n:]; rest == "" {
							break
						}
					}
					require.Equal(t, want, events(r, true, pieces...), "%d bytes in fragments", size)
				}
			})
		}
	}
}

// RFC 7692, section 6.
func TestCompressionBits(t *testing.T) {
	s := NewSender(Config{Compression: &CompressionOptions{Threshold: 10}}, nil)
	large := make([]byte, 100<<10)
	const rsv1 = 0x40
	require.Zero(t, s.AppendMessage(nil, MessageBinary, large[:9])[0]&rsv1)
	b := s.AppendMessage(nil, MessageBinary, large[:10])
	require.NotZero(t, b[0]&rsv1)
	require.Zero(t, s.AppendPing(nil, large)[0]&rsv1)

	// "The per-message compressed bit" is on the first frame only.
	b = nil
	for i := range 4 {
		b = s.AppendFragment(b, MessageBinary, large, i == 3)
	}
	for first := true; len(b) > 0; first = false {
		h, n, err := ParseFrameHeader(b)
		require.NoError(t, err)
		require.Equal(t, first, h.Rsv1)
		require.Equal(t, first, h.Opcode == OpcodeBinary)
		b = b[n+int(h.PayloadLength):]
		require.Equal(t, len(b) == 0, h.Fin)
	}
}

// The examples of RFC 7692, section 7.2.3
func TestReceiverDecompresses(t *testing.T) {
	receiver := func() *Receiver { return NewReceiver(Config{Client: true, Compression: &CompressionOptions{}}) }
	forgetful := func() *Receiver {
		return NewReceiver(Config{Client: true, Compression: &CompressionOptions{ServerNoContextTakeover: true}})
	}
	hello := "text \"Hello\"\n"
	everyWay(t, []byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), hello, receiver)
	everyWay(t, []byte("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"), hello, receiver)
	everyWay(t, []byte("\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00"), "ping \"p\"\n"+hello, receiver)
	everyWay(t, []byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), hello+hello, forgetful)
	everyWay(t, []byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x01-\xc1\x05\xf2\x00\x11\x00\x00"), hello+"text \"-\"\n"+hello, receiver)
	everyWay(t, []byte("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), hello, receiver)
	everyWay(t, []byte("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), hello, receiver)
	everyWay(t, []byte("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), hello, receiver)
	everyWay(t, []byte("\xc2\x01\x00"), "binary \"\"\n", receiver)
	everyWay(t, []byte("\xc1\x02\x06\x00"), "1007 invalid compressed data\n", receiver)

	reserved := "1002 reserved bit set that no extension gives a meaning\n"
	everyWay(t, []byte("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00"), reserved, receiver)
	everyWay(t, []byte("\xc9\x00"), reserved, receiver)
}

// The limit applies to the decompressed bytes, and no more are produced.
func TestReceiverLimitsWhatIsDecompressed(t *testing.T) {
	compression := &CompressionOptions{Threshold: -1}
	for size, want := range map[int]string{
		100_000: fmt.Sprintf("binary %q\n", make([]byte, 100_000)),
		100_001: "1009 message too big\n",
	} {
		b := NewSender(Config{Compression: compression}, nil).AppendMessage(nil, MessageBinary, make([]byte, size))
		require.Less(t, len(b), 10_000)
		r := NewReceiver(Config{Client: true, MaxMessageSize: 100_000, Compression: compression})
		require.Equal(t, want, events(r, false, b))

		r = NewReceiver(Config{Client: true, MaxMessageSize: 100_000, Compression: compression})
		message, _, _, _ := r.Receive(nil, b)
		require.LessOrEqual(t, len(message), 100_000)
	}
}

// Text fails at its first bad byte although the frame is not complete.
func TestReceiverFailsFastOnCompressedText(t *testing.T) {
	compression := &CompressionOptions{Threshold: -1}
	s := NewSender(Config{Compression: compression}, nil)
	bad := s.AppendFragment(nil, MessageText, []byte("bad: \xed\xa0"), false)
	bad = s.AppendFragment(bad, MessageText, []byte(strings.Repeat("and then so much else that the compressor lets it go", 5000)), false)
	require.Equal(t, "1007 invalid UTF-8\n", events(NewReceiver(Config{Client: true, Compression: compression}), false, bad))
}
