package rtc

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkSetup measures the time from CreateDataChannel until the channel is open on both sides,
// over loopback, with signalling by function calls. It reports the median as median-ms.
func BenchmarkSetup(b *testing.B) {
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		p := newPair(b, Configuration{}, Configuration{})
		p.connect("setup", nil)
		times = append(times, time.Since(start))
		b.StopTimer()
		require.NoError(b, p.a.CloseAndWait())
		require.NoError(b, p.b.CloseAndWait())
		b.StartTimer()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
}

// BenchmarkThroughput sends messages of 64 KiB one way over loopback.
func BenchmarkThroughput(b *testing.B) {
	p := newPair(b, Configuration{}, Configuration{})
	from, to := p.connect("bulk", nil)
	const size = 65536
	done := make(chan struct{})
	received, want := 0, b.N
	to.OnMessage(func(Message) {
		if received++; received == want {
			close(done)
		}
	})
	message := make([]byte, size)
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		require.NoError(b, from.WriteMessage(b.Context(), Message{Data: message}))
	}
	receive(b, done, "end of the stream")
}

// BenchmarkPingPong measures the round trip of a small message through callbacks.
func BenchmarkPingPong(b *testing.B) {
	p := newPair(b, Configuration{}, Configuration{})
	from, to := p.connect("ping", nil)
	to.OnMessage(func(m Message) { _ = to.Send(m.Data) })
	pong := make(chan struct{}, 1)
	from.OnMessage(func(Message) { pong <- struct{}{} })
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		require.NoError(b, from.Send([]byte("ping")))
		<-pong
	}
}

// BenchmarkIdle reports the resources of an idle connection: bytes of heap and stacks, and
// goroutines.
func BenchmarkIdle(b *testing.B) {
	const pairs = 50
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		var all []*pair
		for range pairs {
			p := newPair(b, Configuration{}, Configuration{})
			p.connect("idle", nil)
			all = append(all, p)
		}
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(2*pairs), "heap-B/conn")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/(2*pairs), "stack-B/conn")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/(2*pairs), "goroutines/conn")
		for _, p := range all {
			require.NoError(b, p.a.CloseAndWait())
			require.NoError(b, p.b.CloseAndWait())
		}
	}
}
