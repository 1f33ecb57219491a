package sctp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Conn is an association that runs over a transport of packets: it reads, writes and keeps time,
// and its methods block. All of them are safe for concurrent use.
//
// A Conn has one goroutine, which reads the transport into a buffer of 64 KiB, and one timer.
// Packets are written by the goroutine that causes them. Connect and Accept return a Conn; the zero
// value is a closed one.
type Conn struct {
	transport io.ReadWriteCloser
	onEvent   func(Event)
	done      chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	a       *Association
	timer   *time.Timer
	timerAt time.Time // when it fires; zero: never
	packet  []byte    // memory for the packet being written
	writing bool      // a goroutine is in transport.Write
	stopped bool      // transport.Close was called
	stopErr error     // its error
	// transportClosed is closed when transport.Close has returned. It guards stopErr.
	transportClosed chan struct{}

	connected bool
	closed    bool  // EventClosed came
	err       error // of EventClosed; ErrClosed for the zero value
	restarted bool  // Receive has not reported it yet
	resets    map[uint16]*pendingReset

	readable, writable, changed signal
	written                     signal // writing has become false
}

// ConnConfig holds the settings of a [Conn]. The zero value works.
type ConnConfig struct {
	Config

	// OnEvent is called with each event of the association, in order, except EventStreamReset,
	// which Receive reports. The Conn is locked meanwhile: OnEvent must return at once, and not
	// call any method of the Conn. Default: none.
	OnEvent func(Event)
}

// signal wakes the goroutines that wait for a change. The mutex of the Conn protects it.
type signal struct{ ch chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) broadcast() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// pendingReset is a ResetStream that waits for the peer's answer.
type pendingReset struct {
	done chan struct{}
	err  error
}

// ErrRestarted is returned once by [Conn.Receive] after the peer has restarted the association (RFC
// 9260, section 5.2.4, action A). Unacknowledged messages are lost, and all streams are in their
// initial state. The Conn remains usable.
var ErrRestarted = errors.New("sctp: the peer has restarted the association")

// StreamResetError is returned by [Conn.Receive] in place of a message: the peer has reset its
// outgoing stream, as WebRTC does to close a data channel. The messages before it are of the old
// stream, those after it of the new one. It is not the end of the Conn.
type StreamResetError struct {
	Stream uint16
}

func (e *StreamResetError) Error() string {
	return fmt.Sprintf("sctp: the peer has reset stream %d", e.Stream)
}

// closedError is ErrClosed with the reason of the end.
type closedError struct{ reason error }

func (e *closedError) Error() string {
	return ErrClosed.Error() + ": " + strings.TrimPrefix(e.reason.Error(), "sctp: ")
}

func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.reason} }

// Connect establishes an association over the transport as the side that begins (RFC 9260, section
// 5.1), and blocks until that is done. The other side calls Accept, or Connect at the same time, as
// both do in WebRTC.
//
// Each Write of the transport must send one packet, and each Read receive one, as those of a
// connected UDP socket or a DTLS connection do. Packets may be lost, duplicated and reordered.
// Write must not wait until the peer reads; it may drop the packet instead. Close must end a
// waiting Read. Errors of Write, and errors of Read other than io.EOF that do not persist, count as
// lost packets.
//
// The Conn owns the transport and closes it, also if Connect fails. If ctx ends first, the error
// matches its cause. Other errors are a *[ConfigError], and those that match [ErrClosed] and the
// reason: ErrHandshakeTimeout, ErrStaleCookie, an *[AbortError], or an error of the transport.
func Connect(ctx context.Context, transport io.ReadWriteCloser, config ConnConfig) (*Conn, error) {
	return newConn(ctx, transport, config, (*Association).Connect)
}

// Accept waits for the peer's Connect and establishes the association. It is otherwise like
// [Connect].
func Accept(ctx context.Context, transport io.ReadWriteCloser, config ConnConfig) (*Conn, error) {
	return newConn(ctx, transport, config, func(*Association, time.Time) {})
}

func newConn(ctx context.Context, transport io.ReadWriteCloser, config ConnConfig, begin func(*Association, time.Time)) (*Conn, error) {
	a, err := New(config.Config)
	if err != nil {
		_ = transport.Close()
		return nil, err
	}
	c := &Conn{transport: transport, onEvent: config.OnEvent, a: a, done: make(chan struct{}),
		transportClosed: make(chan struct{}), resets: make(map[uint16]*pendingReset)}
	c.timer = time.AfterFunc(time.Hour, c.timeout)
	c.timer.Stop()
	c.mu.Lock()
	go c.read()
	begin(a, time.Now())
	c.update()
	for err == nil && !c.connected && !c.closed {
		err = c.wait(ctx, &c.changed)
	}
	if err == nil && !c.connected {
		err = c.endError()
	}
	c.mu.Unlock()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// lock locks the Conn, and makes the zero value a closed Conn.
func (c *Conn) lock() {
	c.mu.Lock()
	if c.a == nil {
		c.a, c.closed, c.stopped, c.err = new(Association), true, true, ErrClosed
	}
}

// wait unlocks the Conn until there is a signal or ctx ends.
func (c *Conn) wait(ctx context.Context, s *signal) error {
	ch := s.wait()
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// contextError returns why ctx has ended, nil if it has not.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != err {
		return fmt.Errorf("sctp: %w: %w", err, cause)
	}
	return fmt.Errorf("sctp: %w", err)
}

// endError returns ErrClosed with the reason of the end.
func (c *Conn) endError() error {
	if c.err == nil || c.err == ErrClosed {
		return ErrClosed
	}
	return &closedError{c.err}
}

// Send sends a message on a stream, with a payload protocol identifier that has no meaning to SCTP.
// While the send buffer is full, it blocks until there is room or ctx ends; the message is taken
// whole or not at all. Its Lifetime includes that time. data is copied.
//
// Send does not wait for the acknowledgement; see [Conn.Flush]. The errors are those of
// [Association.Send] except ErrSendBufferFull, and the cause of ctx. After the end they match
// [ErrClosed] and the reason, if it was not a graceful shutdown.
func (c *Conn) Send(ctx context.Context, stream uint16, ppid uint32, data []byte, options SendOptions) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	if now := time.Now(); options.Since.IsZero() || options.Since.After(now) {
		options.Since = now
	}
	c.lock()
	defer c.mu.Unlock()
	for {
		err := c.a.Send(time.Now(), stream, ppid, data, options)
		c.update()
		switch {
		case err == ErrClosed && c.closed:
			return c.endError()
		case err != ErrSendBufferFull:
			return err
		}
		if err := c.wait(ctx, &c.writable); err != nil {
			return err
		}
	}
}

// Receive returns the next message; it blocks until there is one or ctx ends. The reader passes
// each message to [Conn.Release] when it is done with it: until then the message counts against the
// receive window, and a reader that stops receiving or releasing makes the peer stop sending.
//
// Two errors take the place of a message and are not the end: *[StreamResetError] and
// [ErrRestarted]. Messages that arrived whole before the end are returned first. Then the error is
// io.EOF after a graceful shutdown by either side; otherwise it matches [ErrClosed] and the reason.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	if err := contextError(ctx); err != nil {
		return Message{}, err
	}
	c.lock()
	defer c.mu.Unlock()
	for {
		if c.restarted {
			c.restarted = false
			return Message{}, ErrRestarted
		}
		if m, ok := c.a.ReadMessage(); ok {
			return m, nil
		}
		switch e, ok := c.a.Event(); {
		case ok && e.Kind == EventStreamReset:
			return Message{}, &StreamResetError{e.Stream}
		case ok:
			c.handle(e)
			continue
		case c.closed && c.err == nil:
			return Message{}, io.EOF
		case c.closed:
			return Message{}, c.endError()
		}
		if err := c.wait(ctx, &c.readable); err != nil {
			return Message{}, err
		}
	}
}

// Release returns the memory of a message, whose Data must not be used afterwards, and reopens the
// receive window by its charge.
func (c *Conn) Release(m *Message) {
	c.lock()
	defer c.mu.Unlock()
	c.a.Release(time.Now(), m)
	c.update()
}

// ResetStream resets the outgoing stream id when everything sent on it is acknowledged (RFC 6525),
// and blocks until the peer has confirmed that or ctx ends; the reset then continues. Errors are
// those of [Association.ResetStream], ErrResetDenied and ErrRestarted.
func (c *Conn) ResetStream(ctx context.Context, id uint16) error {
	c.lock()
	p := c.resets[id]
	if p == nil {
		if err := c.a.ResetStream(time.Now(), id); err != nil {
			defer c.mu.Unlock()
			if c.closed {
				return c.endError()
			}
			return err
		}
		p = &pendingReset{done: make(chan struct{})}
		c.resets[id] = p
		c.update()
	}
	c.mu.Unlock()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// Flush blocks until the peer has acknowledged everything sent before and during the call, or ctx
// ends. If the association ends with something unacknowledged, the error matches [ErrClosed] and
// the reason.
func (c *Conn) Flush(ctx context.Context) error {
	c.lock()
	defer c.mu.Unlock()
	for !c.closed {
		if c.a.BufferedAmount() == 0 {
			return nil
		}
		c.a.NotifySenderDry()
		if err := c.wait(ctx, &c.changed); err != nil {
			return err
		}
	}
	if c.a.Undelivered() > 0 {
		return c.endError()
	}
	return nil
}

// Shutdown ends the association gracefully: the messages of both sides are delivered first. It
// blocks until that is done or ctx ends; the shutdown then continues. The error matches [ErrClosed]
// and the reason if the association has ended in another way.
//
// For 4 to 20 s after it the side that has sent the last packet can repeat it; then it
// closes the transport. [Conn.Close] ends that time early, which is harmless: see
// [Association.Shutdown].
func (c *Conn) Shutdown(ctx context.Context) error {
	c.lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.a.Shutdown(time.Now())
		c.update()
	}
	for !c.closed {
		if err := c.wait(ctx, &c.changed); err != nil {
			return err
		}
	}
	if c.err != nil {
		return c.endError()
	}
	return nil
}

// Abort ends the association at once and notifies the peer, with reason (at most 256 bytes of it).
// Unacknowledged messages are lost.
func (c *Conn) Abort(reason string) {
	c.lock()
	defer c.mu.Unlock()
	c.a.Abort(time.Now(), reason)
	c.update()
}

// Close aborts the association if it has not ended, which notifies the peer, closes the transport,
// and waits for the goroutine of the Conn to end. Methods that block return. For a graceful end,
// call Shutdown before. A Write of the transport in progress delays Close until it returns, for
// half a second at most. The error is that of closing the transport.
func (c *Conn) Close() error {
	c.lock()
	c.a.Abort(time.Now(), "")
	c.update()
	c.awaitWriter()
	c.stop()
	c.mu.Unlock()
	if c.done != nil {
		<-c.done
		<-c.transportClosed
	}
	return c.stopErr
}

// Stats returns a snapshot.
func (c *Conn) Stats() (s Stats) {
	c.Do(func(a *Association, _ time.Time) { s = a.Stats() })
	return s
}

// Do calls f with the association and then sends the packets that f has caused. It gives access to
// everything for which the Conn has no method, such as [Association.SetStreamPriority] or
// [Association.AddStreams]. The Conn is locked meanwhile: f must return at once, and not call any
// method of the Conn. It must not call Event, ReadMessage, Receive, Transmit and Advance either:
// these belong to the Conn.
func (c *Conn) Do(f func(a *Association, now time.Time)) {
	c.lock()
	defer c.mu.Unlock()
	f(c.a, time.Now())
	c.update()
}
