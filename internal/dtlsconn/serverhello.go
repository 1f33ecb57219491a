package dtlsconn

import (
	"encoding/binary"
	"sync"
)

// Handshake message types (RFC 5246, section 7.4) and the extension use_srtp (RFC 5764, section 9).
const (
	handshakeServerHello = 2
	handshakeFinished    = 20

	extensionUseSRTP = 14
)

// handshakeHeaderSize is the size of a handshake message's, or fragment's, header in DTLS (RFC
// 6347, section 4.2.2):
//
//	msg_type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3)
const handshakeHeaderSize = 12

// maxServerHelloSequence is the number of values of message_seq that a ServerHello may have. RFC
// 6347, section 4.2.2: the ServerHello is the server's first message, or the second after a
// HelloVerifyRequest. A client that answers several HelloVerifyRequests, which servers send whose
// cookie has expired, takes a round trip for each.
const maxServerHelloSequence = 8

// serverRandoms collects the random of each ServerHello among the plaintext records that the
// client's pion/dtls reads, or that the server's writes. The exported state of pion/dtls has 28 of
// its 32 bytes, and only in a client.
//
// Anybody may forge plaintext records. Of several messages with one message_seq the first counts,
// as it does for pion/dtls, which then fails the handshake because the Finished does not match.
// newSecrets rejects a random that is not the one of the handshake.
type serverRandoms struct {
	mu    sync.Mutex
	hello [maxServerHelloSequence]serverRandom // by message_seq
}

// serverRandom is the random of one ServerHello, which may arrive in fragments.
type serverRandom struct {
	bytes [randomSize]byte
	known uint32 // bit i: bytes[i] has arrived
}

// observe looks for fragments of a ServerHello in a datagram.
func (s *serverRandoms) observe(datagram []byte) {
	for rest := datagram; ; {
		r, tail, ok := nextRecord(rest)
		if !ok {
			return
		}
		rest = tail
		if r.contentType != contentHandshake || r.epoch != epochHandshake {
			continue
		}
		for message := r.fragment(); len(message) >= handshakeHeaderSize; {
			length := handshakeHeaderSize + int(uint24(message[9:]))
			if length > len(message) {
				break
			}
			if message[0] == handshakeServerHello {
				s.add(message[:length])
			}
			message = message[length:]
		}
	}
}

// add takes the bytes of the random out of one fragment of a ServerHello. RFC 5246, section
// 7.4.1.3: they follow the two bytes of server_version.
func (s *serverRandoms) add(fragment []byte) {
	const start, end = 2, 2 + randomSize
	length, sequence, offset := uint24(fragment[1:]), binary.BigEndian.Uint16(fragment[4:]), int(uint24(fragment[6:]))
	body := fragment[handshakeHeaderSize:]
	if int(sequence) >= len(s.hello) || offset+len(body) > int(length) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hello := &s.hello[sequence]
	for i := max(start, offset); i < min(end, offset+len(body)); i++ {
		if bit := uint32(1) << (i - start); hello.known&bit == 0 {
			hello.bytes[i-start] = body[i-offset]
			hello.known |= bit
		}
	}
}

// complete returns the randoms that have arrived completely.
func (s *serverRandoms) complete() (randoms [][randomSize]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hello := range s.hello {
		if hello.known == 1<<randomSize-1 {
			randoms = append(randoms, hello.bytes)
		}
	}
	return randoms
}

// answersSRTP reports whether a ServerHello, with its handshake header, contains use_srtp. If the
// message is fragmented it reports true.
func answersSRTP(message []byte) bool {
	const fixed = 2 + randomSize // server_version and random (RFC 5246, section 7.4.1.3)
	if len(message) < handshakeHeaderSize || uint24(message[1:]) != uint24(message[9:]) {
		return true
	}
	body := message[handshakeHeaderSize:]
	if len(body) <= fixed {
		return false
	}
	extensions := fixed + 1 + int(body[fixed]) + 2 + 1 + 2 // after session_id, cipher_suite, compression_method, length
	if len(body) < extensions {
		return false
	}
	for rest := body[extensions:]; len(rest) >= 4; {
		if binary.BigEndian.Uint16(rest) == extensionUseSRTP {
			return true
		}
		rest = rest[min(4+int(binary.BigEndian.Uint16(rest[2:])), len(rest)):]
	}
	return false
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
