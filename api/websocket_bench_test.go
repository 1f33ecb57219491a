package rtc

import (
	"fmt"
	"testing"
)

// BenchmarkWebSocketEcho measures a message and its answer, with callbacks on both sides.
func BenchmarkWebSocketEcho(b *testing.B) {
	for _, size := range []int{125, 1024, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := webSocketPair(b, webSocketTuning{})
			server.OnMessage(func(m Message) { _ = server.Send(m.Data) })
			answered := make(chan struct{}, 1)
			client.OnMessage(func(Message) { answered <- struct{}{} })
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Send(message); err != nil {
					b.Fatal(err)
				}
				<-answered
			}
		})
	}
}

// BenchmarkWebSocketSend sends messages in one direction.
func BenchmarkWebSocketSend(b *testing.B) {
	for _, size := range []int{125, 1024, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := webSocketPair(b, webSocketTuning{})
			got, want := 0, 0
			done := make(chan struct{})
			server.OnMessage(func(m Message) {
				if got++; len(m.Data) == 0 {
					close(done)
				}
			})
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := client.WriteMessage(b.Context(), Message{Data: message}); err != nil {
					b.Fatal(err)
				}
				want++
			}
			if err := client.Send(nil); err != nil {
				b.Fatal(err)
			}
			<-done
			if got != want+1 {
				b.Fatalf("%d messages of %d", got, want+1)
			}
		})
	}
}
