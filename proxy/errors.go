package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The errors of a Dialer, for errors.Is.
var (
	// ErrInvalidProxy reports that a URI or a Config does not describe a proxy.
	ErrInvalidProxy = errors.New("proxy: not a valid proxy")
	// ErrInvalidTarget reports that the network is not TCP, or that the host or the port of the
	// address is malformed.
	ErrInvalidTarget = errors.New("proxy: not a valid target")
	// ErrAuthenticationRequired reports that the proxy requires credentials and there are none, or
	// none of a kind that it accepts: status 407 without credentials, or the SOCKS5 method X'FF'.
	ErrAuthenticationRequired = errors.New("proxy: authentication required")
	// ErrAuthenticationFailed reports that the proxy does not accept the credentials: status 407
	// with credentials, or a failure of the negotiation of RFC 1929.
	ErrAuthenticationFailed = errors.New("proxy: authentication failed")
	// ErrRefused reports that the proxy will not or could not connect to the target. See Status and
	// Reply of the [Error].
	ErrRefused = errors.New("proxy: refused")
	// ErrProtocol reports that the answer is not one of the proxy protocol, or exceeds a limit.
	ErrProtocol = errors.New("proxy: not the answer of a proxy")
)

// Op is the step at which dialling failed.
type Op string

// The steps.
const (
	OpDial         Op = "dial"         // connecting to the proxy
	OpAuthenticate Op = "authenticate" // SOCKS5 methods and credentials; with HTTP a part of OpConnect
	OpConnect      Op = "connect"      // requesting the target
)

// Error is every error of [Dialer.DialContext] except ErrInvalidProxy and ErrInvalidTarget.
//
// Err has the cause: one of the sentinels of this package, the error of the Forward function, an
// error of the connection (io.ErrUnexpectedEOF if the proxy closed it), or the error of the
// context, which matches ctx.Err() and context.Cause(ctx). After the Dialer's own timeout it is
// context.DeadlineExceeded.
type Error struct {
	Op     Op
	Proxy  string // the URI of the proxy, without credentials
	Target string // the address requested

	// Status is the status code of an HTTP proxy that refused, 300 to 999, otherwise 0. StatusLine
	// is the whole line, truncated to 256 bytes, and Challenges are the values of its
	// Proxy-Authenticate fields.
	Status     int
	StatusLine string
	Challenges []string

	// Reply is the reply code of a SOCKS5 proxy that refused, otherwise [ReplySucceeded].
	Reply Reply

	Err error
}

// Error implements error. It quotes the proxy's status line or reply.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("proxy: " + string(e.Op))
	if e.Op == OpConnect {
		b.WriteString(" to " + e.Target)
	}
	b.WriteString(" (" + e.Proxy + "): ")
	b.WriteString(strings.TrimPrefix(fmt.Sprint(e.Err), "proxy: "))
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

// protocolError returns an Error that matches ErrProtocol and describes the fault.
func protocolError(op Op, format string, args ...any) *Error {
	return &Error{Op: op, Err: fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))}
}
