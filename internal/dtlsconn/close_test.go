package dtlsconn

import (
	"runtime"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"
)

// wantGoroutines waits until there are no more than most goroutines. Those of pion/dtls end a
// moment after its Close.
func wantGoroutines(t *testing.T, most int) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); runtime.NumGoroutine() > most; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			require.FailNow(t, "goroutines left", "%s", stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// direct joins two endpoints by a network without permanent goroutines: each datagram is delivered
// by a goroutine of its own, in order.
func direct(a, b *endpoint) {
	pump := func(to *endpoint) func([]byte) {
		queue := make(chan []byte, 256)
		return func(datagram []byte) {
			queue <- datagram
			go func() { to.receive(<-queue) }()
		}
	}
	a.intercept(pump(b))
	b.intercept(pump(a))
}

// An established association with a fast path has no goroutine, and after Close none has one.
func TestGoroutines(t *testing.T) {
	for _, suite := range []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	} {
		t.Run(suite.String(), func(t *testing.T) {
			before := runtime.NumGoroutine()
			adjust := func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} }
			client, server := newEndpoint(t, true, adjust), newEndpoint(t, false, adjust)
			direct(client, server)
			client.conn.Start()
			server.conn.Start()
			client.wantHandshaked()
			server.wantHandshaked()
			if client.conn.Fast() {
				wantGoroutines(t, before)
			}
			client.close()
			client.close()
			require.NoError(t, want(t, server.closed, "Closed"))
			client.conn.Wait()
			server.conn.Wait()
			wantGoroutines(t, before)
		})
	}
}

func TestCloseAtAnyTime(t *testing.T) {
	before := runtime.NumGoroutine()

	// Before Start.
	client := newEndpoint(t, true, nil)
	client.close()
	client.conn.Start()
	require.ErrorIs(t, client.write(nil), ErrClosed)

	// During the handshake.
	client = newEndpoint(t, true, nil)
	client.conn.Start()
	client.close()
	require.ErrorIs(t, want(t, client.handshaked, "Handshaked"), ErrClosed)
	client.conn.Wait()
	client.receive([]byte{contentHandshake})
	require.EqualValues(t, 1, client.conn.Stats().Discarded)

	// From within Handshaked, when both sides have just finished.
	var closing *endpoint
	closing = newEndpoint(t, false, func(c *Config) {
		handshaked := c.Handshaked
		c.Handshaked = func(err error) {
			closing.close()
			handshaked(err)
		}
	})
	client = newEndpoint(t, true, nil)
	direct(client, closing)
	client.conn.Start()
	closing.conn.Start()
	closing.wantHandshaked()
	client.wantHandshaked()
	require.NoError(t, want(t, client.closed, "Closed"))
	closing.conn.Wait()
	client.conn.Wait()

	// From within data.
	client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
	direct(client, server)
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	server.settle()
	datagram := append(client.seal([]byte("bye")), client.seal([]byte("never seen"))...)
	calls := 0
	server.mu.Lock()
	server.conn.Receive(datagram, func([]byte) {
		calls++
		server.close()
	})
	server.mu.Unlock()
	require.Equal(t, 1, calls)
	require.NoError(t, want(t, client.closed, "Closed"))
	client.conn.Wait()
	server.conn.Wait()
	wantGoroutines(t, before)
}

// RFC 5246, section 7.2.1: "The other party MUST respond with a close_notify alert of its own".
func TestCloseNotifyIsAnswered(t *testing.T) {
	client, server := newPair(t, nil)
	answers := make(chan []byte, 4)
	server.intercept(func(datagram []byte) { answers <- datagram })
	client.close()
	answer := records(want(t, answers, "answer"))
	require.Len(t, answer, 1)
	require.EqualValues(t, contentAlert, answer[0].contentType)
	require.NoError(t, want(t, server.closed, "Closed"))
}

func TestFatalAlertAndWarnings(t *testing.T) {
	client, server := newPair(t, nil)
	tx := client.conn.tx.Load()
	for _, alert := range [][]byte{{alertWarning, 100}, {alertWarning}, {}, {alertFatal, 80, 1}} {
		datagram, err := tx.seal(nil, contentAlert, alert)
		require.NoError(t, err)
		server.receive(datagram)
	}
	require.Empty(t, server.closed)
	datagram, err := tx.seal(nil, contentAlert, []byte{alertFatal, 80})
	require.NoError(t, err)
	server.receive(datagram)
	var alert *AlertError
	require.ErrorAs(t, want(t, server.closed, "Closed"), &alert)
	require.EqualValues(t, 80, alert.Description)
	require.ErrorContains(t, alert, "InternalError")
}

// RFC 5246, section 7.4.1.1: a HelloRequest may be ignored. So are all messages of a renegotiation.
func TestRenegotiationIsIgnored(t *testing.T) {
	client, server := newPair(t, nil)
	tx := client.conn.tx.Load()
	for _, message := range [][]byte{{}, {0, 0, 0, 0}, {1, 0, 0, 40, 0, 0}} {
		datagram, err := tx.seal(nil, contentHandshake, message)
		require.NoError(t, err)
		server.receive(datagram)
	}
	require.EqualValues(t, 3, server.conn.Stats().Discarded)
	require.Zero(t, server.conn.Stats().FlightsRepeated)
	client.transmit([]byte("go on"))
	server.wantData([]byte("go on"))
}

// RFC 5246, section 7.2.1: "Any data received after a closure alert is ignored". All data before it
// is delivered.
func TestLastRecordBeforeTheEndIsDelivered(t *testing.T) {
	for range 10 {
		leave := make(chan struct{})
		client, server := newPair(t, func(c *Config) {
			c.CipherSuites = []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA)}
			if data := c.Data; c.Client {
				c.Data = func(plaintext []byte) {
					data(plaintext)
					<-leave
				}
			}
		})
		server.transmit([]byte("first"))
		server.transmit([]byte("last"))
		server.close()
		client.wantData([]byte("first"))
		time.Sleep(2 * time.Millisecond) // pion/dtls has probably read close_notify; the test holds if not
		close(leave)
		client.wantData([]byte("last"))
		require.NoError(t, want(t, client.closed, "Closed"))
	}
}
