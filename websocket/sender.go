package websocket

import (
	"encoding/binary"
	"math/rand/v2"
)

// The defaults of CompressionOptions.Threshold, in bytes, with and without the context of earlier
// messages. Compressing shorter messages saves little or nothing.
const (
	defaultThreshold          = 128
	defaultThresholdNoContext = 512
)

// Sender is the half of the framing core that builds frames. It does no I/O: it appends frames to a
// buffer of the caller. It is not safe for concurrent use. [NewSender] makes one; the zero value is
// that of a server without compression.
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

// NewSender returns a sender for the first frame after the opening handshake.
//
// A client takes its masking keys from random, which must not be predictable: otherwise a web page
// could choose the bytes on the wire so that a proxy interprets them as another protocol (RFC 6455,
// section 10.3). If random is nil, the generator of the Go runtime is used, ChaCha8 seeded by the
// operating system.
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
	case threshold == 0 && s.deflate.noContextTakeover:
		s.threshold = defaultThresholdNoContext
	case threshold == 0:
		s.threshold = defaultThreshold
	}
}

// AppendMessage appends p as a message of one frame. It must not be called between the fragments of
// a message. It does not check that text is UTF-8.
func (s *Sender) AppendMessage(dst []byte, typ MessageType, p []byte) []byte {
	if s.compresses(len(p)) {
		s.deflate.begin()
		return s.appendCompressed(dst, Opcode(typ), p, true, true)
	}
	return s.appendFrame(dst, Opcode(typ), true, p)
}

// AppendFragment appends p as the next frame of a message of several frames; last marks its last
// one. typ must be the same for all. Control frames may be sent between them. A fragment of a
// compressed message can result in no frame, if the compressor waits for more bytes.
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

// AppendPing appends a ping. payload is truncated to MaxControlPayload bytes.
func (s *Sender) AppendPing(dst, payload []byte) []byte {
	return s.appendFrame(dst, OpcodePing, true, payload[:min(len(payload), MaxControlPayload)])
}

// AppendPong appends a pong, the answer to a ping with the same payload, which is truncated to
// MaxControlPayload bytes.
func (s *Sender) AppendPong(dst, payload []byte) []byte {
	return s.appendFrame(dst, OpcodePong, true, payload[:min(len(payload), MaxControlPayload)])
}

// AppendClose appends a close frame, after which nothing may be sent. If code may not be sent, as
// StatusNoStatusReceived, the frame has neither a code nor a reason. reason must be UTF-8, and is
// truncated to MaxCloseReason bytes.
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

// firstByte returns the first byte of the header of an uncompressed frame.
func firstByte(opcode Opcode, fin bool) byte {
	if fin {
		return byte(opcode) | bitFin
	}
	return byte(opcode)
}

// appendHeader appends the header that begins with b0, and returns the masking key of the payload,
// which is 0 for a server.
func (s *Sender) appendHeader(dst []byte, b0 byte, length int) ([]byte, uint32) {
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
	dst, key := s.appendHeader(dst, firstByte(opcode, fin), len(payload))
	if !s.client {
		return append(dst, payload...)
	}
	dst, _ = appendMasked(dst, payload, key)
	return dst
}

// appendCompressed appends a frame with the compressed bytes of p. The length of the header is
// known only after compression: the payload is appended behind the estimated length, and then
// moved.
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
	case len(header) > headerLen: // compression has expanded p
		dst = append(dst, room[:len(header)-headerLen]...)
		copy(dst[start+len(header):], dst[start+headerLen:start+headerLen+n])
	}
	copy(dst[start:], header)
	return dst[:start+len(header)+n]
}

// headerLen returns the size of the header of a frame with n bytes of payload.
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
