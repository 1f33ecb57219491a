package interop_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The opcodes of RFC 6455, section 11.8. This file follows the RFC alone and shares no code with the package under test,
// because the tests could not detect a mistake in shared code.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// wireFrame is a valid or invalid frame.
type wireFrame struct {
	op      byte
	more    bool // FIN is 0
	rsv     byte // the three reserved bits, RSV1 the highest
	payload []byte
}

// part returns the frame with FIN 0: it is not the last one of its message.
func (f wireFrame) part() wireFrame { f.more = true; return f }

// reserved returns the frame with these reserved bits.
func (f wireFrame) reserved(rsv byte) wireFrame { f.rsv = rsv; return f }

func text(s string) wireFrame            { return wireFrame{op: opText, payload: []byte(s)} }
func binaryFrame(b []byte) wireFrame     { return wireFrame{op: opBinary, payload: b} }
func cont(s string) wireFrame            { return wireFrame{op: opContinuation, payload: []byte(s)} }
func ping(s string) wireFrame            { return wireFrame{op: opPing, payload: []byte(s)} }
func pong(s string) wireFrame            { return wireFrame{op: opPong, payload: []byte(s)} }
func opcode(op byte, s string) wireFrame { return wireFrame{op: op, payload: []byte(s)} }

// closing returns a close frame.
func closing(code uint16, reason string) wireFrame {
	return wireFrame{op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, code), reason...)}
}

// fragments returns the frames of a message whose payloads are the pieces.
func fragments(op byte, pieces ...string) (frames []wireFrame) {
	for i, piece := range pieces {
		frames = append(frames, wireFrame{op: op, more: i < len(pieces)-1, payload: []byte(piece)})
		op = opContinuation
	}
	return frames
}

// fragmented returns the frames of a message that is split into payloads of a size.
func fragmented(op byte, payload []byte, size int) (frames []wireFrame) {
	for {
		n := min(size, len(payload))
		frames = append(frames, wireFrame{op: op, more: n < len(payload), payload: payload[:n]})
		if payload, op = payload[n:], opContinuation; len(payload) == 0 {
			return frames
		}
	}
}

// octets returns the frames of a text message, each with one octet.
func octets(s string) []wireFrame { return fragmented(opText, []byte(s), 1) }

// wire is an end of a connection at which the test itself writes the frames.
type wire struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	client  bool
	chop    int // the number of bytes in a write; 0: all
	out     chan []byte
	written chan struct{} // closed after the last write
	deflate *wireDeflate  // nil: no compression was agreed on
}

// begin starts the goroutine that writes to the connection.
func (w *wire) begin() {
	require.NoError(w.t, w.conn.SetDeadline(time.Now().Add(webSocketPatience)))
	w.out, w.written = make(chan []byte, 1<<14), make(chan struct{})
	go func() {
		defer close(w.written)
		var err error
		for b := range w.out {
			if err == nil { // otherwise the other end has closed the connection, which the reader detects too
				_, err = w.conn.Write(b)
			}
		}
	}()
}

// end closes the connection.
func (w *wire) end() {
	w.conn.Close()
	close(w.out)
	<-w.written
}

// dialWire connects to a server and performs the client's opening handshake, with an offer of extensions. It returns the
// agreed ones.
func dialWire(t testing.TB, url, offer string) (w *wire, extensions string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/"))
	require.NoError(t, err)
	w = &wire{t: t, conn: conn, in: bufio.NewReader(conn), client: true}
	w.begin()
	key := base64.StdEncoding.EncodeToString([]byte("sixteen octets !"))
	request := "GET / HTTP/1.1\r\nHost: " + conn.RemoteAddr().String() + "\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n"
	if offer != "" {
		request += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	w.out <- []byte(request + "\r\n")
	response, err := http.ReadResponse(w.in, &http.Request{Method: "GET"})
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Equal(t, acceptValue(key), response.Header.Get("Sec-WebSocket-Accept"))
	return w, response.Header.Get("Sec-WebSocket-Extensions")
}

// acceptWire accepts a client's connection and performs the server's opening handshake. The function answer returns the
// response to an offer of extensions.
func acceptWire(t testing.TB, listener net.Listener, answer func(offer string) string) *wire {
	t.Helper()
	require.NoError(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(webSocketPatience)))
	conn, err := listener.Accept()
	require.NoError(t, err)
	w := &wire{t: t, conn: conn, in: bufio.NewReader(conn)}
	w.begin()
	request, err := http.ReadRequest(w.in)
	require.NoError(t, err)
	response := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptValue(request.Header.Get("Sec-WebSocket-Key")) + "\r\n"
	if extensions := answer(request.Header.Get("Sec-WebSocket-Extensions")); extensions != "" {
		response += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	w.out <- []byte(response + "\r\n")
	return w
}

// acceptValue returns the value of Sec-WebSocket-Accept: RFC 6455, section 4.2.2, step 5.4.
func acceptValue(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// send sends frames in one write unless w.chop is set. It does not wait for the other end to read.
func (w *wire) send(frames ...wireFrame) {
	var b []byte
	for _, f := range frames {
		b = w.append(b, f)
	}
	w.sendBytes(b)
}

// sendEach sends frames, each in its own write.
func (w *wire) sendEach(frames ...wireFrame) {
	for _, f := range frames {
		w.sendBytes(w.append(nil, f))
	}
}

func (w *wire) sendBytes(b []byte) {
	for w.chop > 0 && len(b) > w.chop {
		w.out <- b[:w.chop]
		b = b[w.chop:]
	}
	w.out <- b
}

// append appends a frame: RFC 6455, section 5.2.
func (w *wire) append(b []byte, f wireFrame) []byte {
	first := f.op | f.rsv<<4
	if !f.more {
		first |= 0x80
	}
	masked := byte(0)
	if w.client {
		masked = 0x80
	}
	b = append(b, first)
	switch n := len(f.payload); {
	case n < 126:
		b = append(b, masked|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
	if !w.client {
		return append(b, f.payload...)
	}
	key := binary.LittleEndian.AppendUint32(nil, rand.Uint32())
	b = append(b, key...)
	start := len(b)
	b = append(b, f.payload...)
	maskOctets(b[start:], key)
	return b
}

// maskOctets masks or unmasks a complete payload: RFC 6455, section 5.3.
func maskOctets(payload, key []byte) {
	keys := bytes.Repeat(key, 1<<10)
	for len(payload) > 0 {
		payload = payload[subtle.XORBytes(payload, payload, keys):]
	}
}

// receive reads a frame and checks the rules that apply to every frame.
func (w *wire) receive() (f wireFrame, err error) {
	var head [2]byte
	if _, err = io.ReadFull(w.in, head[:]); err != nil {
		return f, err
	}
	f.op, f.more, f.rsv = head[0]&15, head[0]&0x80 == 0, head[0]>>4&7
	if masked := head[1]&0x80 != 0; masked == w.client {
		return f, fmt.Errorf("masked is %v: RFC 6455, section 5.1", masked)
	}
	size, least := uint64(head[1]&127), uint64(0)
	switch size {
	case 126:
		var b [2]byte
		if _, err = io.ReadFull(w.in, b[:]); err != nil {
			return f, err
		}
		size, least = uint64(binary.BigEndian.Uint16(b[:])), 126
	case 127:
		var b [8]byte
		if _, err = io.ReadFull(w.in, b[:]); err != nil {
			return f, err
		}
		size, least = binary.BigEndian.Uint64(b[:]), 1<<16
	}
	if size < least || size > 2*webSocketMessage {
		return f, fmt.Errorf("length %d is not in the shortest encoding, or too large", size)
	}
	if f.op >= opClose && (f.more || size > 125) {
		return f, fmt.Errorf("control frame of %d octets, fragmented: %v: RFC 6455, section 5.5", size, f.more)
	}
	if f.rsv != 0 && (w.deflate == nil || f.rsv != 4 || f.op >= opClose || f.op == opContinuation) {
		return f, fmt.Errorf("reserved bits %b on opcode %d", f.rsv, f.op)
	}
	var key [4]byte
	if !w.client {
		if _, err = io.ReadFull(w.in, key[:]); err != nil {
			return f, err
		}
	}
	f.payload = make([]byte, size)
	if _, err = io.ReadFull(w.in, f.payload); err != nil {
		return f, err
	}
	if !w.client {
		maskOctets(f.payload, key[:])
	}
	return f, nil
}

// next returns the next control frame or message, with its fragments joined.
func (w *wire) next() (wireFrame, error) {
	var message wireFrame
	for begun := false; ; begun = true {
		f, err := w.receive()
		if err != nil {
			return f, err
		}
		if f.op >= opClose {
			if begun {
				return f, fmt.Errorf("unexpected control frame with opcode %d between fragments", f.op)
			}
			return f, nil
		}
		if begun != (f.op == opContinuation) {
			return f, fmt.Errorf("opcode %d, within a message: %v", f.op, begun)
		}
		if !begun {
			message = f
		} else {
			message.payload = append(message.payload, f.payload...)
		}
		if f.more {
			continue
		}
		message.more = false
		if message.rsv != 0 {
			message.rsv = 0
			message.payload, err = w.deflate.inflate(message.payload)
		}
		return message, err
	}
}

// want receives messages or control frames and compares them with the given ones.
func (w *wire) want(frames ...wireFrame) {
	w.t.Helper()
	for i, want := range frames {
		got, err := w.next()
		require.NoError(w.t, err, "frame %d", i)
		require.Equal(w.t, want.op, got.op, "opcode of frame %d, with %q", i, brief(got.payload))
		if !bytes.Equal(want.payload, got.payload) {
			require.Equal(w.t, brief(want.payload), brief(got.payload), "frame %d", i)
		}
	}
}

func brief(b []byte) string {
	if len(b) > 200 {
		return fmt.Sprintf("%q… (%d octets, CRC of all %x)", b[:200], len(b), sha1.Sum(b))
	}
	return string(b)
}

// wantClose expects a close frame with one of the codes, and the end of the connection. Code 0: a close frame without a
// code.
func (w *wire) wantClose(codes ...uint16) {
	w.t.Helper()
	f, err := w.next()
	require.NoError(w.t, err)
	require.EqualValues(w.t, opClose, f.op, "opcode, with %q", brief(f.payload))
	code := uint16(0)
	if len(f.payload) > 0 {
		require.GreaterOrEqual(w.t, len(f.payload), 2)
		code = binary.BigEndian.Uint16(f.payload)
	}
	require.Contains(w.t, codes, code)
	w.wantEnd()
}

// wantEnd expects that the other end closes the connection without more frames. RFC 6455, section 7.1.1: the server closes
// first. On a busy machine the other end can time out before it has received all octets of this end; then it resets the
// connection.
func (w *wire) wantEnd() {
	w.t.Helper()
	if !w.client {
		if err := w.conn.(*net.TCPConn).CloseWrite(); !errors.Is(err, syscall.ENOTCONN) {
			require.NoError(w.t, err)
		}
	}
	n, err := io.Copy(io.Discard, w.in)
	if !errors.Is(err, syscall.ECONNRESET) {
		require.NoError(w.t, err, "the end of the connection")
	}
	require.Zero(w.t, n, "octets after the close frame")
}
