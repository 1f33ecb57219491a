package dtlsconn

import "encoding/binary"

// recordHeaderSize is the size of a record's header, in bytes (RFC 6347, section 4.1):
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
	// versionDTLS12 is the ones' complement of 1.2 (RFC 6347, section 4.1).
	versionDTLS12 = 0xfefd

	// versionMajor is the part of the version that a receiver checks: RFC 6347, section 4.2.1
	// allows DTLS 1.0 in the records of the first flights.
	versionMajor = 0xfe

	// maxPlaintext is the largest plaintext of a record, in bytes (RFC 5246, section 6.2.1).
	maxPlaintext = 1 << 14

	// epochHandshake is the epoch of the plaintext handshake, epochApplication that after
	// ChangeCipherSpec. There is no other, as WebRTC has no renegotiation.
	epochHandshake   = 0
	epochApplication = 1

	// maxSequence is the last sequence number of an epoch.
	maxSequence uint64 = 1<<48 - 1
)

// record is one record of a datagram, whose bytes it shares.
type record struct {
	contentType byte
	epoch       uint16
	sequence    uint64 // 48 bits
	raw         []byte // header and fragment
}

func (r record) fragment() []byte { return r.raw[recordHeaderSize:] }

// nextRecord returns the first record of a datagram, and the rest. It reports false at the end of
// the datagram, and for a header that is incomplete, of another version, or with a length beyond
// the datagram: no record can be found after such a header.
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

// appendRecordHeader appends a header for a fragment of length bytes.
func appendRecordHeader(dst []byte, contentType byte, epoch uint16, sequence uint64, length int) []byte {
	dst = append(dst, contentType, versionDTLS12>>8, versionDTLS12&0xff)
	dst = binary.BigEndian.AppendUint64(dst, uint64(epoch)<<48|sequence)
	return binary.BigEndian.AppendUint16(dst, uint16(length))
}
