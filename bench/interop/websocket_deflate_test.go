package interop_test

import (
	"bytes"
	"compress/flate"
	"io"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// wireDeflate is permessage-deflate (RFC 7692) on a wire, with compress/flate.
type wireDeflate struct {
	receiveNoTakeover bool // the other end uses no context takeover
	receiveWindow     int  // the size of its LZ77 window in octets
	history           []byte

	sendNoTakeover bool
	buf            bytes.Buffer
	w              *flate.Writer
}

// newWireDeflate returns the state of a client or a server for the agreed extension parameters.
func newWireDeflate(extensions string, client bool) (*wireDeflate, error) {
	parameters := strings.Split(extensions, ";")
	noTakeover := map[bool]bool{} // the key is true for the client's messages
	bits := map[bool]int{true: 15, false: 15}
	for _, p := range parameters[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		byClient := strings.HasPrefix(name, "client")
		switch {
		case strings.HasSuffix(name, "_no_context_takeover"):
			noTakeover[byClient] = true
		case value != "":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, err
			}
			bits[byClient] = n
		}
	}
	d := &wireDeflate{receiveNoTakeover: noTakeover[!client], receiveWindow: 1 << bits[!client], sendNoTakeover: noTakeover[client]}
	level := flate.DefaultCompression
	if bits[client] < 15 {
		level = flate.HuffmanOnly // without matches, because the window of compress/flate is always 32 KiB
	}
	var err error
	d.w, err = flate.NewWriter(&d.buf, level)
	return d, err
}

// flushed is the end of a flushed stream, which a message omits: https://www.rfc-editor.org/rfc/rfc7692.html#section-7.2.1
const flushed = "\x00\x00\xff\xff"

// message compresses a message.
func (d *wireDeflate) message(f wireFrame) wireFrame {
	d.buf.Reset()
	if d.sendNoTakeover {
		d.w.Reset(&d.buf)
	}
	_, _ = d.w.Write(f.payload) // writing to a bytes.Buffer cannot fail
	_ = d.w.Flush()
	f.payload = bytes.Clone(bytes.TrimSuffix(d.buf.Bytes(), []byte(flushed)))
	f.rsv = 4
	return f
}

func (d *wireDeflate) inflate(b []byte) ([]byte, error) {
	const end = flushed + "\x01\x00\x00\xff\xff" // an empty final block, so that the reader returns io.EOF
	history := d.history[max(0, len(d.history)-d.receiveWindow):]
	message, err := io.ReadAll(flate.NewReaderDict(io.MultiReader(bytes.NewReader(b), strings.NewReader(end)), history))
	if !d.receiveNoTakeover {
		d.history = append(d.history, message...)
		d.history = bytes.Clone(d.history[max(0, len(d.history)-d.receiveWindow):])
	}
	return message, err
}

// compressed compresses a message and returns its frames, each with at most size octets of payload; size 0: one frame.
func (w *wire) compressed(message wireFrame, size int) []wireFrame {
	require.NotNil(w.t, w.deflate)
	whole := w.deflate.message(message)
	if size == 0 {
		return []wireFrame{whole}
	}
	frames := fragmented(whole.op, whole.payload, size)
	frames[0].rsv = whole.rsv
	return frames
}
