package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What can go wrong, for errors.Is. The first two are found here; the others are what the proxy said.
var (
	// ErrInvalidProxy says that a URI or a Config is none of a proxy.
	ErrInvalidProxy = errors.New("not a valid proxy")
	// ErrInvalidTarget says that an address cannot be asked for: the network is not TCP, or host or port are malformed.
	ErrInvalidTarget = errors.New("not a valid target")
	// ErrAuthenticationRequired says that the proxy wants credentials and has been given none, or none of a kind that it
	// takes: status 407 without them, and the SOCKS5 method "no acceptable methods".
	ErrAuthenticationRequired = errors.New("authentication required")
	// ErrAuthenticationFailed says that the proxy does not accept the credentials: status 407 in spite of them, and a status
	// other than success in the negotiation of RFC 1929.
	ErrAuthenticationFailed = errors.New("authentication failed")
	// ErrRefused says that the proxy does not connect to the target: it will not, or could not. Status and Reply of the
	// [Error] say more.
	ErrRefused = errors.New("refused")
	// ErrProtocol says that what answered does not speak the protocol, or not within the limits.
	ErrProtocol = errors.New("not the answer of a proxy")
)

// Op is the step at which dialling failed.
type Op string

// The steps.
const (
	OpDial         Op = "dial"         // reaching the proxy
	OpAuthenticate Op = "authenticate" // agreeing on who is asking; with HTTP this is part of OpConnect
	OpConnect      Op = "connect"      // asking for the target
)

// Error is every error of [Dialer.DialContext] but those of a Dialer or an address that cannot be right.
//
// Err has the cause: one of the sentinels of this package, what the Forward function returned, an error of the connection
// (io.ErrUnexpectedEOF if the proxy closed it), or the error of the context and its cause, both for errors.Is. That is
// context.DeadlineExceeded also where the Dialer's own timeout has passed.
type Error struct {
	Op     Op
	Proxy  string // the URI of the proxy without the credentials
	Target string // the address asked for

	// Status is the status code of an HTTP proxy that refused, 300 to 599 or so, otherwise 0. StatusLine is the whole
	// line, cut after 256 bytes, and Challenges are the values of its Proxy-Authenticate fields.
	Status     int
	StatusLine string
	Challenges []string

	// Reply is the reply code of a SOCKS5 proxy that refused, otherwise [ReplySucceeded].
	Reply Reply

	Err error
}

// Error implements error. What the proxy said is quoted.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("proxy: " + string(e.Op))
	if e.Op == OpConnect {
		b.WriteString(" to " + e.Target)
	}
	b.WriteString(" (" + e.Proxy + "): ")
	fmt.Fprint(&b, e.Err)
	switch {
	case e.Status != 0:
		b.WriteString(": " + strconv.Quote(e.StatusLine))
	case e.Reply != ReplySucceeded:
		b.WriteString(": " + e.Reply.String())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// protocolError is an ErrProtocol that says what is wrong.
func protocolError(op Op, format string, args ...any) *Error {
	return &Error{Op: op, Err: fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))}
}
