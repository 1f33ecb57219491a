package websocket

import (
	"cmp"
	"encoding/binary"
	"math"
)

// Config is what both ends of a framing core need to know.
type Config struct {
	// Client says which end of the connection this is: a client masks what it
	// sends and refuses what is masked, a server the other way round.
	Client bool

	// MaxMessageSize is the size, in bytes and decompressed, beyond which a message
	// fails the connection. 0 is DefaultMaxMessageSize, a negative one no limit.
	MaxMessageSize int

	// Compression is what the handshake has agreed on for permessage-deflate, nil
	// if nothing: each flag as it is in effect, the zero MaxWindowBits as 15.
	Compression *CompressionOptions
}

// DefaultMaxMessageSize is the largest message that is accepted unless the
// options say otherwise, in bytes: RFC 6455 leaves it to the implementation
// (https://www.rfc-editor.org/rfc/rfc6455.html#section-10.4).
const DefaultMaxMessageSize = 256 << 10

// maxEmptyFragments is how many frames without payload a message may have.
// They cost a peer nothing and bring a message no further; senders that flush
// now and then make a few.
const maxEmptyFragments = 64

// Event is what a Receiver came upon.
type Event uint8

// The events.
const (
	EventNone    Event = iota // nothing but bytes of a message, perhaps
	EventMessage              // a message is complete; its type is Receiver.MessageType
	EventPing                 // answer it by Sender.AppendPong with Receiver.ControlPayload
	EventPong
	EventClose // the last event; answer it by Sender.AppendClose with the code of Receiver.CloseError
)

// Receiver is the half of the framing core that takes apart and checks what the
// peer sends. It has no I/O and no memory for messages: the owner passes in the
// bytes of the stream, in pieces of any size, and the buffer that a message
// grows in. It is not safe for concurrent use. Make one by [NewReceiver].
type Receiver struct {
	client  bool
	max     int // size of a message
	inflate inflater

	header    [MaxFrameHeader]byte // of a header that has not come completely
	headerLen int

	// The frame whose payload is being received.
	inFrame bool
	opcode  Opcode
	fin     bool
	rest    int64  // bytes of payload that have not come
	key     uint32 // what the next of them is masked with, in its low byte

	// The message.
	typ        MessageType // of the current one or, after EventMessage, of the last
	inMessage  bool
	compressed bool
	size       int // bytes of it, announced or decompressed
	empty      int // frames of it that had no payload
	text       utf8State

	control    [MaxControlPayload]byte
	controlLen int
	closed     *CloseError
	err        error
}

// NewReceiver returns a receiver at the first byte behind the opening handshake.
func NewReceiver(cfg Config) *Receiver {
	r := new(Receiver)
	r.init(cfg.Client, cfg.MaxMessageSize, cfg.Compression.params())
	return r
}

func (r *Receiver) init(client bool, maxMessageSize int, compression *compressionParams) {
	r.client, r.max = client, messageLimit(maxMessageSize)
	if compression != nil && client {
		r.inflate.init(compression.serverMaxWindowBits, compression.serverNoContextTakeover)
	} else if compression != nil {
		r.inflate.init(compression.clientMaxWindowBits, compression.clientNoContextTakeover)
	}
}

// messageLimit returns the limit, in bytes, that an option MaxMessageSize asks for.
func messageLimit(option int) int {
	if option < 0 {
		return math.MaxInt
	}
	return cmp.Or(option, DefaultMaxMessageSize)
}

// MessageType is the type of the message that is being received or, after
// EventMessage, of the one that is complete.
func (r *Receiver) MessageType() MessageType { return r.typ }

// ControlPayload is the payload of the ping or pong that was the last event. It is valid until the next Receive.
func (r *Receiver) ControlPayload() []byte { return r.control[:r.controlLen] }

// CloseError is what the peer closed the connection with; nil before EventClose.
func (r *Receiver) CloseError() *CloseError { return r.closed }

// Receive takes bytes from b, up to the first event or all of them, n in number,
// and appends to message what they add to it. b is borrowed for the call and not
// changed. When the event is EventNone, message is to be passed in again, as it
// was or emptied, with further bytes; after EventMessage the next one begins.
//
// An error is a *[ProtocolError], and final: the connection is to be closed with
// its code. A message that will be too large is one when its frame's header is
// read. What follows a close frame is taken and ignored.
func (r *Receiver) Receive(message, b []byte) (grown []byte, n int, event Event, err error) {
	if r.err != nil || r.closed != nil {
		return message, len(b), EventNone, r.err
	}
	if grown, n := r.receiveWhole(message, b); n > 0 {
		return grown, n, EventMessage, nil
	}
	for {
		if !r.inFrame {
			used, ok := r.receiveHeader(b[n:])
			n += used
			if !ok {
				return message, n, EventNone, r.err
			}
		}
		piece := b[n:]
		if int64(len(piece)) > r.rest {
			piece = piece[:r.rest]
		}
		n += len(piece)
		r.rest -= int64(len(piece))
		switch {
		case r.opcode.IsControl():
			_, r.key = appendMasked(r.control[:r.controlLen], piece, r.key)
			r.controlLen += len(piece)
		case r.compressed:
			message = r.receiveCompressed(message, piece)
		default:
			start := len(message)
			message, r.key = appendMasked(message, piece, r.key)
			r.check(message[start:])
		}
		if r.rest == 0 && r.err == nil {
			message, event = r.endFrame(message)
		}
		if r.err != nil || event != EventNone || n == len(b) {
			return message, n, event, r.err
		}
	}
}

// receiveWhole takes a message that is uncompressed, of one frame, and in b
// completely, as most are, and returns how many bytes it has; 0 if the next one is
// different, or in any way wrong. It does nothing that could not be done piece by
// piece, but in a third of the time.
func (r *Receiver) receiveWhole(message, b []byte) (grown []byte, n int) {
	if len(b) < 2 || r.inFrame || r.inMessage || r.headerLen != 0 || (b[1]&bitMask != 0) == r.client {
		return message, 0
	}
	typ := MessageType(b[0] &^ bitFin)
	if b[0]&bitFin == 0 || typ != MessageBinary && typ != MessageText {
		return message, 0
	}
	length, payload := int(b[1]&^bitMask), 2
	switch {
	case length < length16:
	case length == length16 && len(b) >= 4:
		length, payload = int(binary.BigEndian.Uint16(b[2:])), 4
		if length < length16 {
			return message, 0
		}
	default:
		return message, 0
	}
	var key uint32
	if !r.client {
		if len(b) < payload+4 {
			return message, 0
		}
		key = binary.LittleEndian.Uint32(b[payload:])
		payload += 4
	}
	if length > r.max || length > len(b)-payload {
		return message, 0
	}
	start := len(message)
	message, _ = appendMasked(message, b[payload:payload+length], key)
	if typ == MessageText {
		if r.text = (utf8State{}); !r.text.valid(message[start:]) || !r.text.complete() {
			return message[:start], 0
		}
	}
	r.typ = typ
	return message, payload + length
}

// Direct is how many of the next bytes of the stream can be received directly
// behind the message: those of an uncompressed frame that are still to come. The
// owner may put up to as many there and call [Receiver.ReceiveDirect], instead of
// passing them to Receive, which copies them.
func (r *Receiver) Direct() int64 {
	if !r.inFrame || r.compressed || r.opcode.IsControl() || r.err != nil {
		return 0
	}
	return r.rest
}

// ReceiveDirect takes the next bytes of the stream where the owner has put them,
// at the end of a message, and unmasks them there. See [Receiver.Direct] for how
// many there can be; the event and the error are those of Receive.
func (r *Receiver) ReceiveDirect(piece []byte) (event Event, err error) {
	r.rest -= int64(len(piece))
	r.key = mask(r.key, piece)
	r.check(piece)
	if r.rest == 0 && r.err == nil {
		_, event = r.endFrame(nil)
	}
	return event, r.err
}

// receiveHeader takes a frame's header from b, or as much as is there.
func (r *Receiver) receiveHeader(b []byte) (used int, complete bool) {
	var h FrameHeader
	if r.headerLen == 0 {
		h, used, r.err = ParseFrameHeader(b)
		if used == 0 {
			if r.err == nil {
				r.headerLen = copy(r.header[:], b)
			}
			return len(b), false
		}
	} else {
		before := r.headerLen
		r.headerLen += copy(r.header[before:], b)
		h, used, r.err = ParseFrameHeader(r.header[:r.headerLen])
		if used == 0 {
			return len(b), false
		}
		used -= before
		r.headerLen = 0
	}
	if r.err = r.beginFrame(&h); r.err != nil {
		return used, false
	}
	return used, true
}

// beginFrame checks what a header says against the role, the extensions and the
// message.
func (r *Receiver) beginFrame(h *FrameHeader) error {
	r.inFrame, r.opcode, r.fin, r.rest = true, h.Opcode, h.Fin, h.PayloadLength
	r.key = binary.LittleEndian.Uint32(h.MaskingKey[:])

	// "MUST be 0 unless an extension is negotiated that defines meanings for
	// non-zero values." permessage-deflate defines RSV1 for the first frame of a
	// data message. https://www.rfc-editor.org/rfc/rfc7692.html#section-6
	data := h.Opcode == OpcodeText || h.Opcode == OpcodeBinary
	if h.Rsv2 || h.Rsv3 || h.Rsv1 && !(data && r.inflate.windowBits != 0) {
		return errReservedBits
	}

	// "The server MUST close the connection upon receiving a frame that is not
	// masked. […] A client MUST close a connection if it detects a masked frame."
	// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.1
	if h.Masked == r.client {
		if r.client {
			return errMasked
		}
		return errUnmasked
	}

	if h.Opcode.IsControl() {
		r.controlLen = 0
		return nil
	}
	switch {
	case data && r.inMessage:
		return errContinuationExpected
	case data:
		r.inMessage, r.typ, r.compressed = true, MessageType(h.Opcode), h.Rsv1
		r.size, r.empty, r.text = 0, 0, utf8State{}
		if r.compressed {
			r.inflate.begin()
		}
	case !r.inMessage:
		return errContinuation
	}
	if h.PayloadLength == 0 && !h.Fin {
		if r.empty++; r.empty > maxEmptyFragments {
			return errEmptyFragments
		}
	}
	if !r.compressed {
		if h.PayloadLength > int64(r.max-r.size) {
			return errMessageTooBig
		}
		r.size += int(h.PayloadLength)
	}
	return nil
}

// endFrame does what the end of a frame's payload brings.
func (r *Receiver) endFrame(message []byte) ([]byte, Event) {
	r.inFrame = false
	switch r.opcode {
	case OpcodePing:
		return message, EventPing
	case OpcodePong:
		return message, EventPong
	case OpcodeClose:
		if r.closed, r.err = parseClose(r.ControlPayload()); r.err != nil {
			return message, EventNone
		}
		return message, EventClose
	}
	if !r.fin {
		return message, EventNone
	}
	if r.compressed {
		if message = r.finishCompressed(message); r.err != nil {
			return message, EventNone
		}
	}
	if r.typ == MessageText && !r.text.complete() {
		r.err = errInvalidUTF8
		return message, EventNone
	}
	r.inMessage = false
	return message, EventMessage
}

// check checks bytes that a message has gained.
func (r *Receiver) check(piece []byte) {
	if r.typ == MessageText && !r.text.valid(piece) {
		r.err = errInvalidUTF8
	}
}

// receiveCompressed unmasks and decompresses a piece of a message. It works on
// bites of a size that fits the stack, as b is not its own to unmask in.
func (r *Receiver) receiveCompressed(message, piece []byte) []byte {
	var bite [512]byte
	for len(piece) > 0 && r.err == nil {
		n := copy(bite[:], piece)
		piece = piece[n:]
		r.key = mask(r.key, bite[:n])
		start := len(message)
		grown, err := r.inflate.d.Append(message, bite[:n], r.limit(start))
		message = r.inflated(grown, start, err)
	}
	return message
}

func (r *Receiver) finishCompressed(message []byte) []byte {
	start := len(message)
	grown, err := r.inflate.d.Finish(message, r.limit(start))
	message = r.inflated(grown, start, err)
	r.inflate.end()
	return message
}

// limit is how long a buffer of n bytes may become by decompression.
func (r *Receiver) limit(n int) int {
	if room := r.max - r.size; room < math.MaxInt-n {
		return n + room
	}
	return math.MaxInt
}

// inflated accounts for what decompression has appended to message behind start.
func (r *Receiver) inflated(message []byte, start int, err error) []byte {
	r.size += len(message) - start
	r.check(message[start:]) // also before an error: text fails at its first bad byte
	if err != nil && r.err == nil {
		r.err = inflateError(err)
	}
	return message
}

// parseClose takes apart the payload of a close frame.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5.1
func parseClose(payload []byte) (*CloseError, error) {
	if len(payload) == 0 {
		return &CloseError{Code: StatusNoStatusReceived}, nil
	}
	if len(payload) == 1 {
		return nil, errClosePayload
	}
	code, reason := StatusCode(binary.BigEndian.Uint16(payload)), payload[2:]
	if !code.MayBeSent() {
		return nil, errCloseStatus
	}
	if text := (utf8State{}); !text.valid(reason) || !text.complete() {
		return nil, errInvalidUTF8
	}
	return &CloseError{Code: code, Reason: string(reason)}, nil
}
