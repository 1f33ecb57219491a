package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// clientHandshake is the client's side of one opening handshake.
//
// RFC 6455, section 4.1.
type clientHandshake struct {
	url          *URL
	key          string // the value of Sec-WebSocket-Key: 16 random bytes in base64
	header       http.Header
	origin       string
	subprotocols []string
	offer        *deflateParameters // nil: no compression offered
}

// clientProtected are the fields that DialOptions.Header must not set: those of the handshake, and
// those of a request with content.
var clientProtected = map[string]bool{
	"Host": true, "Upgrade": true, "Connection": true,
	"Sec-Websocket-Key": true, "Sec-Websocket-Version": true,
	"Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true, "Sec-Websocket-Accept": true,
	"Content-Length": true, "Transfer-Encoding": true, "Trailer": true, "Expect": true,
}

// newClientHandshake checks the options; its errors match ErrInvalidOption.
func newClientHandshake(u *URL, key string, opts *DialOptions) (*clientHandshake, error) {
	h := &clientHandshake{url: u, key: key, header: opts.Header, origin: opts.Origin, subprotocols: opts.Protocols}
	if err := checkHeader(opts.Header, clientProtected); err != nil {
		return nil, err
	}
	if !isFieldValue(opts.Origin) || opts.Origin != "" && hasField(opts.Header, "Origin") {
		return nil, fmt.Errorf("%w: Origin %q", ErrInvalidOption, opts.Origin)
	}
	if err := checkSubprotocols(opts.Protocols); err != nil {
		return nil, err
	}
	if opts.Compression != nil {
		o, err := opts.Compression.check()
		if err != nil {
			return nil, err
		}
		offer := offerDeflate(o)
		h.offer = &offer
	}
	return h, nil
}

// checkSubprotocols returns an error that matches ErrInvalidOption unless all names are valid and
// different.
func checkSubprotocols(names []string) error {
	for i, name := range names {
		if !isSubprotocol(name) || slices.Contains(names[:i], name) {
			return fmt.Errorf("%w: subprotocol %q is not visible ASCII without commas, or there twice", ErrInvalidOption, name)
		}
	}
	return nil
}

// appendRequest appends the request to dst.
func (h *clientHandshake) appendRequest(dst []byte) []byte {
	b := bytes.NewBuffer(dst)
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	b.WriteString("GET " + h.url.Path + " HTTP/1.1\r\n")
	field("Host", h.url.Host)
	field("Upgrade", "websocket")
	field("Connection", "Upgrade")
	field("Sec-WebSocket-Key", h.key)
	field("Sec-WebSocket-Version", "13")
	if h.origin != "" {
		field("Origin", h.origin)
	}
	if len(h.subprotocols) > 0 {
		field("Sec-WebSocket-Protocol", strings.Join(h.subprotocols, ", "))
	}
	if h.offer != nil {
		field("Sec-WebSocket-Extensions", h.offer.String())
	}
	if h.url.authorization != "" && !hasField(h.header, "Authorization") {
		field("Authorization", h.url.authorization)
	}
	h.header.Write(b) // in alphabetical order; a Buffer does not fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// checkResponse returns the configuration of the connection, or a *HandshakeError.
func (h *clientHandshake) checkResponse(r *responseHead) (connConfig, error) {
	fail := func(reason string) (connConfig, error) {
		return connConfig{}, &HandshakeError{Status: r.status, Header: r.header, Reason: reason}
	}
	if r.status != http.StatusSwitchingProtocols {
		return fail("")
	}
	// RFC 6455, section 4.1: the order of the checks is that of the numbered list.
	if r.major != 1 || r.minor < 1 {
		return fail("not HTTP/1.1")
	}
	if upgrade, ok := singleValue(r.header, "Upgrade"); !ok || !strings.EqualFold(upgrade, "websocket") {
		return fail("Upgrade is not websocket")
	}
	if !listContains(r.header["Connection"], "upgrade") {
		return fail("no Connection: Upgrade")
	}
	if accept, ok := singleValue(r.header, "Sec-Websocket-Accept"); !ok || accept != acceptKey(h.key) {
		return fail("Sec-WebSocket-Accept does not fit the request")
	}
	compression, reason := checkAnswer(r.header["Sec-Websocket-Extensions"], h.offer)
	if reason != "" {
		return fail(reason)
	}
	subprotocol, ok := singleValue(r.header, "Sec-Websocket-Protocol")
	if !ok || subprotocol != "" && !slices.Contains(h.subprotocols, subprotocol) {
		return fail("Sec-WebSocket-Protocol is none of those that were offered")
	}
	return connConfig{client: true, subprotocol: subprotocol, compression: compression}, nil
}

// run performs the handshake on a stream that is closed from outside if the handshake takes too
// long. It does not close the stream itself.
func (h *clientHandshake) run(stream net.Conn) (connConfig, error) {
	if _, err := stream.Write(h.appendRequest(nil)); err != nil {
		return connConfig{}, fmt.Errorf("send request: %w", err)
	}
	reader := headReader{stream: stream, prefix: "HTTP/"}
	for range maxInterimResponses {
		head, err := reader.next()
		if err != nil {
			return connConfig{}, responseError(err)
		}
		response, err := parseResponseHead(head)
		if err != nil {
			return connConfig{}, responseError(err)
		}
		// RFC 9110, section 15.2: "A client MUST be able to parse one or more 1xx responses
		// received prior to a final response, even if the client does not expect one."
		if response.status/100 == 1 && response.status != http.StatusSwitchingProtocols {
			continue
		}
		cfg, err := h.checkResponse(response)
		if refusal := (*HandshakeError)(nil); errors.As(err, &refusal) && response.status != http.StatusSwitchingProtocols {
			refusal.Body = readErrorBody(stream, head, reader.early())
		}
		cfg.early = reader.early()
		return cfg, err
	}
	return connConfig{}, &HandshakeError{Reason: "too many interim responses"}
}

// responseError wraps the error of reading a response. The result is a *HandshakeError, except for
// an error of the stream.
func responseError(err error) error {
	switch err {
	case io.ErrUnexpectedEOF:
		return &HandshakeError{Reason: "connection closed instead of a response", Err: err}
	case errNotHTTP, errHeadTooLarge, errHeadLineBreak, errHeaderName, errHeaderValue, errHeaderFold:
		return &HandshakeError{Reason: "response: " + err.Error()}
	default:
		return fmt.Errorf("read response: %w", err)
	}
}

// readErrorBody returns the beginning of the content of a response, without transfer coding: the
// bytes that arrive within errorBodyTimeout.
func readErrorBody(stream net.Conn, head, early []byte) []byte {
	soon := time.AfterFunc(errorBodyTimeout, func() { stream.SetReadDeadline(time.Unix(1, 0)) })
	defer soon.Stop()
	all := io.MultiReader(bytes.NewReader(bytes.Clone(head)), bytes.NewReader(early), stream)
	// The size of the head is bounded, as headReader has read it. http.ReadResponse decodes the
	// framing of the content.
	response, err := http.ReadResponse(bufio.NewReader(all), &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil
	}
	// Closing the body would read the rest of it; the stream is closed instead.
	body, _ := io.ReadAll(io.LimitReader(response.Body, MaxErrorBody))
	return body
}
