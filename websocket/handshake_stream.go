package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// Handshake performs the server's side of an opening handshake, without net/http, over a stream
// that a client has just opened. For wss, stream is a *tls.Conn, from tls.Server. opts may be nil.
//
// The Request is nil if it could not be read; it is also returned together with the error of a
// refusal. Handshake takes ownership of the stream: if it returns an error, it has closed the
// stream. The error is a *HandshakeError if the client was sent a refusal, and matches
// ErrHandshakeTimeout if the request was not complete in time; otherwise it is that of ctx or of
// the stream.
//
// ctx and AcceptOptions.ConnectionTimeout bound the call, not the connection. After the end of ctx
// the error matches ctx.Err() and context.Cause(ctx).
func Handshake(ctx context.Context, stream net.Conn, opts *AcceptOptions) (*Conn, *Request, error) {
	checked, err := opts.check()
	if err != nil {
		abort(stream)
		return nil, nil, err
	}
	ctx, cancel := withTimeout(ctx, checked.ConnectionTimeout, DefaultConnectionTimeout)
	defer cancel()
	if err := ended(ctx); err != nil {
		abort(stream)
		return nil, nil, &opError{fmt.Sprint("handshake with ", stream.RemoteAddr()), err}
	}
	release := interruptible(ctx, stream)
	reader := headReader{stream: stream}
	request, a, refusal, err := checked.readRequest(&reader)
	var response []byte
	switch {
	case refusal != nil:
		err = refusal
		response = appendRefusal(nil, refusal)
	case err == nil:
		response = a.appendResponse(nil, checked.Header)
	}
	if response != nil {
		if _, failed := stream.Write(response); failed != nil && err == nil {
			err = fmt.Errorf("send response: %w", failed)
		}
	}
	cause := release()
	switch {
	case err == nil && cause == nil:
		return newConn(stream, checked.config(a, reader.early())), request, nil
	case refusal != nil && cause == nil:
		closeAfterRefusal(stream)
		return nil, request, refusal
	case err == nil:
		err = cause
	case cause != nil:
		err = fmt.Errorf("%w: %w", cause, err)
	}
	abort(stream)
	return nil, request, &opError{fmt.Sprint("handshake with ", stream.RemoteAddr()), err}
}

// readRequest reads and checks the request. At most one of refusal and err is not nil.
func (o *checkedAcceptOptions) readRequest(reader *headReader) (r *Request, a *acceptance, refusal *HandshakeError, err error) {
	head, err := reader.next()
	if err != nil {
		if refusal = refuseRead(err); refusal != nil {
			return nil, nil, refusal, nil
		}
		return nil, nil, nil, fmt.Errorf("read request: %w", err)
	}
	r, h, refusal := parseRequest(head)
	if refusal == nil {
		a, refusal = o.checkRequest(r, h.method, int(h.major), int(h.minor))
	}
	return r, a, refusal, nil
}

// closeAfterRefusal closes a stream so that the client receives the refusal: it waits for at most
// refusalLinger until the client closes.
//
// RFC 9112, section 9.6.
func closeAfterRefusal(stream net.Conn) {
	// A timer instead of a deadline: not every stream has deadlines, and TLS sets its own.
	defer time.AfterFunc(refusalLinger, func() { abort(stream) }).Stop()
	if half, ok := stream.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, stream, maxRefusalLinger)
	}
	stream.Close()
}
