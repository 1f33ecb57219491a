package websocket

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Request is the client's request for a WebSocket.
type Request struct {
	Path   string      // the path and query as sent, such as "/chat?room=1"; never empty
	Host   string      // the Host field: the host, and the port unless it is the default, as sent by the client
	Header http.Header // the header fields, by their canonical names
}

// serverProtected are the fields of the response that AcceptOptions.Header must not set.
var serverProtected = map[string]bool{
	"Upgrade": true, "Connection": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Version": true,
	"Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
	"Content-Length": true, "Transfer-Encoding": true, "Trailer": true,
}

// acceptance holds the server's choices for an accepted request.
type acceptance struct {
	accept      string             // the value of Sec-WebSocket-Accept
	subprotocol string             // or empty
	deflate     *deflateParameters // nil: no compression
}

// parseRequest parses the head of a request, and checks it against the rules of HTTP.
//
// RFC 9112, section 3.2.
func parseRequest(head []byte) (*Request, *requestHead, *HandshakeError) {
	h, err := parseRequestHead(head)
	if err != nil {
		return nil, nil, refuseRead(err)
	}
	r := &Request{Path: h.target, Header: h.header}
	// RFC 9112, section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any
	// HTTP/1.1 request message that lacks a Host header field and to any request message that
	// contains more than one Host header field line".
	var ok bool
	if r.Host, ok = singleValue(h.header, "Host"); !ok || !isHostValue(r.Host) {
		return nil, nil, &HandshakeError{Status: http.StatusBadRequest, Reason: "no valid Host, or more than one"}
	}
	// A program is likely to parse the path, which then succeeds.
	target, err := url.ParseRequestURI(h.target)
	if err != nil {
		return nil, nil, &HandshakeError{Status: http.StatusBadRequest, Reason: "the request target does not parse"}
	}
	// A server must accept the absolute form of a request target, whose host replaces the Host
	// field.
	// RFC 9110, section 4.2.4: user information in it is an error.
	if target.Scheme != "" {
		if target.Opaque != "" || target.User != nil || !isHostValue(target.Host) {
			return nil, nil, &HandshakeError{Status: http.StatusBadRequest, Reason: "the request target has no valid host"}
		}
		_, rest, _ := strings.Cut(h.target, "://")
		r.Host, r.Path = target.Host, ""
		if end := strings.IndexAny(rest, "/?"); end >= 0 {
			r.Path = rest[end:]
		}
		if !strings.HasPrefix(r.Path, "/") {
			r.Path = "/" + r.Path
		}
	}
	if !strings.HasPrefix(r.Path, "/") {
		return nil, nil, &HandshakeError{Status: http.StatusBadRequest, Reason: "the request target is no path"}
	}
	// Content could be mistaken for frames.
	if length, ok := singleValue(h.header, "Content-Length"); !ok || length != "" && length != "0" || h.header["Transfer-Encoding"] != nil {
		return nil, nil, refuseContent()
	}
	return r, h, nil
}

// refuseRead returns the refusal of a request that cannot be parsed, and nil for an error of the
// stream.
func refuseRead(err error) *HandshakeError {
	switch err {
	case errHeadTooLarge:
		return &HandshakeError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "more than " + strconv.Itoa(MaxHeaderSize) + " bytes"}
	case errNotHTTP, errHeadLineBreak, errHeaderName, errHeaderValue, errHeaderFold:
		return &HandshakeError{Status: http.StatusBadRequest, Reason: err.Error()}
	default:
		return nil
	}
}

func refuseContent() *HandshakeError {
	return &HandshakeError{Status: http.StatusBadRequest, Reason: "a request with content"}
}

// checkRequest checks the client's opening handshake, and makes the server's choices.
//
// RFC 6455, section 4.2.1.
func (o *checkedAcceptOptions) checkRequest(r *Request, method string, major, minor int) (*acceptance, *HandshakeError) {
	refuse := func(status int, reason string) (*acceptance, *HandshakeError) {
		return nil, &HandshakeError{Status: status, Reason: reason, Header: make(http.Header)}
	}
	if method != http.MethodGet {
		_, refusal := refuse(http.StatusMethodNotAllowed, "the method is not GET")
		refusal.Header.Set("Allow", http.MethodGet)
		return nil, refusal
	}
	if major != 1 {
		return refuse(http.StatusHTTPVersionNotSupported, "not HTTP/1.1")
	}
	// RFC 9110, section 7.8: "A server MUST ignore an Upgrade header field that is received in an
	// HTTP/1.0 request".
	upgrade := minor > 0 && listContains(r.Header["Upgrade"], "websocket") && listContains(r.Header["Connection"], "upgrade")
	version, ok := singleValue(r.Header, "Sec-Websocket-Version")
	if !upgrade || ok && version != "" && version != "13" {
		// RFC 9110, section 15.5.22: "The server MUST send an Upgrade header field in a 426
		// response".
		// RFC 6455, section 4.4: it also sends the version that it supports.
		_, refusal := refuse(http.StatusUpgradeRequired, "this is a WebSocket server, of version 13")
		refusal.Header.Set("Upgrade", "websocket")
		refusal.Header.Set("Connection", "Upgrade")
		refusal.Header.Set("Sec-Websocket-Version", "13")
		return nil, refusal
	}
	if !ok || version == "" {
		return refuse(http.StatusBadRequest, "no Sec-WebSocket-Version, or more than one")
	}
	key, ok := singleValue(r.Header, "Sec-Websocket-Key")
	if nonce, err := base64.StdEncoding.DecodeString(key); !ok || err != nil || len(nonce) != 16 {
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64, once")
	}
	a := &acceptance{accept: acceptKey(key)}
	offered, ok := subprotocolList(r.Header["Sec-Websocket-Protocol"])
	if !ok {
		return refuse(http.StatusBadRequest, "malformed Sec-WebSocket-Protocol")
	}
	for _, name := range o.Protocols {
		if slices.Contains(offered, name) {
			a.subprotocol = name
			break
		}
	}
	extensions, ok := parseExtensions(r.Header["Sec-Websocket-Extensions"])
	if !ok {
		return refuse(http.StatusBadRequest, "malformed Sec-WebSocket-Extensions")
	}
	if o.Compression != nil {
		if answer, ok := acceptDeflate(extensions, o.compression); ok {
			a.deflate = &answer
		}
	}
	if !o.originAllowed(r) {
		return refuse(http.StatusForbidden, originRefused(r))
	}
	if o.CheckRequest != nil {
		if err := o.CheckRequest(r); err != nil {
			return nil, refusalOf(err)
		}
	}
	return a, nil
}

// refusalOf returns the refusal for an error of a CheckRequest function.
func refusalOf(err error) *HandshakeError {
	var refusal *HandshakeError
	if !errors.As(err, &refusal) {
		// The text of the error may be confidential: it is not sent to the client.
		return &HandshakeError{Status: http.StatusForbidden, Err: err}
	}
	chosen := *refusal
	if chosen.Status < 300 || chosen.Status > 999 {
		chosen.Status = http.StatusForbidden
	}
	return &chosen
}

// content returns the body of the refusal, and its media type.
func (e *HandshakeError) content() (body []byte, mediaType string) {
	if e.Body != nil {
		return e.Body, http.DetectContentType(e.Body)
	}
	text := http.StatusText(e.Status)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return []byte(text + "\n"), "text/plain; charset=utf-8"
}

// appendRefusal appends the response that refuses the request.
func appendRefusal(dst []byte, e *HandshakeError) []byte {
	b := bytes.NewBuffer(dst)
	body, mediaType := e.content()
	b.WriteString("HTTP/1.1 " + strconv.Itoa(e.Status) + " " + http.StatusText(e.Status) + "\r\n")
	b.WriteString("Connection: close\r\n")
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	if !hasField(e.Header, "Content-Type") {
		b.WriteString("Content-Type: " + mediaType + "\r\n")
	}
	e.Header.WriteSubset(b, map[string]bool{"Content-Length": true, "Transfer-Encoding": true})
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// appendResponse appends the response that accepts the request.
//
// RFC 6455, section 4.2.2.
func (a *acceptance) appendResponse(dst []byte, headers ...http.Header) []byte {
	b := bytes.NewBuffer(dst)
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + a.accept + "\r\n")
	if a.subprotocol != "" {
		b.WriteString("Sec-WebSocket-Protocol: " + a.subprotocol + "\r\n")
	}
	if a.deflate != nil {
		b.WriteString("Sec-WebSocket-Extensions: " + a.deflate.String() + "\r\n")
	}
	for _, h := range headers {
		h.WriteSubset(b, serverProtected)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
