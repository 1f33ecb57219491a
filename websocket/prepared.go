package websocket

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// PreparedMessage is a message for many connections, such as those of a chat room. It is framed
// once, and compressed once for each window size that the connections have agreed on, however many
// connections it is sent to by [Conn.WritePrepared]. It may be used by any number of goroutines at
// once. [NewPreparedMessage] makes one.
//
// A prepared message is compressed without reference to earlier messages, whose content differs
// between the connections. On a connection with context takeover, later messages cannot refer to
// messages from before it. So a connection that is sent nothing but prepared messages should use no
// context takeover, which saves memory: see [CompressionOptions].
type PreparedMessage struct {
	typ   MessageType
	plain preparedFrame

	compressing sync.Mutex // held while one of compressed is made
	compressed  [deflate.MaxWindowBits + 1]atomic.Pointer[preparedFrame]
}

// preparedFrame is a message of one frame, as a server sends it. It is never changed.
type preparedFrame struct {
	frame      []byte
	headerLen  int
	compressed bool
}

// payload returns the payload, unmasked.
func (f *preparedFrame) payload() []byte { return f.frame[f.headerLen:] }

// NewPreparedMessage returns a message of the given type. data is copied. It does not check that
// text is UTF-8, which the protocol requires.
func NewPreparedMessage(typ MessageType, data []byte) *PreparedMessage {
	m := &PreparedMessage{typ: typ}
	var server Sender
	frame := make([]byte, 0, server.headerLen(len(data))+len(data))
	frame = server.appendFrame(frame, Opcode(typ), true, data)
	m.plain = preparedFrame{frame: frame, headerLen: len(frame) - len(data)}
	return m
}

// forWindow returns the frame for a sender whose window has the given size, in bits: compressed,
// unless compression does not make it smaller.
func (m *PreparedMessage) forWindow(windowBits int) *preparedFrame {
	if f := m.compressed[windowBits].Load(); f != nil {
		return f
	}
	m.compressing.Lock()
	defer m.compressing.Unlock()
	if f := m.compressed[windowBits].Load(); f != nil {
		return f
	}
	f := &m.plain
	server := Sender{deflate: deflater{windowBits: windowBits, noContextTakeover: true}}
	server.deflate.begin()
	if frame := server.appendCompressed(nil, Opcode(m.typ), m.plain.payload(), true, true); len(frame) < len(m.plain.frame) {
		h, n, _ := ParseFrameHeader(frame)
		f = &preparedFrame{frame: frame[: n+int(h.PayloadLength) : n+int(h.PayloadLength)], headerLen: n, compressed: true}
	}
	m.compressed[windowBits].Store(f)
	return f
}

// prepared returns the frame of m that the sender sends. It may be called at any time, and
// concurrently.
func (s *Sender) prepared(m *PreparedMessage) *preparedFrame {
	if !s.compresses(len(m.plain.payload())) {
		return &m.plain
	}
	return m.forWindow(s.deflate.windowBits)
}

// AppendPrepared appends a prepared message. It must not be called between the fragments of a
// message.
func (s *Sender) AppendPrepared(dst []byte, m *PreparedMessage) []byte {
	return s.appendPrepared(dst, s.prepared(m))
}

func (s *Sender) appendPrepared(dst []byte, f *preparedFrame) []byte {
	s.beforePrepared(f)
	if !s.client || len(f.frame) == 0 { // a zero PreparedMessage has no frame
		return append(dst, f.frame...)
	}
	dst, key := s.appendHeader(dst, f.frame[0], len(f.payload()))
	dst, _ = appendMasked(dst, f.payload(), key)
	return dst
}

// beforePrepared resets the compressor: the distances of later matches would be wrong, because the
// window of the peer contains the message, and that of the compressor does not.
func (s *Sender) beforePrepared(f *preparedFrame) {
	if f.compressed {
		s.deflate.release()
	}
}

// WritePrepared sends a prepared message like Write. It returns ErrMessageType for a message whose
// type is neither text nor binary, and otherwise the errors of Write.
//
// A server copies messages of up to 16 KiB behind the frames that are pending, and writes larger
// ones from the memory that all connections share. A client has to mask each copy of a message.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	if m.typ != MessageText && m.typ != MessageBinary {
		return &opError{"write", ErrMessageType}
	}
	o := &c.out
	f := o.sender.prepared(m) // before the mutex is locked: it may have to compress
	c.mu.Lock()
	defer c.mu.Unlock()
	large := len(f.frame) > o.maxCopy
	if err := c.admit(ctx, large, true); err != nil {
		return err
	}
	switch {
	case !large:
		o.grow(MaxFrameHeader + len(f.payload()))
		o.pending.B = o.sender.appendPrepared(o.pending.B, f)
		return c.writeOrHold(ctx, false)
	case c.client:
		o.sender.beforePrepared(f)
		return c.writeMasked(ctx, f.frame[0], f.payload())
	default:
		o.sender.beforePrepared(f)
		return c.writeWith(ctx, f.frame)
	}
}
