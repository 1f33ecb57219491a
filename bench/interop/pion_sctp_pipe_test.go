package interop_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	pionsctp "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// lossyEnd is one end of a pipe in memory that loses, duplicates and reorders datagrams. It is a net.Conn, as pion
// requires.
type lossyEnd struct {
	peer *lossyEnd

	sending sync.Mutex
	random  *rand.Rand
	network lossyNetwork

	mu       sync.Mutex
	inbox    [][]byte
	arrived  chan struct{} // closed and replaced to wake readers
	closed   bool
	deadline time.Time
}

var _ net.Conn = (*lossyEnd)(nil)

// lossyNetwork has the probabilities that a datagram is lost, duplicated, and delayed by 2 ms.
type lossyNetwork struct{ loss, duplicate, reorder float64 }

// maxInbox is the number of datagrams that an end buffers. Further ones are lost, as in a socket.
const maxInbox = 512

func newLossyPipe(seed uint64, network lossyNetwork) (a, b *lossyEnd) {
	a = &lossyEnd{network: network, random: rand.New(rand.NewPCG(seed, 1)), arrived: make(chan struct{})}
	b = &lossyEnd{network: network, random: rand.New(rand.NewPCG(seed, 2)), arrived: make(chan struct{})}
	a.peer, b.peer = b, a
	return a, b
}

func (e *lossyEnd) Write(p []byte) (int, error) {
	e.sending.Lock()
	defer e.sending.Unlock()
	copies := 1
	switch x := e.random.Float64(); {
	case x < e.network.loss:
		copies = 0
	case x < e.network.loss+e.network.duplicate:
		copies = 2
	}
	for range copies {
		datagram := bytes.Clone(p)
		if e.random.Float64() < e.network.reorder {
			time.AfterFunc(2*time.Millisecond, func() { e.peer.arrive(datagram) })
		} else {
			e.peer.arrive(datagram)
		}
	}
	return len(p), nil
}

func (e *lossyEnd) arrive(datagram []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed && len(e.inbox) < maxInbox {
		e.inbox = append(e.inbox, datagram)
		e.wake()
	}
}

// wake wakes all readers. It is called with mu held.
func (e *lossyEnd) wake() {
	close(e.arrived)
	e.arrived = make(chan struct{})
}

func (e *lossyEnd) Read(p []byte) (int, error) {
	for {
		e.mu.Lock()
		switch {
		case e.closed:
			e.mu.Unlock()
			return 0, net.ErrClosed
		case !e.deadline.IsZero() && !time.Now().Before(e.deadline):
			e.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(e.inbox) > 0:
			n := copy(p, e.inbox[0])
			e.inbox = e.inbox[1:]
			e.mu.Unlock()
			return n, nil
		}
		arrived := e.arrived
		var expired <-chan time.Time
		if !e.deadline.IsZero() {
			expired = time.After(time.Until(e.deadline))
		}
		e.mu.Unlock()
		select {
		case <-arrived:
		case <-expired:
		}
	}
}

func (e *lossyEnd) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.wake()
	return nil
}

func (e *lossyEnd) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline = t
	e.wake()
	return nil
}

func (e *lossyEnd) SetWriteDeadline(time.Time) error { return nil }
func (e *lossyEnd) SetDeadline(t time.Time) error    { return e.SetReadDeadline(t) }
func (e *lossyEnd) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (e *lossyEnd) RemoteAddr() net.Addr             { return &net.UDPAddr{} }

// sctpEnd drives our association over one end of the pipe, like an application of package sctp.
type sctpEnd struct {
	t    *testing.T
	conn *lossyEnd

	mu       sync.Mutex
	a        *sctp.Association
	timer    *time.Timer
	buf      []byte
	messages []sctp.Message // with copies of the data
	events   []sctp.Event
	changed  chan struct{} // closed and replaced after each input
	finished sync.WaitGroup
}

func newSCTPEnd(t *testing.T, conn *lossyEnd, config sctp.Config) *sctpEnd {
	a, err := sctp.New(config)
	require.NoError(t, err)
	e := &sctpEnd{t: t, conn: conn, a: a, changed: make(chan struct{})}
	e.timer = time.AfterFunc(time.Hour, func() { e.input(e.a.Advance) })
	e.finished.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			e.input(func(now time.Time) { e.a.Receive(now, buf[:n]) })
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		e.finished.Wait()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.timer.Stop()
		stats := e.a.Stats()
		require.Zero(t, stats.ChecksumErrors)
		require.Zero(t, stats.ChunksInvalid)
		require.Zero(t, stats.ErrorsReceived)
	})
	return e
}

// input calls f, and then handles the events and messages, sends the packets, and sets the timer.
func (e *sctpEnd) input(f func(now time.Time)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	f(now)
	for {
		event, ok := e.a.Event()
		if !ok {
			break
		}
		e.events = append(e.events, event)
	}
	for {
		m, ok := e.a.ReadMessage()
		if !ok {
			break
		}
		copied := m
		copied.Data = bytes.Clone(m.Data)
		e.messages = append(e.messages, copied)
		e.a.Release(now, &m)
	}
	for {
		packet, ok := e.a.Transmit(now, e.buf[:0])
		if !ok {
			break
		}
		e.buf = packet
		_, _ = e.conn.Write(packet)
	}
	if d := e.a.Deadline(); !d.IsZero() {
		e.timer.Reset(max(time.Until(d), 0))
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// until waits until done returns true. It calls done with mu held, after each input.
func (e *sctpEnd) until(what string, done func() bool) {
	e.t.Helper()
	limit := time.After(pionPatience)
	for {
		e.mu.Lock()
		ok, changed := done(), e.changed
		state, stats := e.a.State(), e.a.Stats()
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			e.t.Fatalf("not within %v: %s; the association is %v: %+v", pionPatience, what, state, stats)
		}
	}
}

// streams returns the numbers of outgoing and of incoming streams.
func (e *sctpEnd) streams() [2]uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out, in := e.a.Streams()
	return [2]uint16{out, in}
}

// event waits for an event of a kind, removes the first one, and returns it.
func (e *sctpEnd) event(what string, kind sctp.EventKind) (event sctp.Event) {
	e.t.Helper()
	e.until(what, func() bool {
		for i, candidate := range e.events {
			if candidate.Kind == kind {
				event, e.events = candidate, slices.Delete(e.events, i, i+1)
				return true
			}
		}
		return false
	})
	return event
}

// next waits for a message, removes it, and returns it.
func (e *sctpEnd) next(what string) (m sctp.Message) {
	e.t.Helper()
	e.until(what, func() bool {
		if len(e.messages) == 0 {
			return false
		}
		m, e.messages = e.messages[0], e.messages[1:]
		return true
	})
	return m
}

// send sends a message. It waits while sendAhead bytes or more are buffered.
func (e *sctpEnd) send(stream uint16, data []byte, options sctp.SendOptions) {
	e.t.Helper()
	e.until("space in the send buffer", func() bool {
		err := sctp.ErrSendBufferFull
		if e.a.BufferedAmount() < sendAhead {
			err = e.a.Send(time.Now(), stream, ppidBinary, data, options)
		}
		if err != nil && !errors.Is(err, sctp.ErrSendBufferFull) {
			e.t.Errorf("send %d bytes on stream %d: %v", len(data), stream, err)
			return true
		}
		return err == nil
	})
	e.input(func(time.Time) {}) // transmit it
}

// sendAhead is the amount that the tests buffer in our association, in bytes.
const sendAhead = 512 << 10

const ppidBinary = uint32(pionsctp.PayloadTypeWebRTCBinary)
