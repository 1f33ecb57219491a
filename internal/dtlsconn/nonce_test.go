package dtlsconn

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

// nonceRecorder counts the records of epochApplication that one side sends, and the repeated
// sequence numbers among them. It has a bit for each number, and no lock, so that goroutines
// contend for the sealer only.
type nonceRecorder struct {
	used     []atomic.Uint64 // bit set by sequence number
	total    atomic.Int64
	repeated atomic.Int64
	strange  atomic.Int64 // records with another explicit nonce, or a number beyond used
}

func newNonceRecorder(most int) *nonceRecorder {
	return &nonceRecorder{used: make([]atomic.Uint64, most/64+1)}
}

func (n *nonceRecorder) see(datagram []byte) {
	for {
		r, rest, ok := nextRecord(datagram)
		if !ok {
			return
		}
		datagram = rest
		if r.epoch != epochApplication {
			continue
		}
		n.total.Add(1)
		if r.sequence/64 >= uint64(len(n.used)) || binary.BigEndian.Uint64(r.fragment()) != 1<<48|r.sequence {
			n.strange.Add(1)
			continue
		}
		bit := uint64(1) << (r.sequence % 64)
		if n.used[r.sequence/64].Or(bit)&bit != 0 {
			n.repeated.Add(1)
		}
	}
}

// RFC 5288, section 3: "Each value of the nonce_explicit MUST be distinct for each distinct
// invocation of the GCM encrypt function for any fixed key." One key protects the Finished of
// pion/dtls, last flights that it retransmits before the handover and this package after it,
// application data of several goroutines, and close_notify: all sequence numbers must differ.
func TestNoNonceIsUsedTwice(t *testing.T) {
	t.Parallel()
	total := map[bool]int{true: 10_000_000, false: 1_000_000} // of the client, and of the server
	if race.Enabled {
		total = map[bool]int{true: 100_000, false: 50_000} // the detector is ten times slower
	}
	fast := func(c *Config) {
		c.RetransmitInterval = 5 * time.Millisecond
		c.CipherSuites = []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)} // its records contain the nonce
	}
	client, server := newEndpoint(t, true, fast), newEndpoint(t, false, fast)
	connect(t, client, server)
	seen := map[*endpoint]*nonceRecorder{client: newNonceRecorder(2 * total[true]), server: newNonceRecorder(2 * total[false])}

	// The first four of the server's last flights are lost, so that the client retransmits its own
	// and the server answers, while it sends application data.
	var toClient, toServer func([]byte)
	repeats, enough := 0, make(chan struct{})
	toClient = server.intercept(func(datagram []byte) {
		seen[server].see(datagram)
		if datagram[0] == contentChangeCipherSpec {
			if repeats++; repeats < 5 {
				return
			} else if repeats == 5 {
				close(enough)
			}
		}
		toClient(datagram)
	})
	toServer = client.intercept(func(datagram []byte) {
		seen[client].see(datagram)
		toServer(datagram)
	})
	client.conn.Start()
	server.conn.Start()

	const goroutines, perDatagram = 4, 25
	race := func(e *endpoint) {
		var racing sync.WaitGroup
		for range goroutines {
			racing.Go(func() {
				buf := make([]byte, 0, 1500)
				for range total[e == client] / goroutines / perDatagram {
					datagram := buf
					for range perDatagram {
						var err error
						if datagram, err = e.conn.Seal(datagram, []byte("message")); err != nil {
							t.Error(err)
							return
						}
					}
					seen[e].see(datagram)
				}
			})
		}
		racing.Wait()
	}
	server.wantHandshaked()
	race(server)
	want(t, enough, "fifth last flight")
	client.wantHandshaked()
	race(client)
	server.close()
	require.NoError(t, want(t, client.closed, "Closed"))

	for name, e := range map[string]*endpoint{"client": client, "server": server} {
		n := seen[e]
		require.Zero(t, n.repeated.Load(), name)
		require.Zero(t, n.strange.Load(), name)
		require.GreaterOrEqual(t, n.total.Load(), int64(total[e == client]+2), "%s: data, Finished, close_notify", name)
	}
	require.GreaterOrEqual(t, seen[server].total.Load(), int64(total[false]+6), "five times Finished")
}
