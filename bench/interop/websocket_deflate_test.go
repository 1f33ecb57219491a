package interop_test

import (
	"bytes"
	"compress/flate"
	"io"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// wireDeflate is permessage-deflate (RFC 7692) on a wire, by the compressor of Go's library.
type wireDeflate struct {
	receiveForgets bool // the other end begins each message without a history
	receiveWindow  int  // how far back it may refer, in octets
	history        []byte

	sendForgets bool
	buf         bytes.Buffer
	w           *flate.Writer
}

// newWireDeflate makes it from what was agreed on, for a client or a server.
func newWireDeflate(extensions string, client bool) (*wireDeflate, error) {
	parameters := strings.Split(extensions, ";")
	forgets := map[bool]bool{} // by whether it is the client that compresses
	bits := map[bool]int{true: 15, false: 15}
	for _, p := range parameters[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		byClient := strings.HasPrefix(name, "client")
		switch {
		case strings.HasSuffix(name, "_no_context_takeover"):
			forgets[byClient] = true
		case value != "":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, err
			}
			bits[byClient] = n
		}
	}
	d := &wireDeflate{receiveForgets: forgets[!client], receiveWindow: 1 << bits[!client], sendForgets: forgets[client]}
	level := flate.DefaultCompression
	if bits[client] < 15 {
		level = flate.HuffmanOnly // that of the library knows one window only: this refers to nothing
	}
	var err error
	d.w, err = flate.NewWriter(&d.buf, level)
	return d, err
}

// flushed is what is left out at the end of a message: https://www.rfc-editor.org/rfc/rfc7692.html#section-7.2.1
const flushed = "\x00\x00\xff\xff"

// message compresses a message.
func (d *wireDeflate) message(f wireFrame) wireFrame {
	d.buf.Reset()
	if d.sendForgets {
		d.w.Reset(&d.buf)
	}
	_, _ = d.w.Write(f.payload) // a bytes.Buffer takes everything
	_ = d.w.Flush()
	f.payload = bytes.Clone(bytes.TrimSuffix(d.buf.Bytes(), []byte(flushed)))
	f.rsv = 4
	return f
}

func (d *wireDeflate) inflate(b []byte) ([]byte, error) {
	const end = flushed + "\x01\x00\x00\xff\xff" // an empty last block, so that the library knows that this is all
	history := d.history[max(0, len(d.history)-d.receiveWindow):]
	message, err := io.ReadAll(flate.NewReaderDict(io.MultiReader(bytes.NewReader(b), strings.NewReader(end)), history))
	if !d.receiveForgets {
		d.history = append(d.history, message...)
		d.history = bytes.Clone(d.history[max(0, len(d.history)-d.receiveWindow):])
	}
	return message, err
}

// compressed is fragmented for a message that is compressed first; size 0 is one frame.
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
