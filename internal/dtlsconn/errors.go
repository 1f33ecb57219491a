package dtlsconn

import "errors"

var (
	// ErrNotEstablished is returned by what needs a finished handshake before there is one.
	ErrNotEstablished = errors.New("dtls: handshake not finished")

	// ErrClosed is returned after Close, after the peer's close_notify, and after a fatal alert.
	ErrClosed = errors.New("dtls: connection closed")

	// ErrHandshakeTimeout is given to Handshaked when Config.HandshakeTimeout has passed.
	ErrHandshakeTimeout = errors.New("dtls: handshake timed out")

	// ErrNotFast is returned by Seal when the cipher suite has no fast path: use Write.
	ErrNotFast = errors.New("dtls: no fast path with this cipher suite")

	// ErrRecordTooLong is returned for a plaintext of more than 16,384 bytes (RFC 5246, section 6.2.1).
	ErrRecordTooLong = errors.New("dtls: plaintext longer than a record")

	// ErrSequenceExhausted is returned when all 2^48 sequence numbers are used. The association is over: RFC 6347
	// forbids the counter to wrap, and WebRTC knows no renegotiation.
	// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.1
	ErrSequenceExhausted = errors.New("dtls: sequence numbers exhausted")
)
