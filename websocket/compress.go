package websocket

import (
	"cmp"
	"sync"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// compressionParams are the parameters of permessage-deflate that the handshake agreed on.
//
// RFC 7692, section 7.1.
type compressionParams struct {
	serverNoContextTakeover bool // the server compresses each message without the context of earlier ones
	clientNoContextTakeover bool // the client does
	serverMaxWindowBits     int  // 8 to 15: the window size of the server's compressor
	clientMaxWindowBits     int  // 8 to 15: the window size of the client's compressor
}

// params returns the parameters of a connection whose two ends have agreed on the options.
func (o *CompressionOptions) params() *compressionParams {
	if o == nil {
		return nil
	}
	bits := func(n int) int {
		return min(max(windowBits(n), deflate.MinWindowBits), deflate.MaxWindowBits)
	}
	return &compressionParams{
		o.ServerNoContextTakeover, o.ClientNoContextTakeover,
		bits(o.ServerMaxWindowBits), bits(o.ClientMaxWindowBits),
	}
}

// windowBits returns the window size, in bits, for the value of an option.
func windowBits(option int) int { return cmp.Or(option, deflate.MaxWindowBits) }

// Compressors and decompressors are pooled by window size. Without context takeover a connection
// holds one only during a message; otherwise from its first compressed message until it is closed.
var (
	compressors   [deflate.MaxWindowBits + 1]sync.Pool
	decompressors [deflate.MaxWindowBits + 1]sync.Pool
)

// deflater compresses the messages of one direction. The zero value is for a connection without
// compression.
type deflater struct {
	windowBits        int // 0: no compression
	noContextTakeover bool
	c                 *deflate.Compressor
}

func (d *deflater) init(windowBits int, noContextTakeover bool) {
	d.windowBits, d.noContextTakeover = windowBits, noContextTakeover
}

// begin ensures that there is a compressor, before a message.
func (d *deflater) begin() {
	if d.c != nil {
		return
	}
	var ok bool
	if d.c, ok = compressors[d.windowBits].Get().(*deflate.Compressor); !ok {
		d.c = deflate.NewCompressor(d.windowBits)
	}
}

// end ends a message.
func (d *deflater) end() {
	if d.noContextTakeover {
		d.release()
	}
}

// release returns the compressor to its pool, and so forgets the context.
func (d *deflater) release() {
	if d.c != nil {
		d.c.Reset()
		compressors[d.windowBits].Put(d.c)
		d.c = nil
	}
}

// inflater decompresses the messages of one direction. The zero value is for a connection without
// compression.
type inflater struct {
	windowBits        int // 0: no compression
	noContextTakeover bool
	d                 *deflate.Decompressor
}

func (i *inflater) init(windowBits int, noContextTakeover bool) {
	i.windowBits, i.noContextTakeover = windowBits, noContextTakeover
}

// begin ensures that there is a decompressor, before a message.
func (i *inflater) begin() {
	if i.d != nil {
		return
	}
	var ok bool
	if i.d, ok = decompressors[i.windowBits].Get().(*deflate.Decompressor); !ok {
		i.d = deflate.NewDecompressor(i.windowBits)
	}
}

// end ends a message.
func (i *inflater) end() {
	if i.noContextTakeover {
		i.release()
	}
}

// release returns the decompressor to its pool, and so forgets the context.
func (i *inflater) release() {
	if i.d != nil {
		i.d.Reset()
		decompressors[i.windowBits].Put(i.d)
		i.d = nil
	}
}

// compressBound returns the largest size of n bytes after compression: incompressible bytes are
// sent in stored blocks, whose headers are added.
func compressBound(n int) int { return n + n>>8 + 64 }
