package websocket

import (
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
	// MaxHeaderSize bounds the start line and header fields of a request, and those
	// of a response with any interim responses before it, in bytes. Servers commonly
	// accept 8 to 16 KiB.
	MaxHeaderSize = 16 << 10
	// MaxErrorBody is how much of the body of a refusal HandshakeError keeps, in bytes.
	MaxErrorBody = 1 << 10
	// DefaultTCPConnectionTimeout is how long Dial waits for the stream to the server, of
	// which TCP takes one round trip, or 1 and 3 seconds more when segments are lost.
	DefaultTCPConnectionTimeout = 5 * time.Second
	// DefaultConnectionTimeout bounds all of Dial, Accept and Handshake.
	DefaultConnectionTimeout = 30 * time.Second

	// maxInterimResponses is how many 1xx responses may come before the one that counts.
	//
	// RFC 9110, section 15.2.
	maxInterimResponses = 8
	// errorBodyTimeout bounds the wait for the body of a refusal, which a server may
	// well leave open ended.
	errorBodyTimeout = time.Second

	// refusalLinger and maxRefusalLinger bound how long and how much is read after a refusal
	// was sent, in bytes: closing with bytes unread resets the connection, and the
	// refusal may be lost with it. RFC 9112, section 9.6
	refusalLinger    = 500 * time.Millisecond
	maxRefusalLinger = 64 << 10
)

var (
	// ErrInvalidURL: the URL given to Dial is no absolute ws or wss URL.
	ErrInvalidURL = errors.New("websocket: invalid URL")
	// ErrInvalidOption: an option is out of range or contradicts the handshake.
	ErrInvalidOption = errors.New("websocket: invalid option")
	// ErrBadHandshake: what all errors of type *HandshakeError match with errors.Is.
	ErrBadHandshake = errors.New("websocket: bad handshake")
	// ErrHandshakeTimeout: the connection was not open in time. It is a net.Error
	// whose Timeout is true, and always wrapped with what was being waited for and with
	// context.DeadlineExceeded.
	ErrHandshakeTimeout error = handshakeTimeout{}
)

type handshakeTimeout struct{}

func (handshakeTimeout) Error() string   { return errorPrefix + "handshake timed out" }
func (handshakeTimeout) Timeout() bool   { return true }
func (handshakeTimeout) Temporary() bool { return true }

// HandshakeError says why an opening handshake ended without a connection,
// although the peer was reached. It matches ErrBadHandshake with errors.Is.
//
// Dial returns it when the server refuses, redirects, or answers something that a
// client must not accept; Accept and Handshake when the client's request is
// refused. A function AcceptOptions.CheckRequest may return one to choose the refusal.
type HandshakeError struct {
	Status int         // of the HTTP response, received or sent; 0: there was none
	Header http.Header // Dial: of the response, may be nil. CheckRequest: to be added to the response
	Body   []byte      // Dial: the beginning of the body, at most MaxErrorBody bytes. CheckRequest: what to send instead of Reason
	Reason string      // in words, for people; empty where Status says it all
	Err    error       // the cause, if there is one in Go's terms, such as io.ErrUnexpectedEOF
}

// Error returns for example "websocket: bad handshake: 404 Not Found" or
// "websocket: bad handshake: 400 Bad Request: no Sec-WebSocket-Key".
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

// acceptGUID and acceptKey: how a server proves that it has read the request as
// one for a WebSocket. RFC 6455, section 1.3
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// withTimeout bounds ctx by d, or by fallback where d is 0; a negative d is no bound.
func withTimeout(ctx context.Context, d, fallback time.Duration) (context.Context, context.CancelFunc) {
	switch {
	case d == 0:
		d = fallback
	case d < 0:
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, ErrHandshakeTimeout)
}

// abort closes a stream whose handshake has failed, without the farewell that TLS
// would wait for seconds to be rid of.
func abort(stream net.Conn) {
	if secure, ok := stream.(*tls.Conn); ok {
		stream = secure.NetConn()
	}
	stream.Close()
}

// interruptible makes the end of ctx close stream, which ends all reads and writes. The
// caller calls release when the handshake is over: it returns the error of ctx if that has
// ended, after which the stream is of no use.
func interruptible(ctx context.Context, stream net.Conn) (release func() error) {
	// Closing, unlike a deadline, is something that every stream can do.
	stop := context.AfterFunc(ctx, func() { abort(stream) })
	return func() error {
		if stop() {
			return nil
		}
		return contextError(ctx)
	}
}
