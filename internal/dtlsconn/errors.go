package dtlsconn

import "errors"

var (
	// ErrNotEstablished is returned by methods that need a finished handshake, before the handshake
	// has finished.
	ErrNotEstablished = errors.New("dtls: handshake not finished")

	// ErrClosed is returned after Close, after the peer's close_notify, and after a fatal alert.
	ErrClosed = errors.New("dtls: connection closed")

	// ErrHandshakeTimeout is the error of Handshaked when Config.HandshakeTimeout has passed.
	ErrHandshakeTimeout = errors.New("dtls: handshake timed out")

	// ErrNotFast is returned by Seal if the cipher suite has no fast path; Write works with all of
	// them.
	ErrNotFast = errors.New("dtls: no fast path with this cipher suite")

	// ErrRecordTooLong is returned for a plaintext of more than 16,384 bytes (RFC 5246, section
	// 6.2.1).
	ErrRecordTooLong = errors.New("dtls: plaintext longer than a record")

	// ErrSequenceExhausted is returned when all 2^48 sequence numbers are used, which ends the
	// association: RFC 6347, section 4.1 forbids the sequence number to wrap, and WebRTC has no
	// renegotiation.
	ErrSequenceExhausted = errors.New("dtls: sequence numbers exhausted")
)
