package sctp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// CauseCode is the reason of an ABORT or ERROR chunk: RFC 9260, section 3.3.10.
type CauseCode uint16

// Error cause codes of RFC 9260. A peer may send others.
const (
	CauseInvalidStream          CauseCode = 1
	CauseMissingParameter       CauseCode = 2
	CauseStaleCookie            CauseCode = 3
	CauseOutOfResource          CauseCode = 4
	CauseUnresolvableAddress    CauseCode = 5
	CauseUnrecognizedChunk      CauseCode = 6
	CauseInvalidParameter       CauseCode = 7
	CauseUnrecognizedParameters CauseCode = 8
	CauseNoUserData             CauseCode = 9
	CauseCookieWhileShutdown    CauseCode = 10
	CauseRestartNewAddresses    CauseCode = 11
	CauseUserInitiatedAbort     CauseCode = 12
	CauseProtocolViolation      CauseCode = 13
)

var causeNames = map[CauseCode]string{
	CauseInvalidStream: "Invalid Stream Identifier", CauseMissingParameter: "Missing Mandatory Parameter",
	CauseStaleCookie: "Stale Cookie", CauseOutOfResource: "Out of Resource",
	CauseUnresolvableAddress: "Unresolvable Address", CauseUnrecognizedChunk: "Unrecognized Chunk Type",
	CauseInvalidParameter: "Invalid Mandatory Parameter", CauseUnrecognizedParameters: "Unrecognized Parameters",
	CauseNoUserData: "No User Data", CauseCookieWhileShutdown: "Cookie Received While Shutting Down",
	CauseRestartNewAddresses: "Restart of an Association with New Addresses",
	CauseUserInitiatedAbort:  "User-Initiated Abort", CauseProtocolViolation: "Protocol Violation",
}

func (c CauseCode) String() string {
	if s, ok := causeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("cause %d", uint16(c))
}

// AbortError is the error of an association that ended by an ABORT chunk, received or sent.
type AbortError struct {
	Remote bool      // the peer sent it
	Code   CauseCode // the first one; 0 when the chunk named no cause
	// Reason is the text that came with CauseUserInitiatedAbort or CauseProtocolViolation, at most
	// 256 bytes, unchanged: a peer need not send UTF-8.
	Reason string
	// AfterShutdown reports that the peer had sent SHUTDOWN before: everything that it sent has
	// arrived.
	AfterShutdown bool
}

func (e *AbortError) Error() string {
	who := "aborted"
	if e.Remote {
		who = "aborted by the peer"
	}
	s := "sctp: " + who
	if e.Code != 0 {
		s += ": " + e.Code.String()
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Errors of the methods of an [Association], which return them unwrapped.
var (
	// ErrSendBufferFull is temporary: EventWritable follows.
	ErrSendBufferFull = errors.New("sctp: send buffer is full")
	// ErrMessageTooLarge: the message is larger than MaxBuffer. The limit of the peer is unknown to
	// SCTP; WebRTC has it in the session description.
	ErrMessageTooLarge = errors.New("sctp: message is too large")
	// ErrMessageEmpty: a DATA chunk cannot be empty (RFC 9260, section 3.3.1).
	ErrMessageEmpty = errors.New("sctp: message is empty")
	// ErrInvalidStream: the stream is beyond the numbers that Streams returns.
	ErrInvalidStream = errors.New("sctp: no such stream")
	// ErrStreamClosing is temporary: EventStreamResetComplete follows.
	ErrStreamClosing = errors.New("sctp: stream is being reset")
	// ErrClosed: the association has ended, or is being shut down.
	ErrClosed = errors.New("sctp: association is closed")
	// ErrNotConnected: the state is before StateCookieEchoed.
	ErrNotConnected = errors.New("sctp: association is not connected yet")
)

// Errors that come with [EventClosed], besides *[AbortError].
var (
	ErrHandshakeTimeout = errors.New("sctp: no answer to the handshake")
	ErrPeerUnreachable  = errors.New("sctp: peer is unreachable: too many retransmissions")
	ErrStaleCookie      = errors.New("sctp: the peer reported a stale cookie")
)

// ErrResetDenied comes with the events of resets.
var ErrResetDenied = errors.New("sctp: the peer denied the stream reset")

// maxReasonBytes bounds the text of an ABORT.
const maxReasonBytes = 256

// abortError returns the error for the first cause of an ABORT chunk.
func abortError(value []byte) *AbortError {
	e := &AbortError{Remote: true}
	p, _, ok := nextParam(value)
	if !ok {
		return e
	}
	e.Code = CauseCode(p.typ)
	if e.Code == CauseUserInitiatedAbort || e.Code == CauseProtocolViolation {
		e.Reason = string(p.value[:min(len(p.value), maxReasonBytes)])
	}
	return e
}

// appendCause appends a whole error cause, padded.
func appendCause(dst []byte, c CauseCode, value []byte) []byte {
	return appendParam(dst, paramType(c), value)
}

// appendInvalidStreamCause appends the cause for DATA on a stream that does not exist: RFC 9260,
// section 3.3.10.1.
func appendInvalidStreamCause(dst []byte, stream uint16) []byte {
	var v [4]byte
	binary.BigEndian.PutUint16(v[:], stream)
	return appendCause(dst, CauseInvalidStream, v[:])
}
