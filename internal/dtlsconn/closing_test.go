package dtlsconn

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"
)

// RFC 5246, section 7.2.1: "Any data received after a closure alert is ignored." Data sent before
// it arrives, also while the other side is sending, and Closed is called once.
func TestCloseWhileDataIsInFlight(t *testing.T) {
	for _, suite := range lastFlightSuites {
		for _, clientCloses := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/clientCloses=%v", suite, clientCloses), func(t *testing.T) {
				client, server := newPair(t, func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} })
				closer, other := client, server
				if !clientCloses {
					closer, other = server, client
				}
				// The other side sends until it gets an error.
				var flood sync.WaitGroup
				started := make(chan struct{})
				flood.Go(func() {
					for i := 0; ; i++ {
						if i == 100 {
							close(started)
						}
						var datagram []byte
						var err error
						if other.conn.Fast() {
							other.mu.Lock()
							datagram, err = other.conn.Seal(nil, []byte("flood"))
							other.mu.Unlock()
							if err == nil {
								other.output(datagram)
							}
						} else {
							err = other.write([]byte("flood"))
						}
						if err != nil {
							if !errors.Is(err, ErrClosed) && other.conn.Fast() {
								t.Error(err)
							}
							return
						}
					}
				})
				// The callback Data must not block while the flood is not read.
				drained := make(chan struct{})
				go func() {
					for range closer.data {
						select {
						case <-drained:
							return
						default:
						}
					}
				}()
				t.Cleanup(func() { close(drained); closer.data <- nil })

				want(t, started, "flood")
				const count = 200
				for i := range count {
					closer.transmit(fmt.Appendf(nil, "last words %d", i))
				}
				closer.close()
				for i := range count {
					other.wantData(fmt.Appendf(nil, "last words %d", i))
				}
				require.NoError(t, want(t, other.closed, "Closed"))
				flood.Wait()
				other.conn.Wait()
				require.Empty(t, other.closed, "called once")
				require.Empty(t, closer.closed, "a local Close reports nothing")
				require.Error(t, other.write([]byte("late")))
			})
		}
	}
}

// Both sides close at the same time, with data in flight.
func TestBothClose(t *testing.T) {
	for _, suite := range lastFlightSuites {
		t.Run(suite.String(), func(t *testing.T) {
			client, server := newPair(t, func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} })
			var closing sync.WaitGroup
			client.transmit([]byte("bye"))
			server.transmit([]byte("bye"))
			for _, e := range []*endpoint{client, server} {
				closing.Go(e.close)
			}
			closing.Wait()
			for _, e := range []*endpoint{client, server} {
				e.conn.Wait()
				require.ErrorIs(t, e.write([]byte("late")), ErrClosed)
				require.LessOrEqual(t, len(e.closed), 1)
			}
		})
	}
}

// RFC 6347, section 4.1: "implementations MUST either abandon an association or rehandshake prior
// to allowing the sequence number to wrap". Several goroutines use the last numbers: each number is
// used once, none beyond the last, and the last is that of close_notify.
func TestExhaustionByRacingGoroutines(t *testing.T) {
	eachFastSuite(t, func(t *testing.T, id uint16) {
		const left, goroutines = 1000, 4
		client, server := newPair(t, func(c *Config) { c.CipherSuites = []uint16{id} })
		sent := make(chan []byte, 16)
		client.intercept(func(datagram []byte) { sent <- datagram })
		tx := client.conn.tx.Load()
		tx.mu.Lock()
		tx.next = maxSequence - left
		tx.mu.Unlock()

		var mu sync.Mutex
		used := map[uint64]int{}
		var racing sync.WaitGroup
		for range goroutines {
			racing.Go(func() {
				for {
					datagram, err := client.conn.Seal(nil, []byte("x"))
					if err != nil {
						if !errors.Is(err, ErrSequenceExhausted) && !errors.Is(err, ErrClosed) || len(datagram) > 0 {
							t.Error(err, len(datagram))
						}
						return
					}
					mu.Lock()
					used[records(datagram)[0].sequence]++
					mu.Unlock()
				}
			})
		}
		racing.Wait()
		client.drain()
		require.Len(t, used, left)
		for i := range uint64(left) {
			require.Equal(t, 1, used[maxSequence-left+i])
		}
		require.ErrorIs(t, want(t, client.closed, "Closed"), ErrSequenceExhausted)
		closeNotify := want(t, sent, "close_notify")
		require.Len(t, records(closeNotify), 1)
		require.EqualValues(t, contentAlert, records(closeNotify)[0].contentType)
		require.Equal(t, maxSequence, records(closeNotify)[0].sequence)
		require.Equal(t, maxSequence+1, tx.next, "past the end, where nothing is sealed")

		server.receive(closeNotify)
		require.NoError(t, want(t, server.closed, "Closed"))

		// The sealer seals nothing more, also if it were not closed.
		for _, contentType := range []byte{contentApplicationData, contentAlert, contentHandshake} {
			tx.closed = false
			_, err := tx.seal(nil, contentType, []byte{1, 0})
			require.ErrorIs(t, err, ErrSequenceExhausted)
		}
		require.Empty(t, sent)
	})
}

// No last flight is repeated when the sequence numbers of the plaintext epoch are used.
func TestExhaustionOfTheHandshakeEpoch(t *testing.T) {
	tx, _, _, _ := newProtection(t, uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
	f := lastFlight{finished: []byte{handshakeFinished}, next: maxSequence}
	flight, ok := f.append(nil, tx)
	require.True(t, ok)
	require.Equal(t, maxSequence, records(flight)[0].sequence)
	flight, ok = f.append(nil, tx)
	require.False(t, ok)
	require.Empty(t, flight)
}
