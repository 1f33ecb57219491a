package dtlsconn

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

// maxIdleHeap is the largest heap of one established Conn, in bytes: two key schedules, the replay
// window, the peer's certificate and the Conn, with room for differences between processors. A
// pion/dtls connection is several times as large.
const maxIdleHeap = 6 << 10

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // pools keep unused buffers for one collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestIdleConnIsSmall(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	const pairs = 30
	establishQuietly(t, 2) // allocates the memory that all associations share
	goroutines, before := runtime.NumGoroutine(), heapInUse()
	conns := establishQuietly(t, pairs)
	wantGoroutines(t, goroutines)
	var perConn uint64
	// Goroutines of pion/dtls that are still ending refer to its connections.
	for deadline := time.Now().Add(testTimeout); ; time.Sleep(time.Millisecond) {
		perConn = (max(heapInUse(), before) - before) / (2 * pairs)
		if perConn < maxIdleHeap || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("%d bytes per established Conn", perConn)
	require.Less(t, perConn, uint64(maxIdleHeap))
	runtime.KeepAlive(conns)
}

// With a fast path nothing refers to connections of pion/dtls after the handshake, also not to the
// standby of a client.
func TestPionIsReleased(t *testing.T) {
	for _, id := range fastSuites {
		t.Run(CipherSuiteName(id), func(t *testing.T) {
			client, server := newEndpoint(t, true, func(c *Config) { c.CipherSuites = []uint16{id} }), newEndpoint(t, false, nil)
			connect(t, client, server)
			client.conn.Start() // both attempts wait for the server
			client.conn.mu.Lock()
			held := []weak.Pointer[dtls.Conn]{
				weak.Make(client.conn.attempt.inner), weak.Make(client.conn.standby.inner), weak.Make(server.conn.attempt.inner),
			}
			client.conn.mu.Unlock()
			for _, p := range held {
				require.NotNil(t, p.Value())
			}
			server.conn.Start()
			client.wantHandshaked()
			server.wantHandshaked()
			client.settle()
			server.settle()
			for i, p := range held {
				for deadline := time.Now().Add(testTimeout); p.Value() != nil; time.Sleep(time.Millisecond) {
					runtime.GC()
					require.True(t, time.Now().Before(deadline), "connection %d is still held", i)
				}
			}
			client.transmit([]byte("and all works"))
			server.wantData([]byte("and all works"))
		})
	}
}
