package dtlsconn

import "encoding/binary"

// The record header.
// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.1
//
//	type(1) version(2) epoch(2) sequence_number(6) length(2)
const recordHeaderSize = 13

// Content types (RFC 5246, section 6.2.1).
const (
	contentChangeCipherSpec = 20
	contentAlert            = 21
	contentHandshake        = 22
	contentApplicationData  = 23
)

const (
	// versionDTLS12 is on the wire the ones' complement of 1.2.
	versionDTLS12 = 0xfefd

	// versionMajor is all that a receiver checks: records of the first flight may say DTLS 1.0.
	// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.2.1
	versionMajor = 0xfe

	// maxPlaintext is the longest fragment of a record.
	// https://www.rfc-editor.org/rfc/rfc5246.html#section-6.2.1
	maxPlaintext = 1 << 14

	// epochHandshake is the epoch of the plaintext handshake, epochApplication the one that the only
	// ChangeCipherSpec starts: WebRTC knows no renegotiation.
	epochHandshake   = 0
	epochApplication = 1

	// maxSequence is the last sequence number of an epoch.
	maxSequence uint64 = 1<<48 - 1
)

// record is a view of one record in a datagram.
type record struct {
	contentType byte
	epoch       uint16
	sequence    uint64 // 48 bits
	raw         []byte // header and fragment
}

func (r record) fragment() []byte { return r.raw[recordHeaderSize:] }

// nextRecord splits the first record off a datagram. It reports false at the end, and at a header that is
// cut short, of a foreign version, or longer than what is there: nothing behind such a header can be found.
func nextRecord(datagram []byte) (r record, rest []byte, ok bool) {
	if len(datagram) < recordHeaderSize || datagram[1] != versionMajor {
		return record{}, nil, false
	}
	end := recordHeaderSize + int(binary.BigEndian.Uint16(datagram[11:13]))
	if end > len(datagram) {
		return record{}, nil, false
	}
	epochAndSequence := binary.BigEndian.Uint64(datagram[3:11])
	return record{
		contentType: datagram[0],
		epoch:       uint16(epochAndSequence >> 48),
		sequence:    epochAndSequence & maxSequence,
		raw:         datagram[:end:end],
	}, datagram[end:], true
}

// appendRecordHeader appends a header; the length is that of the fragment that follows.
func appendRecordHeader(dst []byte, contentType byte, epoch uint16, sequence uint64, length int) []byte {
	dst = append(dst, contentType, versionDTLS12>>8, versionDTLS12&0xff)
	dst = binary.BigEndian.AppendUint64(dst, uint64(epoch)<<48|sequence)
	return binary.BigEndian.AppendUint16(dst, uint16(length))
}
