// Package deflate compresses and decompresses raw DEFLATE (RFC 1951) the way that permessage-deflate (RFC 7692) uses it: one
// message after the other, each ended at a byte border, with the window of earlier messages kept or forgotten.
//
// Both directions take bytes where they are and append what comes out to the caller's slice; there is no reader or writer
// inside, nothing is kept of a slice, and a call with whatever bytes have arrived so far is a call like any other:
//
//	c := deflate.NewCompressor(15)
//	wire := c.Append(nil, []byte("Hello"), true) // f2 48 cd c9 c9 07 00
//
//	d := deflate.NewDecompressor(15)
//	message, err := d.Append(nil, wire[:3], limit)
//	message, err = d.Append(message, wire[3:], limit)
//	message, err = d.Finish(message, limit)
//	c.Reset() // where the parameters say "no_context_takeover"
//	d.Reset()
//
// It is made for many connections. Windows are 8 to 15 bits, and a window of 8 bits is one: no match reaches back more than
// 256 bytes. What is only needed while a call runs, or while a block is open, comes from a pool. In between, a compressor holds
// its window and an index of it (160 KiB for 15 bits, 4 KiB for 9), a decompressor its window, as far as there were bytes for
// it (32 KiB at most). In steady state nothing is allocated.
//
// What compresses is LZ77 with chains of hashes, one byte of lazy matching and a limit on both, between levels 3 and 6 of
// zlib in what it saves; each block is stored, or coded with the fixed codes or its own, whichever is smallest.
//
// # Left out
//
//   - Levels of compression, preset dictionaries, and the containers of zlib (RFC 1950) and gzip (RFC 1952).
//   - Decompressing without a limit by accident: there is no default. Memory follows what has arrived, at most a thousandfold,
//     as the format allows.
package deflate
