package websocket

import (
	"cmp"
	"encoding/binary"
	"math"
	"strconv"
)

// Config is the configuration of a Sender, a Receiver, or a Conn made by NewConn.
type Config struct {
	// Client is set at the client's end of the connection. A client masks its frames and refuses
	// masked ones, a server does the opposite.
	Client bool

	// MaxMessageSize is the size of the largest message that is accepted, in bytes, decompressed. A
	// larger one fails the connection. 0 is DefaultMaxMessageSize, negative no limit.
	MaxMessageSize int

	// Compression holds the parameters of permessage-deflate that the handshake has agreed on, nil
	// if there is no compression. A MaxWindowBits of 0 is 15.
	Compression *CompressionOptions
}

// DefaultMaxMessageSize is the size of the largest message that is accepted, in bytes, unless the
// options say otherwise. RFC 6455, section 10.4, leaves the limit to the implementation.
const DefaultMaxMessageSize = 256 << 10

// maxEmptyFragments is the largest number of frames without payload in a message. They cost a peer
// nothing and add nothing to a message; senders that flush now and then send a few.
const maxEmptyFragments = 64

// Event is the result of Receiver.Receive.
type Event uint8

// The events.
const (
	EventNone    Event = iota // all bytes were consumed; at most a part of a message was among them
	EventMessage              // a message is complete; its type is Receiver.MessageType
	EventPing                 // to be answered by Sender.AppendPong with Receiver.ControlPayload
	EventPong                 // the answer to a ping, or unsolicited
	EventClose                // the last event, to be answered by Sender.AppendClose with CloseError's code
)

var eventNames = [...]string{
	EventNone: "none", EventMessage: "message", EventPing: "ping", EventPong: "pong", EventClose: "close",
}

// String returns the name of the event, such as "message".
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return "Event(" + strconv.Itoa(int(e)) + ")"
}

// Receiver is the half of the framing core that parses and checks the peer's frames. It does no I/O
// and has no memory for messages: the caller passes in the bytes of the stream, in pieces of any
// size, and the buffer to which a message is appended. It is not safe for concurrent use.
// [NewReceiver] makes one; the zero value refuses every message that is not empty.
type Receiver struct {
	client  bool
	max     int // the size of the largest message
	inflate inflater

	header    [MaxFrameHeader]byte // an incomplete header
	headerLen int

	// The frame whose payload is being received.
	inFrame bool
	opcode  Opcode
	fin     bool
	rest    int64  // the missing bytes of payload
	key     uint32 // the masking key, rotated so that its low byte is for the next of them

	// The message.
	typ        MessageType // of the current message or, after EventMessage, of the last one
	inMessage  bool
	compressed bool
	size       int // its bytes so far: announced or, if compressed, decompressed
	empty      int // the number of its frames without payload
	text       utf8State

	control    [MaxControlPayload]byte
	controlLen int
	closed     *CloseError
	err        error
}

// NewReceiver returns a receiver for the first byte after the opening handshake.
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

// messageLimit returns the limit, in bytes, for the value of an option MaxMessageSize.
func messageLimit(option int) int {
	if option < 0 {
		return math.MaxInt
	}
	return cmp.Or(option, DefaultMaxMessageSize)
}

// MessageType returns the type of the message being received or, after EventMessage, of the
// complete one.
func (r *Receiver) MessageType() MessageType { return r.typ }

// ControlPayload returns the payload of the ping or pong that was the last event. It is valid until
// the next call of Receive.
func (r *Receiver) ControlPayload() []byte { return r.control[:r.controlLen] }

// CloseError returns the code and the reason of the peer's close frame; nil before EventClose.
func (r *Receiver) CloseError() *CloseError { return r.closed }

// Receive consumes the first n bytes of b, up to the first event or all of them, and appends their
// part of a message to message. b is borrowed for the call and not changed. After EventNone the
// caller passes message in again, unchanged or emptied, with further bytes; after EventMessage the
// next message begins.
//
// An error is a *[ProtocolError], and final: the caller closes the connection with its code. A
// message that exceeds the limit is refused when the header of the frame is read, if it is not
// compressed. Bytes after a close frame are consumed and ignored.
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

// receiveWhole receives a message if it is uncompressed, has one frame, and is complete in b, as
// most are. It returns the number of bytes consumed, and 0 if the next message is different or
// invalid. The loop of Receive has the same result, but takes three times as long.
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

// Direct returns the number of bytes of the stream that can be read directly into the message's
// buffer: the missing bytes of an uncompressed frame. The caller may append up to so many to the
// message and call [Receiver.ReceiveDirect], instead of passing them to Receive, which copies them.
func (r *Receiver) Direct() int64 {
	if !r.inFrame || r.compressed || r.opcode.IsControl() || r.err != nil {
		return 0
	}
	return r.rest
}

// ReceiveDirect receives bytes of the stream that the caller has appended to the message, at most
// as many as [Receiver.Direct] has returned, and unmasks them in place. The event and the error are
// those of Receive.
func (r *Receiver) ReceiveDirect(piece []byte) (event Event, err error) {
	r.rest -= int64(len(piece))
	r.key = mask(r.key, piece)
	r.check(piece)
	if r.rest == 0 && r.err == nil {
		_, event = r.endFrame(nil)
	}
	return event, r.err
}

// receiveHeader consumes a frame's header from b, or a part of it.
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

// beginFrame checks a header against the role, the extensions and the state of the message.
func (r *Receiver) beginFrame(h *FrameHeader) error {
	r.inFrame, r.opcode, r.fin, r.rest = true, h.Opcode, h.Fin, h.PayloadLength
	r.key = binary.LittleEndian.Uint32(h.MaskingKey[:])

	// RFC 6455, section 5.2: the RSV bits "MUST be 0 unless an extension is negotiated that defines
	// meanings for non-zero values."
	// RFC 7692, section 6: permessage-deflate defines RSV1 for the first frame of a data message.
	data := h.Opcode == OpcodeText || h.Opcode == OpcodeBinary
	if h.Rsv2 || h.Rsv3 || h.Rsv1 && !(data && r.inflate.windowBits != 0) {
		return errReservedBits
	}

	// RFC 6455, section 5.1: "The server MUST close the connection upon receiving a frame that is
	// not masked." "A client MUST close a connection if it detects a masked frame."
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

// endFrame handles the end of a frame's payload.
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
		if r.finishCompressed(); r.err != nil {
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

// check checks the last bytes of a message for valid UTF-8, if it is text.
func (r *Receiver) check(piece []byte) {
	if r.typ == MessageText && !r.text.valid(piece) {
		r.err = errInvalidUTF8
	}
}

// receiveCompressed unmasks and decompresses a piece of a message. It unmasks in a small buffer on
// the stack, because piece is borrowed and must not be changed.
func (r *Receiver) receiveCompressed(message, piece []byte) []byte {
	var unmasked [512]byte
	for len(piece) > 0 && r.err == nil {
		n := copy(unmasked[:], piece)
		piece = piece[n:]
		r.key = mask(r.key, unmasked[:n])
		start := len(message)
		grown, err := r.inflate.d.Append(message, unmasked[:n], r.limit(start))
		message = r.inflated(grown, start, err)
	}
	return message
}

// finishCompressed ends a compressed message.
func (r *Receiver) finishCompressed() {
	if err := r.inflate.d.Finish(); err != nil {
		r.err = inflateError(err)
	}
	r.inflate.end()
}

// limit returns the length that a buffer of n bytes may reach by decompression.
func (r *Receiver) limit(n int) int {
	if room := r.max - r.size; room < math.MaxInt-n {
		return n + room
	}
	return math.MaxInt
}

// inflated accounts for the bytes that decompression has appended to message behind start.
func (r *Receiver) inflated(message []byte, start int, err error) []byte {
	r.size += len(message) - start
	r.check(message[start:]) // even if err is not nil: text fails at its first invalid byte
	if err != nil && r.err == nil {
		r.err = inflateError(err)
	}
	return message
}

// parseClose parses the payload of a close frame.
//
// RFC 6455, section 5.5.1.
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
