package rtc

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/race"
)

// maxKeptAfterTraffic is the number of bytes of heap that a connection may use more after a
// transfer than before it: the maps and ring buffers of a few elements, far less than one buffer
// for the packets of a batch.
const maxKeptAfterTraffic = 2 << 10

// heapInUse returns the bytes of live objects. A pool drops a buffer that was not used between two
// garbage collections.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A connection that has carried traffic releases its buffers when it is idle again.
func TestIdleConnectionGivesItsMemoryBack(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector keeps memory of its own")
	}
	const pairs = 12
	// The timer of ICE's consent checks, whose interval is 5 s otherwise, notices that a connection
	// is idle.
	config := withCUBIC()
	tune := tuning{ice: ice.Config{ConsentInterval: 50 * time.Millisecond, UnusedTimeout: time.Millisecond}}
	var all []*pair
	var channels [][2]*DataChannel
	for range pairs {
		p := newTunedPair(t, config, config, tune)
		a, b := p.connect("x", nil)
		// The first message allocates the ring buffers and maps that hold one element.
		exchange(t, a, b, Message{Data: []byte("first")})
		exchange(t, b, a, Message{Data: []byte("first")})
		all, channels = append(all, p), append(channels, [2]*DataChannel{a, b})
	}
	// Connections that were just established still release memory.
	before := heapInUse()
	for lower := before; ; before = lower {
		time.Sleep(200 * time.Millisecond)
		if lower = heapInUse(); lower >= before {
			break
		}
	}

	for _, c := range channels {
		for _, from := range c {
			to := c[0]
			if from == to {
				to = c[1]
			}
			done := make(chan struct{})
			received := 0
			const count, size = 40, 30_000
			to.OnMessage(func(Message) {
				if received++; received == count {
					close(done)
				}
			})
			for range count {
				require.NoError(t, from.Send(make([]byte, size)))
			}
			receive(t, done, "end of the stream")
			to.OnMessage(nil)
		}
	}
	var kept int64
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		kept = (heapInUse() - before) / (2 * pairs)
		if kept < maxKeptAfterTraffic || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("%d bytes more for each connection", kept)
	require.Less(t, kept, int64(maxKeptAfterTraffic))
	runtime.KeepAlive(all)
}
