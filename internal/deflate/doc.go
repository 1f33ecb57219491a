// Package deflate compresses and decompresses raw DEFLATE (RFC 1951) as permessage-deflate (RFC
// 7692) uses it: one message after the other, each ended at a byte boundary, with or without
// context takeover between them.
//
// Both directions append their output to a slice of the caller, and keep no slice. A message may be
// passed in pieces of any size:
//
//	c := deflate.NewCompressor(15)
//	wire := c.Append(nil, []byte("Hello"), true) // f2 48 cd c9 c9 07 00
//
//	d := deflate.NewDecompressor(15)
//	message, err := d.Append(nil, wire[:3], limit)
//	message, err = d.Append(message, wire[3:], limit)
//	err = d.Finish()
//	c.Reset() // with no_context_takeover
//	d.Reset()
//
// The package is designed for many connections. Windows have 8 to 15 bits; with a window of 8 bits
// no match reaches back more than 256 bytes, as the format requires. Memory that is needed only
// during a call, or during a block, is pooled. Between calls a compressor holds its window and an
// index of it (160 KiB for 15 bits, 4 KiB for 9), a decompressor only the part of its window that
// has been filled (at most 32 KiB). In steady state nothing is allocated.
//
// Compression is LZ77 with hash chains and lazy matching, both limited; the compression ratio is
// between those of levels 3 and 6 of zlib. Each block is stored, or coded with the fixed codes or
// with dynamic codes, whichever is smallest.
//
// # Left out
//
//   - Levels of compression, preset dictionaries, and the containers of zlib (RFC 1950) and gzip
//     (RFC 1952).
//   - A default limit of decompression: the caller passes one to each call. The output is at most
//     about a thousand times as large as the input, which is a property of the format.
package deflate
