package websocket

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Limits and defaults of the opening handshake.
const (
	// MaxHeaderSize bounds the start line and the header fields of a request, and those of a
	// response together with the interim responses before it, in bytes. Servers commonly accept 8
	// to 16 KiB.
	MaxHeaderSize = 16 << 10
	// MaxErrorBody bounds the part of a refusal's body that a HandshakeError has, in bytes.
	MaxErrorBody = 1 << 10
	// DefaultTCPConnectionTimeout bounds the time in which Dial opens the stream to the server. TCP
	// takes one round trip, or 1 and 3 seconds more if segments are lost.
	DefaultTCPConnectionTimeout = 5 * time.Second
	// DefaultConnectionTimeout bounds the whole of Dial, Accept and Handshake.
	DefaultConnectionTimeout = 30 * time.Second

	// maxInterimResponses bounds the number of 1xx responses before the final one (RFC 9110,
	// section 15.2).
	maxInterimResponses = 8
	// errorBodyTimeout bounds the wait for the body of a refusal, which may have no end.
	errorBodyTimeout = time.Second

	// refusalLinger and maxRefusalLinger bound the time and the number of bytes that are read after
	// a refusal was sent: closing a stream with unread bytes resets the TCP connection, and the
	// client may lose the refusal (RFC 9112, section 9.6).
	refusalLinger    = 500 * time.Millisecond
	maxRefusalLinger = 64 << 10
)

var (
	// ErrInvalidURL reports that the URL given to Dial or ParseURL is not an absolute WebSocket
	// URL.
	ErrInvalidURL = errors.New("websocket: invalid URL")
	// ErrInvalidOption reports that an option is out of range or contradicts the handshake.
	ErrInvalidOption = errors.New("websocket: invalid option")
	// ErrBadHandshake matches every *HandshakeError.
	ErrBadHandshake = errors.New("websocket: bad handshake")
	// ErrHandshakeTimeout reports that the connection was not open in time: TCPConnectionTimeout or
	// ConnectionTimeout has passed. It is a net.Error whose Timeout is true, wrapped with the step
	// that took too long and with context.DeadlineExceeded.
	ErrHandshakeTimeout error = handshakeTimeout{}
)

type handshakeTimeout struct{}

func (handshakeTimeout) Error() string   { return errorPrefix + "handshake timed out" }
func (handshakeTimeout) Timeout() bool   { return true }
func (handshakeTimeout) Temporary() bool { return true }

// HandshakeError is the error of an opening handshake that has failed although the peer was
// reached. It matches ErrBadHandshake with errors.Is.
//
// Dial returns it if the server refuses, redirects, or sends a response that a client must not
// accept; Accept and Handshake return it if they have refused the client's request. The function
// AcceptOptions.CheckRequest may return one to choose the response.
type HandshakeError struct {
	Status int         // of the HTTP response, received or sent; 0: there was none
	Header http.Header // Dial: of the response, may be nil. CheckRequest: added to the response
	Reason string      // for people; empty if Status suffices
	Err    error       // the cause, such as io.ErrUnexpectedEOF, if there is one

	// Body is, from Dial, the beginning of the response's body, at most MaxErrorBody bytes. From
	// CheckRequest, it is sent instead of Reason.
	Body []byte
}

// Error returns for example "websocket: bad handshake: 404 Not Found" or "websocket: bad handshake:
// 400 Bad Request: no Sec-WebSocket-Key".
func (e *HandshakeError) Error() string {
	s := ErrBadHandshake.Error()
	if e.Status != 0 {
		s += ": " + strconv.Itoa(e.Status)
		if text := http.StatusText(e.Status); text != "" {
			s += " " + text
		}
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is ErrBadHandshake.
func (e *HandshakeError) Is(target error) bool { return target == ErrBadHandshake }

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptKey returns the value of Sec-WebSocket-Accept for a Sec-WebSocket-Key. It proves that the
// server has understood the request as one for a WebSocket.
//
// RFC 6455, section 1.3.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// withTimeout bounds ctx by d, or by fallback if d is 0. A negative d is no bound.
func withTimeout(ctx context.Context, d, fallback time.Duration) (context.Context, context.CancelFunc) {
	if d = cmp.Or(d, fallback); d < 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, ErrHandshakeTimeout)
}

// abort closes a stream whose handshake has failed, without the closing alert of TLS, which can
// take seconds.
func abort(stream net.Conn) {
	if secure, ok := stream.(*tls.Conn); ok {
		stream = secure.NetConn()
	}
	stream.Close()
}

// interruptible closes stream when ctx ends, which ends all reads and writes. The caller calls
// release when the handshake is over. release returns the error of ctx if it has ended; the stream
// is then closed.
func interruptible(ctx context.Context, stream net.Conn) (release func() error) {
	// stream is closed instead of being given a deadline, because not every stream has deadlines.
	stop := context.AfterFunc(ctx, func() { abort(stream) })
	return func() error {
		if stop() {
			return nil
		}
		return contextError(ctx)
	}
}
