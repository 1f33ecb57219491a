package websocket

import (
	"cmp"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultCloseTimeout is the time that Conn.Close waits for the peer's close frame, unless the
	// options say otherwise. RFC 6455, section 7.1.1, leaves the choice to the implementation.
	DefaultCloseTimeout = 5 * time.Second

	// lingerTimeout bounds each of the last two steps of a connection: writing the close frame to a
	// peer that does not read, and waiting until the peer closes its side of the stream.
	lingerTimeout = time.Second

	// maxLinger bounds the end of a connection whose stream ignores deadlines: twice lingerTimeout,
	// with room for late timers.
	maxLinger = 5 * lingerTimeout / 2

	// alertTimeout bounds the close_notify alert of TLS: crypto/tls would wait 5 s for a peer that
	// does not read.
	alertTimeout = lingerTimeout / 4

	// maxLingerBytes bounds the bytes that are read and discarded while waiting for the peer to
	// close its side of the stream. Two socket buffers hold less, so that a peer in the middle of a
	// large message comes to read the close frame that refuses it.
	maxLingerBytes = 16 << 20
)

// connConfig is the outcome of the opening handshake, together with the options of a Conn.
type connConfig struct {
	client      bool   // masks its frames, and refuses masked ones
	subprotocol string // the subprotocol agreed on, or empty
	early       []byte // bytes of the stream that were read beyond the handshake; newConn takes them over

	compression          *compressionParams // nil: none was agreed on
	compressionThreshold int                // see CompressionOptions.Threshold

	maxMessageSize      int           // 0: DefaultMaxMessageSize; negative: unlimited
	pingInterval        time.Duration // <= 0: no pings
	maxOutstandingPings int           // <= 0: no limit
	closeTimeout        time.Duration // 0: DefaultCloseTimeout; negative: Close does not wait
	beforeClose         func(error)   // may be nil, see DialOptions.BeforeClose
	noDelay             bool          // see DialOptions.NoDelay
}

// Conn is a WebSocket connection, made by [Dial], [Accept], [Handshake] or [NewConn]. The zero Conn
// is a closed connection.
//
// All methods may be called concurrently, with one exception: there must be only one reader at a
// time. Only a reader answers pings, notices the peer's close frame and receives the pongs that
// [Conn.Ping] waits for: a program that expects no messages must call Read, too.
//
// # Contexts
//
// If its context has already ended, a call fails at once, even one that would not have to wait. The
// error of a call whose context has ended matches both ctx.Err() and context.Cause(ctx).
//
// A context that ends while a call waits for its turn, or for the first byte of a message, makes
// the call return, and the connection remains usable. A context that ends in the middle of a
// message being read or written closes the connection, because the rest of the message could not be
// interpreted. A context that cannot end, such as context.Background(), costs nothing; one that can
// costs least if it is the same for many calls.
//
// # Coalescing
//
// Messages are sent with as few system calls as possible without waiting. If no other Write is in
// progress, a Write writes to the socket at once, in the goroutine of the caller; messages written
// meanwhile by other goroutines are collected, and sent together right after it.
//
// If the next message has already been received completely, a Write between two Reads is held back
// until Read has no more messages and goes to the socket. So a program that answers many requests
// received together sends the answers together. A message is held for at most 16 ms, or 1 ms if the
// program has recently not returned to Read in that time. [Conn.Flush] sends the held messages, and
// the option NoDelay turns holding off. [Conn.WriteBuffered] is for many messages in a row.
//
// When Write returns nil, the message is on its way; the peer may not have received it yet.
//
// # Idle connections
//
// A connection has no goroutine of its own, and over TCP an idle one holds no buffer, even while a
// Read waits. Over TLS and other streams a waiting Read holds 4 KiB.
type Conn struct {
	stream       net.Conn // nil in the zero Conn
	socket       socket   // of stream, if it is a socket
	subprotocol  string
	client       bool
	closeTimeout time.Duration
	beforeClose  func(error) // may be nil

	in        connReader
	readState atomic.Int32 // one of the read… constants
	over      atomic.Bool  // closing has begun, for any reason: Read checks err

	mu   sync.Mutex // protects the fields below; locked after in.mu, never before it
	cond sync.Cond  // of mu: signals a change that a writer may wait for

	out connWriter

	closeQueued bool        // our close frame is pending or sent: no frame may follow
	localClose  bool        // the program closed the connection
	peerClose   *CloseError // the peer's close frame, once received
	readersLeft int         // the number of reads that have ended since closing began
	verdict     error       // the reason in the peer's last frame, which precedes later failures
	err         error       // the reason that the connection is over; the stream is then closed

	pings pinger
}

// The states of the reading side.
const (
	readIdle     int32 = iota // no Read, or one that is not at the socket
	readMore                  // no Read, and a complete frame is buffered
	readAtSocket              // a Read waits for the peer
)

// NewConn returns a connection over a stream whose opening handshake was done by other means, or is
// not needed. It takes ownership of stream. The connection sends no pings and has the default close
// timeout; only [Dial], [Accept] and [Handshake] have options for these.
func NewConn(stream net.Conn, cfg Config) *Conn {
	c := connConfig{client: cfg.Client, maxMessageSize: cfg.MaxMessageSize, compression: cfg.Compression.params()}
	if cfg.Compression != nil {
		c.compressionThreshold = cfg.Compression.Threshold
	}
	return newConn(stream, c)
}

func newConn(stream net.Conn, cfg connConfig) *Conn {
	c := &Conn{
		stream: stream, subprotocol: cfg.subprotocol, client: cfg.client, beforeClose: cfg.beforeClose,
		closeTimeout: cmp.Or(cfg.closeTimeout, DefaultCloseTimeout),
	}
	c.cond.L = &c.mu
	c.in.init(stream, &cfg)
	c.out.init(c, &cfg)
	c.socket.init(c)
	c.pings.init(c, cfg.pingInterval, cfg.maxOutstandingPings)
	return c
}

// Protocol returns the subprotocol that the handshake agreed on, or "".
func (c *Conn) Protocol() string { return c.subprotocol }

// LocalAddr returns the local address of the stream.
func (c *Conn) LocalAddr() net.Addr {
	if c.stream == nil {
		return nil
	}
	return c.stream.LocalAddr()
}

// RemoteAddr returns the address of the peer, or of the proxy in between.
func (c *Conn) RemoteAddr() net.Addr {
	if c.stream == nil {
		return nil
	}
	return c.stream.RemoteAddr()
}

// UnderlyingConn returns the stream, so that the program can inspect it or set socket options.
// Reading, writing, or setting deadlines breaks the connection.
func (c *Conn) UnderlyingConn() net.Conn { return c.stream }

// end ends the connection with the given reason, unless it is already over, and returns the reason
// in effect.
func (c *Conn) end(err error) error {
	if c.stream == nil {
		return ErrClosed
	}
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	if c.verdict != nil {
		err = c.verdict
	}
	c.err = err
	c.over.Store(true)
	c.pings.stop(err)
	c.out.stop()
	c.cond.Broadcast()
	c.mu.Unlock()
	c.in.watch.release()
	c.closeStream() // without the mutex: the alert of TLS can take a while
	return err
}

// closeStream closes the stream, and bounds the time of the alert that TLS sends first.
func (c *Conn) closeStream() {
	if secure, ok := c.stream.(*tls.Conn); ok {
		timer := time.AfterFunc(alertTimeout, func() { secure.NetConn().Close() })
		defer timer.Stop()
	}
	c.stream.Close()
}
