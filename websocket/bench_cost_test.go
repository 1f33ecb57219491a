package websocket

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

// loopStream is a stream that costs almost nothing: it returns the same bytes again and again, and
// discards writes.
type loopStream struct {
	net.Conn
	frames []byte
}

func (s *loopStream) Read(p []byte) (int, error)       { return copy(p, s.frames), nil }
func (s *loopStream) Write(p []byte) (int, error)      { return len(p), nil }
func (s *loopStream) Close() error                     { return nil }
func (s *loopStream) SetReadDeadline(time.Time) error  { return nil }
func (s *loopStream) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkReadWrite measures reading a message and sending it back, without the system calls, if
// 16 messages arrive together.
func BenchmarkReadWrite(b *testing.B) {
	for _, size := range []int{125, 1 << 10, 16 << 10} {
		for _, client := range []bool{false, true} {
			name := fmt.Sprintf("server/%d", size)
			if client {
				name = fmt.Sprintf("client/%d", size)
			}
			b.Run(name, func(b *testing.B) {
				sender := NewSender(Config{Client: !client}, nil)
				stream := &loopStream{}
				for range max(1, min(16, minStreamBuffer/(size+MaxFrameHeader))) {
					stream.frames = sender.AppendMessage(stream.frames, MessageBinary, make([]byte, size))
				}
				c := newConn(stream, connConfig{client: client})
				defer c.CloseNow()
				ctx := context.Background()
				var buf []byte
				b.ReportAllocs()
				for b.Loop() {
					_, message, err := c.ReadInto(ctx, buf)
					if err != nil || c.Write(ctx, MessageBinary, message) != nil {
						b.Fatal(err)
					}
					buf = message
				}
			})
		}
	}
}

// BenchmarkReceive measures receiving a message that is complete.
func BenchmarkReceive(b *testing.B) {
	for _, client := range []bool{false, true} {
		b.Run(map[bool]string{false: "server", true: "client"}[client], func(b *testing.B) {
			sender := NewSender(Config{Client: !client}, nil)
			frame := sender.AppendMessage(nil, MessageBinary, make([]byte, 125))
			r := NewReceiver(Config{Client: client})
			var m []byte
			for b.Loop() {
				m, _, _, _ = r.Receive(m[:0], frame)
			}
		})
	}
}

// BenchmarkSend measures building a frame.
func BenchmarkSend(b *testing.B) {
	for _, client := range []bool{false, true} {
		b.Run(map[bool]string{false: "server", true: "client"}[client], func(b *testing.B) {
			s := NewSender(Config{Client: client}, nil)
			p := make([]byte, 125)
			var m []byte
			for b.Loop() {
				m = s.AppendMessage(m[:0], MessageBinary, p)
			}
		})
	}
}
