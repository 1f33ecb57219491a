package sctp

import "encoding/binary"

// paramType is the type of a variable-length parameter. Its two highest bits determine how a
// receiver treats an unknown type: RFC 9260, section 3.2.1.
type paramType uint16

const (
	paramHeartbeatInfo        paramType = 1
	paramIPv4                 paramType = 5
	paramIPv6                 paramType = 6
	paramStateCookie          paramType = 7
	paramUnrecognized         paramType = 8
	paramCookiePreservative   paramType = 9
	paramHostName             paramType = 11
	paramSupportedAddresses   paramType = 12
	paramOutgoingReset        paramType = 13 // RFC 6525, section 4.1
	paramIncomingReset        paramType = 14
	paramSSNTSNReset          paramType = 15
	paramReconfigResponse     paramType = 16
	paramAddOutgoing          paramType = 17
	paramAddIncoming          paramType = 18
	paramECN                  paramType = 0x8000
	paramZeroChecksum         paramType = 0x8001 // RFC 9653
	paramSupportedExtensions  paramType = 0x8008 // RFC 5061
	paramForwardTSNSupported  paramType = 0xc000 // RFC 3758
	paramReportUnrecognized             = 0x4000 // "report" bit of an unknown type
	paramSkipUnrecognized               = 0x8000 // "skip" bit of an unknown type
	paramHeaderSize                     = 4
	maxUnrecognizedBytes                = 512 // reported back; the peer chooses how many there are
	maxCookiePreservativeTime           = 60_000
)

// param is a view of one parameter, or of an error cause, which has the same form.
type param struct {
	typ   paramType
	value []byte
	raw   []byte // with header, without padding
}

// nextParam splits the first parameter or cause off b. Its layout is that of a chunk, but for the type
// of two bytes.
func nextParam(b []byte) (p param, rest []byte, ok bool) {
	c, rest, ok := nextChunk(b)
	return param{typ: paramType(c.typ)<<8 | paramType(c.flags), value: c.value, raw: c.raw}, rest, ok
}

// appendParam appends a whole parameter or error cause, padded.
func appendParam(dst []byte, t paramType, value []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(t))
	dst = append(dst, 0, 0)
	dst = append(dst, value...)
	return endChunk(dst, start)
}
