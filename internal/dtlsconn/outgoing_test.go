package dtlsconn

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

// The queue against a model: datagrams leave in order, and the oldest are dropped at a limit.
func TestOutgoingQueue(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var q outgoing
		var model [][]byte
		size, dropped := 0, uint64(0)
		buf := make([]byte, 0, 1<<14)
		for i := range uint32(5000) {
			if rng.IntN(5) < 2+int(i/1000%2) {
				d := binary.BigEndian.AppendUint32(make([]byte, rng.IntN(3000)), i)
				q.add(d)
				model, size = append(model, d), size+len(d)
				for len(model) > maxQueuedDatagrams || size > maxQueuedBytes {
					size -= len(model[0])
					model = model[1:]
					dropped++
				}
			} else {
				datagram, ok := q.transmit(append(buf, "before"...))
				require.Equal(t, len(model) > 0, ok, "seed %d", seed)
				require.Equal(t, "before", string(datagram[:6]))
				if ok {
					require.Equal(t, model[0], datagram[6:])
					size -= len(model[0])
					model = model[1:]
				}
			}
			require.EqualValues(t, len(model), q.length.Load())
			require.LessOrEqual(t, cap(q.bytes), 4*maxQueuedBytes)
			if i == 4000 {
				q.shrink()
			}
		}
		require.Equal(t, dropped, q.dropped, "seed %d", seed)
		require.NotZero(t, dropped)
		for _, want := range model {
			datagram, ok := q.transmit(nil)
			require.True(t, ok)
			require.Equal(t, want, datagram)
		}
		require.Nil(t, q.bytes, "an empty queue keeps nothing")
		q.add(nil)
		_, ok := q.transmit(nil)
		require.False(t, ok)
	}
}

func TestOutgoingQueueDoesNotAllocate(t *testing.T) {
	var q outgoing
	datagram, dst := make([]byte, 1200), make([]byte, 0, 1200)
	flight := func() {
		for range 8 {
			q.add(datagram)
		}
		for ok := true; ok; {
			_, ok = q.transmit(dst)
		}
	}
	flight()
	require.Zero(t, testing.AllocsPerRun(100, flight))
}

// Ready is called once until the queue is empty.
func TestReadyIsCalledOnce(t *testing.T) {
	var q outgoing
	calls := 0
	announce := func() { q.announce(func() { calls++ }) }
	announce()
	require.Zero(t, calls, "nothing is queued")
	for range 3 {
		q.add([]byte("datagram"))
		announce()
	}
	require.Equal(t, 1, calls)
	for range 2 {
		q.transmit(nil)
		announce()
	}
	require.Equal(t, 1, calls, "one is left")
	q.transmit(nil)
	q.add([]byte("datagram"))
	announce()
	require.Equal(t, 2, calls)
	q.transmit(nil)
	q.add([]byte("datagram"))
	q.silence()
	announce()
	require.Equal(t, 2, calls)
}

// For an owner that does not call Transmit, Ready is called once.
func TestNobodyTransmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		calls := 0
		client := newEndpoint(t, true, func(c *Config) {
			c.RetransmitInterval = 10 * time.Millisecond
			c.HandshakeTimeout = time.Hour
			c.MTU = minMTU
			c.Ready = func() {
				mu.Lock()
				defer mu.Unlock()
				calls++
			}
		})
		client.conn.Start()
		time.Sleep(30 * time.Minute)
		mu.Lock()
		require.Equal(t, 1, calls)
		mu.Unlock()
		first, ok := client.conn.Transmit(nil)
		require.True(t, ok)
		require.EqualValues(t, contentHandshake, first[0])
		client.conn.Close()
		client.conn.Wait()
	})
}

// lockedOwner has one lock, which it holds around all calls, and which Ready and the other
// callbacks take, and one function that sends.
type lockedOwner struct {
	conn               *Conn
	peer               *lockedOwner
	arrived            chan []byte
	handshaked, closed chan error

	mu       sync.Mutex
	received int
	finished bool // Finished was sent
	errors   []string
}

func newLockedOwner(t *testing.T, client bool, suite dtls.CipherSuiteID) *lockedOwner {
	o := &lockedOwner{arrived: make(chan []byte, 4096), handshaked: make(chan error, 1), closed: make(chan error, 1)}
	locked := func(f func()) {
		o.mu.Lock()
		defer o.mu.Unlock()
		f()
	}
	var err error
	o.conn, err = New(Config{
		Client: client, Certificate: testCertificate(t, certificate.ECDSA), CipherSuites: []uint16{uint16(suite)}, RetransmitInterval: time.Hour,
		Ready:      func() { locked(o.flush) },
		Handshaked: func(err error) { locked(func() { o.handshaked <- err }) },
		Data:       func([]byte) { locked(func() { o.received++ }) },
		Closed:     func(err error) { locked(func() { o.closed <- err }) },
	})
	require.NoError(t, err)
	return o
}

// flush sends the queued datagrams. It is called with mu held.
func (o *lockedOwner) flush() {
	for datagram, ok := o.conn.Transmit(nil); ok; datagram, ok = o.conn.Transmit(nil) {
		o.send(datagram)
	}
}

// send checks the order of the records, and is called with mu held.
func (o *lockedOwner) send(datagram []byte) {
	for _, r := range records(datagram) {
		switch {
		case r.epoch == epochApplication && r.contentType == contentHandshake:
			o.finished = true
		case r.epoch == epochApplication && !o.finished:
			o.errors = append(o.errors, "a record precedes Finished")
		}
	}
	o.peer.arrived <- datagram
}

// sendMessage sends application data by Seal or Write. It is called with mu held.
func (o *lockedOwner) sendMessage() error {
	if !o.conn.Fast() {
		defer o.flush()
		return o.conn.Write([]byte("message"))
	}
	datagram, err := o.conn.Seal(nil, []byte("message"))
	if err == nil {
		o.flush() // the last flight precedes
		o.send(datagram)
	}
	return err
}

func (o *lockedOwner) serve() {
	for datagram := range o.arrived {
		o.mu.Lock()
		o.conn.Receive(datagram, func([]byte) { o.received++ })
		o.flush()
		o.mu.Unlock()
	}
}

// An owner may hold its lock around all calls and take it in all callbacks. Finished precedes the
// application data, close_notify follows it.
func TestOwnerWithOneLock(t *testing.T) {
	for _, suite := range lastFlightSuites {
		t.Run(suite.String(), func(t *testing.T) {
			client, server := newLockedOwner(t, true, suite), newLockedOwner(t, false, suite)
			client.peer, server.peer = server, client
			owners := []*lockedOwner{client, server}
			var serving sync.WaitGroup
			for _, o := range owners {
				serving.Go(o.serve)
			}
			for _, o := range owners {
				o.mu.Lock()
				o.conn.Start()
				o.mu.Unlock()
			}
			const goroutines, messages = 4, 12 // in all fewer than maxEarlyDatagrams
			var sending sync.WaitGroup
			for _, o := range owners {
				require.NoError(t, want(t, o.handshaked, "Handshaked"))
				for range goroutines {
					sending.Go(func() {
						for range messages {
							o.mu.Lock()
							err := o.sendMessage()
							o.mu.Unlock()
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			sending.Wait()
			client.mu.Lock()
			client.conn.Close()
			client.flush()
			client.mu.Unlock()
			require.NoError(t, want(t, server.closed, "Closed"))
			for _, o := range owners {
				o.conn.Wait()
			}
			require.Equal(t, goroutines*messages, server.received, "all that was sent before close_notify")
			for _, o := range owners {
				o.mu.Lock()
				require.Empty(t, o.errors)
				o.mu.Unlock()
			}
			close(client.arrived)
			close(server.arrived)
			serving.Wait()
		})
	}
}
