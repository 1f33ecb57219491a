package websocket

import (
	"encoding/binary"
	"math/rand/v2"
)

// The smallest message that is sent compressed, by default, in bytes. Without a
// history to refer to, what is shorter gains little or nothing.
const (
	defaultThreshold          = 128
	defaultThresholdNoHistory = 512
)

// Sender is the half of the framing core that builds frames. It has no I/O: what
// it builds is appended to a buffer of the owner. It is not safe for concurrent
// use. Make one by [NewSender].
type Sender struct {
	client    bool
	random    func() uint32
	deflate   deflater
	threshold int

	// The message that AppendFragment has begun.
	inMessage  bool
	compressed bool
	opcode     Opcode // of the next frame
}

// NewSender returns a sender at the first byte behind the opening handshake.
//
// A client takes its masking keys from random. They "must not be predictable"
// (https://www.rfc-editor.org/rfc/rfc6455.html#section-10.3), or a page could make
// a browser send bytes that a proxy takes for something else. Nil stands for the
// generator of the Go runtime, ChaCha8 seeded by the operating system.
func NewSender(cfg Config, random func() uint32) *Sender {
	s := new(Sender)
	threshold := 0
	if cfg.Compression != nil {
		threshold = cfg.Compression.Threshold
	}
	s.init(cfg.Client, cfg.Compression.params(), threshold, random)
	return s
}

func (s *Sender) init(client bool, compression *compressionParams, threshold int, random func() uint32) {
	s.client, s.random = client, random
	if random == nil {
		s.random = rand.Uint32
	}
	if compression == nil {
		return
	}
	if client {
		s.deflate.init(compression.clientMaxWindowBits, compression.clientNoContextTakeover)
	} else {
		s.deflate.init(compression.serverMaxWindowBits, compression.serverNoContextTakeover)
	}
	switch s.threshold = threshold; {
	case threshold < 0:
		s.threshold = 0
	case threshold == 0 && s.deflate.forget:
		s.threshold = defaultThresholdNoHistory
	case threshold == 0:
		s.threshold = defaultThreshold
	}
}

// AppendMessage appends p as a message of one frame. It must not be called
// between the fragments of a message. That text is UTF-8 is for the caller to
// know.
func (s *Sender) AppendMessage(dst []byte, typ MessageType, p []byte) []byte {
	if s.compresses(len(p)) {
		s.deflate.begin()
		return s.appendCompressed(dst, Opcode(typ), p, true, true)
	}
	return s.appendFrame(dst, Opcode(typ), true, p)
}

// AppendFragment appends p as the next frame of a message that is sent in
// several, the last one of which says so. typ must be the same for all. Control
// frames may go between them. Of a compressed message no frame may come out of a
// fragment, as the compressor waits for more.
func (s *Sender) AppendFragment(dst []byte, typ MessageType, p []byte, last bool) []byte {
	first := !s.inMessage
	if first {
		if last {
			return s.AppendMessage(dst, typ, p)
		}
		s.inMessage, s.opcode = true, Opcode(typ)
		if s.compressed = s.deflate.windowBits != 0; s.compressed {
			s.deflate.begin()
		}
	}
	before := len(dst)
	if s.compressed {
		dst = s.appendCompressed(dst, s.opcode, p, s.opcode != OpcodeContinuation, last)
	} else {
		dst = s.appendFrame(dst, s.opcode, last, p)
	}
	if len(dst) > before {
		s.opcode = OpcodeContinuation
	}
	s.inMessage = !last
	return dst
}

// AppendPing appends a ping. Of payload, no more than the first
// MaxControlPayload bytes are sent.
func (s *Sender) AppendPing(dst, payload []byte) []byte {
	return s.appendFrame(dst, OpcodePing, true, payload[:min(len(payload), MaxControlPayload)])
}

// AppendPong appends a pong, the answer to a ping with the same payload.
func (s *Sender) AppendPong(dst, payload []byte) []byte {
	return s.appendFrame(dst, OpcodePong, true, payload[:min(len(payload), MaxControlPayload)])
}

// AppendClose appends a close frame, after which nothing may be sent. A code that
// may not be sent, such as StatusNoStatusReceived, makes one without a code and
// without a reason. A reason is cut to MaxCloseReason bytes, and must be UTF-8.
func (s *Sender) AppendClose(dst []byte, code StatusCode, reason string) []byte {
	var payload [MaxControlPayload]byte
	n := 0
	if code.MayBeSent() {
		binary.BigEndian.PutUint16(payload[:], uint16(code))
		n = 2 + copy(payload[2:], truncateReason(reason))
	}
	return s.appendFrame(dst, OpcodeClose, true, payload[:n])
}

func (s *Sender) compresses(n int) bool { return s.deflate.windowBits != 0 && n >= s.threshold }

// appendHeader appends the header of an uncompressed frame and returns the key
// that its payload is to be masked with, which is 0 for a server.
func (s *Sender) appendHeader(dst []byte, opcode Opcode, fin bool, length int) ([]byte, uint32) {
	b0 := byte(opcode)
	if fin {
		b0 |= bitFin
	}
	if !s.client {
		return appendStart(dst, b0, 0, int64(length)), 0
	}
	key := s.random()
	return binary.LittleEndian.AppendUint32(appendStart(dst, b0, bitMask, int64(length)), key), key
}

func (s *Sender) maskingKey(h *FrameHeader) uint32 {
	if !s.client {
		return 0
	}
	key := s.random()
	binary.LittleEndian.PutUint32(h.MaskingKey[:], key)
	return key
}

func (s *Sender) appendFrame(dst []byte, opcode Opcode, fin bool, payload []byte) []byte {
	dst, key := s.appendHeader(dst, opcode, fin, len(payload))
	if !s.client {
		return append(dst, payload...)
	}
	dst, _ = appendMasked(dst, payload, key)
	return dst
}

// appendCompressed appends a frame with what the compressor makes of p. How long
// the header will be is known only then: there is room for what it can be at
// most, and the payload moves to its end.
func (s *Sender) appendCompressed(dst []byte, opcode Opcode, p []byte, first, last bool) []byte {
	var room [MaxFrameHeader]byte
	start := len(dst)
	headerLen := s.headerLen(len(p))
	dst = append(dst, room[:headerLen]...)
	dst = s.deflate.c.Append(dst, p, last)
	if last {
		s.deflate.end()
	}
	n := len(dst) - start - headerLen
	if n == 0 && !last {
		return dst[:start]
	}
	h := FrameHeader{Opcode: opcode, Fin: last, Rsv1: first, PayloadLength: int64(n), Masked: s.client}
	key := s.maskingKey(&h)
	if s.client {
		mask(key, dst[start+headerLen:])
	}
	header := AppendFrameHeader(room[:0], h)
	switch {
	case len(header) < headerLen:
		copy(dst[start+len(header):], dst[start+headerLen:])
	case len(header) > headerLen: // compression made more of it
		dst = append(dst, room[:len(header)-headerLen]...)
		copy(dst[start+len(header):], dst[start+headerLen:start+headerLen+n])
	}
	copy(dst[start:], header)
	return dst[:start+len(header)+n]
}

// headerLen is the size of the header of a frame with n bytes of payload.
func (s *Sender) headerLen(n int) int {
	size := 2
	if n >= 1<<16 {
		size = 10
	} else if n >= length16 {
		size = 4
	}
	if s.client {
		size += 4
	}
	return size
}
