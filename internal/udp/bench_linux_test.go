package udp

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the time that the process has used so far, in the kernel and outside.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoopback sends bursts of 1,200-byte datagrams, one Flush each, and waits until they have
// been received.
func BenchmarkLoopback(b *testing.B) {
	for _, burst := range []int{1, 10, 50, 200} {
		for _, level := range levels {
			b.Run(fmt.Sprintf("burst=%d/%s", burst, level.name), func(b *testing.B) {
				round := pingPong(b, level.options, 1200, burst)
				b.ReportAllocs()
				b.SetBytes(1200)
				b.ResetTimer()
				before := cpuTime(b)
				for sent := 0; sent < b.N; sent += burst {
					round()
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
