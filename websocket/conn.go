package websocket

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultCloseTimeout is how long Close waits for the peer's close frame: RFC
	// 6455 asks for a "reasonable" time (section 7.1.1).
	defaultCloseTimeout = 5 * time.Second

	// lingerClose bounds the end of a connection: writing the last close frame to
	// a peer that does not read, and waiting for it to close its side of the stream.
	lingerClose = time.Second

	// maxLinger bounds the end of a connection whose stream ignores deadlines: twice
	// lingerClose, one for each of the two, with room for their timers to be late.
	maxLinger = 5 * lingerClose / 2

	// lingerAlert bounds the close_notify alert of TLS, for which crypto/tls would
	// otherwise wait 5 s if the peer does not read.
	lingerAlert = lingerClose / 4

	// maxLingerClose bounds how much is read, and thrown away, in that time. It is
	// more than two socket buffers hold, so that a peer in the middle of a large
	// message comes to read why it was refused.
	maxLingerClose = 16 << 20
)

// connConfig is what the opening handshake has settled.
type connConfig struct {
	client      bool   // masks what it sends, refuses what is masked
	subprotocol string // agreed on, or empty
	early       []byte // bytes of the stream that were read beyond the handshake; newConn takes them over

	compression          *compressionParams // nil: none was agreed on
	compressionThreshold int                // smaller messages are sent uncompressed, in bytes; 0: a default, negative: all are compressed

	maxMessageSize      int           // 0: DefaultMaxMessageSize; negative: unlimited
	pingInterval        time.Duration // <= 0: no pings of our own
	maxOutstandingPings int           // <= 0: no limit
	closeTimeout        time.Duration // how long Close waits for the peer; 0: a default, negative: not at all
	beforeClose         func(error)   // may be nil, see DialOptions.BeforeClose
	noDelay             bool          // see DialOptions.NoDelay
}

// Conn is a WebSocket connection, made by [Dial], [Accept], [Handshake] or
// [NewConn].
//
// All methods may be called concurrently, with one exception: there must be only
// one reader at a time. Reading is also what answers pings, notices the close of
// the peer and sees the pongs that [Conn.Ping] waits for: a program that expects
// no messages calls Read, too.
//
// # Contexts
//
// A context that has ended already ends a call at once, also one that would not have to
// wait. The errors of calls that a context has ended match both ctx.Err() and
// context.Cause(ctx).
//
// A context that ends while a call waits for its turn, or for the first byte of a
// message, makes the call return its error and leaves the connection usable. One
// that ends in the middle of a message that is being read or written closes the
// connection, as what is left of the message could not be made sense of. A
// context that cannot end, such as context.Background(), costs nothing; one that
// can costs least when it is the same for many calls.
//
// # Coalescing
//
// Messages leave in as few system calls as they can without waiting. A Write
// that finds nobody writing goes to the socket at once, in the goroutine of the
// caller; what others write meanwhile is collected and leaves together, right
// after. A Write between two Reads, while the next message has been received
// completely already, is held back until Read has nothing left and goes to the
// socket, so that a program that answers many requests received together sends
// the answers together. It is held for no longer than 16 ms, and 1 ms if the
// program has lately not come back to read in that time. [Conn.Flush] ends the
// wait, and the option NoDelay switches it off: then every Write goes to the socket at
// once unless another one is being written. [Conn.WriteBuffered] is for many messages
// in a row.
//
// Write returning nil says that the message is on its way, not that the peer has
// got it.
//
// # Idle connections
//
// A connection has no goroutine of its own, and over TCP an idle one holds no
// buffer, even while a Read waits. Over TLS and other streams a Read that waits
// holds 4 KiB.
type Conn struct {
	stream       net.Conn
	socket       socket // of stream, if it is one
	subprotocol  string
	client       bool
	closeTimeout time.Duration
	beforeClose  func(error) // nil: nothing

	in        connReader
	readState atomic.Int32 // one of the read… constants
	over      atomic.Bool  // closing has begun, for any reason: Read looks closer

	mu   sync.Mutex // protects all below; may be locked while in.mu is held, not the other way round
	cond sync.Cond  // of mu: something changed that a writer may wait for

	out connWriter

	closeQueued bool        // our close frame is among what is pending, or was sent: nothing may follow
	localClose  bool        // the program closed the connection
	peerClose   *CloseError // the peer's close frame has come
	readersLeft int         // how many reads have ended since the closing began
	verdict     error       // what the peer has sent decides why the connection will be over, whatever fails until then
	err         error       // why the connection is over; the stream is closed then

	pings pinger
}

// The states of the reading side.
const (
	readIdle     int32 = iota // no Read, or one that is not at the socket
	readMore                  // no Read, and a complete frame is buffered
	readAtSocket              // a Read waits for the peer
)

// NewConn returns a connection over a stream on which the opening handshake is
// over: done by other means, or replaced by another agreement. It takes ownership
// of stream. DialOptions and AcceptOptions are the way to all other settings.
func NewConn(stream net.Conn, cfg Config) *Conn {
	c := connConfig{client: cfg.Client, maxMessageSize: cfg.MaxMessageSize, compression: cfg.Compression.params()}
	if cfg.Compression != nil {
		c.compressionThreshold = cfg.Compression.Threshold
	}
	return newConn(stream, c)
}

func newConn(stream net.Conn, cfg connConfig) *Conn {
	c := &Conn{stream: stream, subprotocol: cfg.subprotocol, client: cfg.client, closeTimeout: cfg.closeTimeout, beforeClose: cfg.beforeClose}
	if c.closeTimeout == 0 {
		c.closeTimeout = defaultCloseTimeout
	}
	c.cond.L = &c.mu
	c.in.init(stream, &cfg)
	c.out.init(c, &cfg)
	c.socket.init(c)
	c.pings.init(c, cfg.pingInterval, cfg.maxOutstandingPings)
	return c
}

// Subprotocol returns the subprotocol that the handshake agreed on, or "".
func (c *Conn) Protocol() string { return c.subprotocol }

// LocalAddr returns the local address of the stream.
func (c *Conn) LocalAddr() net.Addr { return c.stream.LocalAddr() }

// RemoteAddr returns the address of the peer, or of the proxy on the way to it.
func (c *Conn) RemoteAddr() net.Addr { return c.stream.RemoteAddr() }

// UnderlyingConn returns the stream below, to look at it or to set socket
// options. Reading, writing, or setting deadlines breaks the connection.
func (c *Conn) UnderlyingConn() net.Conn { return c.stream }

// end ends the connection for a reason, if there is none yet, and returns the
// reason that there is.
func (c *Conn) end(err error) error {
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
	c.closeStream() // without the mutex: TLS sends an alert, which can take a while
	return err
}

// closeStream closes the stream. The alert that TLS sends first gets little time: a peer that
// does not read has got all that matters, or will not.
func (c *Conn) closeStream() {
	if secure, ok := c.stream.(*tls.Conn); ok {
		timer := time.AfterFunc(lingerAlert, func() { secure.NetConn().Close() })
		defer timer.Stop()
	}
	c.stream.Close()
}
