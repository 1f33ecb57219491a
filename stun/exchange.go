package stun

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
)

// Request describes one request for [Exchange]. The zero value is a Binding request without
// attributes, sent on the schedule of RFC 8489.
type Request struct {
	Method Method // 0: MethodBinding
	// Add appends the attributes of the method. It is called once for each transaction: again if
	// the server requests authentication. nil: there are none.
	Add func(b *Builder)
	// Known reports whether the caller understands a comprehension-required attribute of a success
	// response that RFC 8489 does not define. nil: there are none.
	Known func(t AttributeType) bool

	Software    string       // SOFTWARE, the name and version of the program; "": not sent
	Credentials *Credentials // authenticate the request and the response; nil: neither is authenticated
	Timing      Timing       // Reliable must be set if the connection is a stream (TCP, TLS)
	Rand        io.Reader    // the source of transaction identifiers; nil: crypto/rand.Reader
}

// maxTransactions is how often Exchange sends a request that the server answers with 401
// (Unauthenticated) or 438 (Stale Nonce): first without credentials, then with them, then with a
// nonce that replaces one that has just expired.
const maxTransactions = 3

// maxDatagram is the size in bytes of the largest response that Exchange receives over datagrams:
// RFC 8489, section 6.1 keeps messages below the path MTU.
const maxDatagram = 2048

// ErrNoResponse is returned by [Exchange] if no response has arrived in the time that the [Timing]
// of the request allows.
var ErrNoResponse = errors.New("stun: no response")

// ErrUnknownAttribute is returned by [Exchange] if a success response has a comprehension-required
// attribute that is not known.
var ErrUnknownAttribute = errors.New("stun: unknown comprehension-required attribute")

// A ResponseError is an error response, returned by [Exchange].
type ResponseError struct {
	Code     int     // 300 to 699, such as CodeUnauthenticated
	Reason   string  // for humans, as the server has sent it
	Response Message // the whole response, for its other attributes, such as ALTERNATE-SERVER
}

// Error returns for example "stun: Binding request: 401 Unauthenticated".
func (e *ResponseError) Error() string {
	return fmt.Sprintf("stun: %v request: %d %s", e.Response.Type().Method(), e.Code, e.Reason)
}

// ReflexiveAddress sends a Binding request to a server and returns the address and port that the
// server has received it from: the public address of conn if there is a NAT on the path. The
// address has the family of the connection; dial "udp4" or "udp6" to choose one.
//
// See [Exchange] for the use of ctx and conn, and for the errors.
func ReflexiveAddress(ctx context.Context, conn Conn, request Request) (netip.AddrPort, error) {
	response, err := Exchange(ctx, conn, request)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := response.XORMappedAddress()
	if errors.Is(err, ErrAttributeNotFound) {
		addr, err = response.MappedAddress()
	}
	if err != nil {
		return netip.AddrPort{}, requestError(request.method(), err)
	}
	return addr, nil
}

// Exchange sends a request over conn and returns the success response. It retransmits the request
// until a response arrives, the time of request.Timing is over (39.5 s by default) or ctx ends. A
// response with a FINGERPRINT that does not match and packets that are not the response are
// discarded.
//
// During the call, Exchange must be the only user of conn: it reads all packets, and sets the
// deadline of conn, which it removes at the end. A program that receives other packets on the same
// socket uses a [Transaction].
//
// The errors are a [*ResponseError] for an error response, [ErrNoResponse], the cause of the end of
// ctx, [ErrIntegrityMismatch] if no response was authentic, [ErrUnknownAttribute], an error of
// [Builder.Err], a [*ParseError], and those of conn, each wrapped with the method of the request.
// The returned message has a buffer of its own.
func Exchange(ctx context.Context, conn Conn, request Request) (Message, error) {
	release := interruptible(ctx, conn)
	defer release()
	for transactions := 1; ; transactions++ {
		response, retry, err := request.transact(ctx, conn)
		if err != nil {
			return Message{}, requestError(request.method(), err)
		}
		if retry && transactions < maxTransactions {
			continue
		}
		if err := request.verdict(response); err != nil {
			return Message{}, err
		}
		return response, nil
	}
}

// interruptible makes the end of ctx interrupt calls of conn. The returned function undoes that and
// removes the deadline.
func interruptible(ctx context.Context, conn Conn) (release func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-interrupted
		}
		_ = conn.SetDeadline(time.Time{})
	}
}

func (r *Request) method() Method {
	if r.Method == 0 {
		return MethodBinding
	}
	return r.Method
}

// build returns the request with the identifier.
func (r *Request) build(id TransactionID) ([]byte, error) {
	b := NewBuilder(nil, NewType(r.method(), ClassRequest), id)
	if r.Software != "" {
		b.AddString(AttributeSoftware, r.Software)
	}
	if r.Add != nil {
		r.Add(&b)
	}
	if r.Credentials != nil {
		r.Credentials.AddTo(&b)
	}
	b.AddFingerprint()
	return b.Bytes(), b.Err()
}

// transact carries out one transaction and returns the response that ends it. retry reports whether
// the request is to be sent again with credentials.
func (r *Request) transact(ctx context.Context, conn Conn) (response Message, retry bool, err error) {
	source := r.Rand
	if source == nil {
		source = rand.Reader
	}
	id, err := NewTransactionID(source)
	if err != nil {
		return Message{}, false, err
	}
	packet, err := r.build(id)
	if err != nil {
		return Message{}, false, err
	}

	var t Transaction
	t.Start(time.Now(), id, r.Timing)
	messages := messageReader{conn: conn, stream: r.Timing.Reliable}
	failure := ErrNoResponse
	for {
		response, err := receive(ctx, &t, packet, &messages)
		switch {
		case err != nil:
			return Message{}, false, err
		case t.State() == TransactionTimedOut:
			return Message{}, false, failure
		case !t.Matches(response) || errors.Is(response.CheckFingerprint(), ErrFingerprintMismatch):
			continue
		case r.Credentials != nil:
			if retry, err = r.Credentials.Receive(response); err == nil {
				break
			}
			// RFC 8489, sections 9.1.4 and 9.2.5: the response is discarded, and instead of a
			// timeout the failure of the integrity is reported. On a reliable transport there will
			// be no other response.
			if failure = err; r.Timing.Reliable {
				return Message{}, false, failure
			}
			continue
		}
		t.Complete(time.Now())
		return response, retry, nil
	}
}

// receive sends the request if it is due and returns the next message that arrives, or the zero
// Message if none arrives until the deadline of the transaction.
func receive(ctx context.Context, t *Transaction, request []byte, messages *messageReader) (Message, error) {
	now := time.Now()
	if t.Advance(now); t.State() == TransactionTimedOut {
		return Message{}, nil
	}
	due := t.Transmit(now)
	if err := messages.conn.SetDeadline(t.Deadline()); err != nil {
		return Message{}, err
	}
	// From here on the deadline that the end of ctx sets is not overwritten.
	if ctx.Err() != nil {
		return Message{}, context.Cause(ctx)
	}
	var m Message
	var err error
	if due {
		_, err = messages.conn.Write(request)
	}
	if err == nil {
		m, err = messages.next()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return Message{}, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Message{}, nil
	}
	return m, err
}

// verdict returns the error of a response that is not a success or cannot be understood.
func (r *Request) verdict(response Message) error {
	if response.Type().Class() == ClassError {
		code, reason, err := response.ErrorCode()
		if err != nil {
			return requestError(r.method(), err)
		}
		return &ResponseError{Code: code, Reason: reason, Response: response}
	}
	// RFC 8489, section 6.3.3: the transaction has failed.
	if unknown := response.UnknownRequired(nil, r.Known); len(unknown) > 0 {
		return requestError(r.method(), fmt.Errorf("%w %v", ErrUnknownAttribute, unknown))
	}
	return nil
}
