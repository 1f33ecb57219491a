package dtlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

// testTimeout is long: it only ends tests that fail.
const testTimeout = 30 * time.Second

// testCertificate returns a certificate that is generated once for all tests: RSA keys are slow.
func testCertificate(t testing.TB, kind certificate.Kind) tls.Certificate {
	t.Helper()
	makers := map[certificate.Kind]func() (tls.Certificate, error){
		certificate.ECDSA: ecdsaCertificate, certificate.RSA: rsaCertificate,
	}
	certificate, err := makers[kind]()
	require.NoError(t, err)
	return certificate
}

var (
	ecdsaCertificate = sync.OnceValues(func() (tls.Certificate, error) {
		return certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
	})
	rsaCertificate = sync.OnceValues(func() (tls.Certificate, error) {
		return certificate.Generate(certificate.RSA, time.Now(), rand.Reader)
	})
)

// endpoint is a Conn with an owner, which has a lock around Receive and Seal. Callbacks send to
// channels.
type endpoint struct {
	t    testing.TB
	conn *Conn

	mu sync.Mutex // the owner's lock

	handshaked chan error
	data       chan []byte
	closed     chan error

	draining sync.Mutex // keeps the order of the datagrams of Transmit

	wireMu sync.Mutex
	send   func(datagram []byte) // called with each outgoing datagram
}

// newEndpoint makes an endpoint; adjust changes the configuration.
func newEndpoint(t testing.TB, client bool, adjust func(*Config)) *endpoint {
	t.Helper()
	e := &endpoint{
		t:          t,
		handshaked: make(chan error, 2),
		data:       make(chan []byte, 1024),
		closed:     make(chan error, 2),
		send:       func([]byte) {},
	}
	cfg := Config{
		Client:      client,
		Certificate: testCertificate(t, certificate.ECDSA),
		Ready:       e.drain,
		Handshaked:  func(err error) { e.handshaked <- err },
		Data:        e.received,
		Closed:      func(err error) { e.closed <- err },
	}
	if adjust != nil {
		adjust(&cfg)
	}
	conn, err := New(cfg)
	require.NoError(t, err)
	e.conn = conn
	t.Cleanup(func() {
		e.close()
		conn.Wait()
	})
	return e
}

// drain sends the queued datagrams.
func (e *endpoint) drain() {
	e.draining.Lock()
	defer e.draining.Unlock()
	for {
		datagram, ok := e.conn.Transmit(nil)
		if !ok {
			return
		}
		e.output(datagram)
	}
}

// close closes the connection, and sends close_notify.
func (e *endpoint) close() {
	e.conn.Close()
	e.drain()
}

// write calls Write.
func (e *endpoint) write(plaintext []byte) error {
	defer e.drain()
	return e.conn.Write(plaintext)
}

func (e *endpoint) received(plaintext []byte) { e.data <- bytes.Clone(plaintext) }

func (e *endpoint) output(datagram []byte) {
	e.wireMu.Lock()
	send := e.send
	e.wireMu.Unlock()
	send(bytes.Clone(datagram))
}

// intercept replaces the function that sends datagrams, and returns the one before.
func (e *endpoint) intercept(send func(datagram []byte)) (before func(datagram []byte)) {
	e.wireMu.Lock()
	defer e.wireMu.Unlock()
	before, e.send = e.send, send
	return before
}

func (e *endpoint) receive(datagram []byte) {
	e.mu.Lock()
	e.conn.Receive(datagram, e.received)
	e.mu.Unlock()
	e.drain()
}

// transmit sends application data by Seal or Write, depending on the cipher suite.
func (e *endpoint) transmit(plaintext []byte) {
	e.t.Helper()
	if !e.conn.Fast() {
		require.NoError(e.t, e.write(plaintext))
		return
	}
	datagram := e.seal(plaintext)
	e.drain()
	e.output(datagram)
}

func (e *endpoint) seal(plaintext []byte) []byte {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	datagram, err := e.conn.Seal(nil, plaintext)
	require.NoError(e.t, err)
	return datagram
}

func (e *endpoint) wantHandshaked() {
	e.t.Helper()
	require.NoError(e.t, want(e.t, e.handshaked, "Handshaked"))
}

func (e *endpoint) wantData(plaintext []byte) {
	e.t.Helper()
	require.Equal(e.t, plaintext, want(e.t, e.data, "Data"))
}

func want[T any](t testing.TB, from chan T, name string) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(testTimeout):
		require.FailNow(t, "no "+name)
	}
	return value
}

// lane delivers datagrams in order from one goroutine, like the reader of a socket.
type lane chan []byte

func newLane(t testing.TB, deliver func([]byte)) lane {
	l := make(lane, 4096)
	var done sync.WaitGroup
	done.Go(func() {
		for datagram := range l {
			deliver(datagram)
		}
	})
	t.Cleanup(func() {
		close(l)
		done.Wait()
	})
	return l
}

func (l lane) send(datagram []byte) { l <- datagram }

// connect joins two endpoints by a network without loss.
func connect(t testing.TB, a, b *endpoint) {
	ab, ba := newLane(t, b.receive), newLane(t, a.receive)
	a.intercept(ab.send)
	b.intercept(ba.send)
	// Cleanups run last in, first out: the connections must not send after the lanes are closed.
	t.Cleanup(func() {
		for _, e := range []*endpoint{a, b} {
			e.close()
			e.conn.Wait()
		}
		for _, e := range []*endpoint{a, b} {
			e.draining.Lock() // a lane may be draining
			e.intercept(func([]byte) {})
			e.draining.Unlock()
		}
	})
}

// newPair returns a client and a server that are established. The network between them has no loss,
// and the retransmission timeout is long, so that nothing is retransmitted on a slow machine, and
// counters count the actions of the test.
func newPair(t testing.TB, adjustment func(*Config)) (client, server *endpoint) {
	t.Helper()
	adjust := func(c *Config) {
		c.RetransmitInterval = time.Hour
		if adjustment != nil {
			adjustment(c)
		}
	}
	client, server = newEndpoint(t, true, adjust), newEndpoint(t, false, adjust)
	connect(t, client, server)
	server.conn.Start()
	client.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	client.settle()
	server.settle()
	return client, server
}

// settle waits until Receive keeps no datagram for later any more, which is a moment after
// Handshaked.
func (e *endpoint) settle() {
	settled := func() bool {
		if e.conn.Fast() {
			return e.conn.rx.Load() != nil
		}
		e.conn.mu.Lock()
		defer e.conn.mu.Unlock()
		return e.conn.slow || e.conn.state == stateClosed
	}
	for deadline := time.Now().Add(testTimeout); !settled() && time.Now().Before(deadline); {
		runtime.Gosched()
	}
}

// records returns the records of a datagram.
func records(datagram []byte) (all []record) {
	for {
		r, rest, ok := nextRecord(datagram)
		if !ok {
			return all
		}
		all, datagram = append(all, r), rest
	}
}
