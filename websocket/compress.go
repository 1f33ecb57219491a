package websocket

import (
	"sync"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// compressionParams is what the handshake agreed on for permessage-deflate.
// https://www.rfc-editor.org/rfc/rfc7692.html#section-7.1
type compressionParams struct {
	serverNoContextTakeover bool // the server forgets the history after each message
	clientNoContextTakeover bool // the client does
	serverMaxWindowBits     int  // 8 to 15: how far the server's compressor looks back
	clientMaxWindowBits     int  // 8 to 15: how far the client's does
}

// params returns what the options are when both ends have agreed on them.
func (o *CompressionOptions) params() *compressionParams {
	if o == nil {
		return nil
	}
	bits := func(n int) int {
		if n == 0 {
			return deflate.MaxWindowBits
		}
		return min(max(n, deflate.MinWindowBits), deflate.MaxWindowBits)
	}
	return &compressionParams{o.ServerNoContextTakeover, o.ClientNoContextTakeover, bits(o.ServerMaxWindowBits), bits(o.ClientMaxWindowBits)}
}

// Compressors and decompressors are pooled by window size. A connection that
// forgets the history after each message holds one only while there is a message,
// others from their first compressed message until they are closed.
var (
	compressors   [deflate.MaxWindowBits + 1]sync.Pool
	decompressors [deflate.MaxWindowBits + 1]sync.Pool
)

// deflater compresses the messages of one direction. The zero value is one that
// was not agreed on.
type deflater struct {
	windowBits int  // 0: no compression
	forget     bool // after each message
	c          *deflate.Compressor
}

func (d *deflater) init(windowBits int, forget bool) { d.windowBits, d.forget = windowBits, forget }

// begin prepares for a message.
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
	if d.forget {
		d.release()
	}
}

// release gives the memory back.
func (d *deflater) release() {
	if d.c != nil {
		d.c.Reset()
		compressors[d.windowBits].Put(d.c)
		d.c = nil
	}
}

// inflater decompresses the messages of one direction. The zero value is one
// that was not agreed on.
type inflater struct {
	windowBits int
	forget     bool
	d          *deflate.Decompressor
}

func (i *inflater) init(windowBits int, forget bool) { i.windowBits, i.forget = windowBits, forget }

// begin prepares for a message.
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
	if i.forget {
		i.release()
	}
}

// release gives the memory back.
func (i *inflater) release() {
	if i.d != nil {
		i.d.Reset()
		decompressors[i.windowBits].Put(i.d)
		i.d = nil
	}
}

// compressBound is how large n bytes can become when they do not compress: the
// headers of stored blocks are added.
func compressBound(n int) int { return n + n>>8 + 64 }
