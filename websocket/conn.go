package websocket

import (
	"context"
	"io"
	"net"
	"time"
)

const maxControlPayload = 125 // https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5

// DefaultMaxMessageSize is the largest message that a Conn accepts unless its
// options say otherwise, in bytes.
const DefaultMaxMessageSize = 256 << 10

// connConfig is what the opening handshake has settled.
type connConfig struct {
	client      bool   // masks what it sends, refuses what is masked
	subprotocol string // agreed on, or empty
	early       []byte // bytes of the stream that were read beyond the handshake; newConn takes them over

	compression          *compressionParams // nil: none was agreed on
	compressionThreshold int                // smaller messages are sent uncompressed, in bytes; 0: a default, negative: all are compressed

	maxMessageSize     int           // 0: DefaultMaxMessageSize; negative: unlimited
	pingInterval       time.Duration // <= 0: no pings of our own
	maxUnansweredPings int           // <= 0: no limit
	closeTimeout       time.Duration // how long Close waits for the peer; 0: a default, negative: not at all
}

// Conn is a WebSocket connection.
type Conn struct {
	stream net.Conn
	cfg    connConfig
}

func newConn(stream net.Conn, cfg connConfig) *Conn { return &Conn{stream: stream, cfg: cfg} }

// Read returns the next message in memory of its own.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) { return 0, nil, ErrClosed }

// ReadInto reads the next message into buf[:0].
func (c *Conn) ReadInto(ctx context.Context, buf []byte) (typ MessageType, message []byte, err error) {
	return 0, nil, ErrClosed
}

// Reader returns the next message as a stream.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) { return 0, nil, ErrClosed }

// Writer returns a stream that becomes one message when it is closed.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	return nil, ErrClosed
}

// Write sends a message.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error { return ErrClosed }

// Ping sends a ping and waits for the pong.
func (c *Conn) Ping(ctx context.Context) error { return ErrClosed }

// Close does the closing handshake.
func (c *Conn) Close(code StatusCode, reason string) error { return ErrClosed }

// CloseNow closes the underlying stream at once.
func (c *Conn) CloseNow() error { return ErrClosed }

// NetConn returns a stream of bytes over messages of one type.
func (c *Conn) NetConn(typ MessageType) net.Conn { return nil }

// Subprotocol returns the subprotocol that the handshake agreed on, or "".
func (c *Conn) Subprotocol() string { return c.cfg.subprotocol }

// LocalAddr returns the local address of the underlying stream.
func (c *Conn) LocalAddr() net.Addr { return c.stream.LocalAddr() }

// RemoteAddr returns the address of the peer, or of the proxy in between.
func (c *Conn) RemoteAddr() net.Addr { return c.stream.RemoteAddr() }

// UnderlyingConn returns the stream below.
func (c *Conn) UnderlyingConn() net.Conn { return c.stream }
