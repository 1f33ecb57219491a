package fuzz_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/websocket"
)

const maxWebSocketMessage = 1 << 12

func webSocketConfig(flags byte) websocket.Config {
	cfg := websocket.Config{Client: flags&1 != 0, MaxMessageSize: maxWebSocketMessage}
	if flags&2 != 0 {
		cfg.Compression = &websocket.CompressionOptions{Threshold: -1, ServerNoContextTakeover: flags&4 != 0, ClientNoContextTakeover: flags&4 != 0}
	}
	return cfg
}

// webSocketEvents returns the events of a receiver for a stream in pieces of the given sizes, which
// are repeated.
func webSocketEvents(t *testing.T, cfg websocket.Config, stream, sizes []byte, direct bool) (events string) {
	r := websocket.NewReceiver(cfg)
	var message []byte
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(sizes) > 0 {
			n = min(n, 1+int(sizes[i%len(sizes)]))
		}
		piece := stream[:n]
		stream = stream[n:]
		for len(piece) > 0 {
			var n int
			var event websocket.Event
			var err error
			if d := r.Direct(); direct && d > 0 {
				n = int(min(d, int64(len(piece))))
				message = append(message, piece[:n]...)
				event, err = r.ReceiveDirect(message[len(message)-n:])
			} else {
				message, n, event, err = r.Receive(message, piece)
			}
			piece = piece[n:]
			if len(message) > maxWebSocketMessage {
				t.Fatalf("a message of %d bytes", len(message))
			}
			if err != nil {
				var protocol *websocket.ProtocolError
				if !errors.As(err, &protocol) || !protocol.Code.MayBeSent() {
					t.Fatal(err)
				}
				return events + err.Error()
			}
			switch event {
			case websocket.EventMessage:
				if r.MessageType() == websocket.MessageText && !utf8.Valid(message) {
					t.Fatalf("text %q", message)
				}
				events += fmt.Sprintf("%v %x\n", r.MessageType(), message)
				message = message[:0]
			case websocket.EventPing, websocket.EventPong:
				events += fmt.Sprintf("%v %x\n", event, r.ControlPayload())
			case websocket.EventClose:
				events += r.CloseError().Error() + "\n"
			}
		}
	}
	return events
}

// The events of a stream do not depend on the pieces in which it arrives.
func FuzzWebSocketReceiver(f *testing.F) {
	for flags := range byte(8) {
		cfg := webSocketConfig(flags)
		peer := cfg
		peer.Client = !cfg.Client
		s := websocket.NewSender(peer, func() uint32 { return 0x01020304 })
		b := s.AppendMessage(nil, websocket.MessageText, []byte("Hello, Wörld €"))
		b = s.AppendFragment(b, websocket.MessageBinary, bytes.Repeat([]byte("ab"), 100), false)
		b = s.AppendPing(b, []byte("ping"))
		b = s.AppendFragment(b, websocket.MessageBinary, nil, true)
		b = s.AppendMessage(b, websocket.MessageText, bytes.Repeat([]byte("Hello"), 100))
		b = s.AppendClose(b, websocket.StatusGoingAway, "bye")
		f.Add(flags, b, []byte{0})
		f.Add(flags, b[:len(b)-5], []byte{2, 0, 6})
		f.Add(flags, append(b[:len(b)-9:len(b)-9], 0xff, 0xff), []byte{10})
	}
	f.Add(byte(1), []byte("\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff"), []byte{})
	f.Add(byte(3), []byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte{3})
	f.Fuzz(func(t *testing.T, flags byte, stream, sizes []byte) {
		cfg := webSocketConfig(flags)
		want := webSocketEvents(t, cfg, stream, nil, false)
		for _, direct := range []bool{false, true} {
			if got := webSocketEvents(t, cfg, stream, sizes, direct); got != want {
				t.Fatalf("at once: %s\nin pieces: %s", want, got)
			}
		}
	})
}

// The peer's receiver receives every message that a sender sends, at once or in fragments.
func FuzzWebSocketSender(f *testing.F) {
	f.Add(byte(0), []byte("Hello"), []byte{1, 0})
	f.Add(byte(3), bytes.Repeat([]byte("compressible "), 50), []byte{100, 3})
	f.Add(byte(6), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, flags byte, message, sizes []byte) {
		message = message[:min(len(message), maxWebSocketMessage)]
		cfg := webSocketConfig(flags)
		s := websocket.NewSender(cfg, nil)
		stream := s.AppendMessage(nil, websocket.MessageBinary, message)
		rest := message
		for _, n := range sizes[:min(len(sizes), 60)] {
			k := min(int(n), len(rest))
			stream = s.AppendFragment(stream, websocket.MessageBinary, rest[:k], false)
			rest = rest[k:]
		}
		stream = s.AppendFragment(stream, websocket.MessageBinary, rest, true)
		cfg.Client = !cfg.Client
		line := fmt.Sprintf("binary %x\n", message)
		if got := webSocketEvents(t, cfg, stream, sizes, true); got != line+line {
			t.Fatalf("%x was received as %s", message, got)
		}
	})
}
