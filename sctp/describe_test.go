package sctp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// describe returns a packet that was sent as text, and checks that it is well formed: checksum,
// lengths, padding with zeros.
func (s *script) describe(p []byte) string {
	s.t.Helper()
	if len(p) < 16 || len(p)%4 != 0 || !bytes.Equal(p[:4], []byte{0x13, 0x88, 0x13, 0x88}) {
		s.t.Fatalf("length or ports of %x", p)
	}
	sum := append([]byte(nil), p...)
	binary.LittleEndian.PutUint32(sum[8:], 0)
	if crc32.Checksum(sum, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(p[8:]) {
		s.t.Fatalf("checksum of %x", p)
	}
	prefix := ""
	if tag := binary.BigEndian.Uint32(p[4:]); tag != s.a.hand.peerTag || tag == 0 {
		prefix = fmt.Sprintf("[tag %#x] ", tag)
		if tag == 0 {
			prefix = "[tag 0] "
		}
	}
	var chunks []string
	for rest := p[12:]; len(rest) > 0; {
		var c []byte
		c, rest = s.split(rest)
		chunks = append(chunks, s.describeChunk(c))
	}
	return prefix + strings.Join(chunks, " | ")
}

// split removes the first chunk, parameter or cause from b.
func (s *script) split(b []byte) (first, rest []byte) {
	n, end := 0, 0
	if len(b) >= 4 {
		n = int(binary.BigEndian.Uint16(b[2:]))
		end = (n + 3) &^ 3
	}
	if n < 4 || end > len(b) || len(bytes.Trim(b[n:end], "\x00")) > 0 { // require would take longer than the rest
		s.t.Fatalf("length or padding of %x", b)
	}
	return b[:n], b[end:]
}

func (s *script) describeChunk(c []byte) string {
	s.t.Helper()
	u16 := func(at int) uint16 { return binary.BigEndian.Uint16(c[at:]) }
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(c[at:]) }
	name := chunkType(c[0]).String()
	switch c[0] {
	case 0: // DATA
		flags := ""
		for i, letter := range "IUBE" {
			if c[1]&(8>>i) != 0 {
				flags += string(letter)
			}
		}
		ssn := fmt.Sprintf(" ssn%d", u16(10))
		if c[1]&4 != 0 {
			ssn = ""
		}
		return fmt.Sprintf("DATA %d s%d%s %s %s", u32(4), u16(8), ssn, flags, quote(c[16:]))
	case 64: // I-DATA
		flags := ""
		for i, letter := range "IUBE" {
			if c[1]&(8>>i) != 0 {
				flags += string(letter)
			}
		}
		return fmt.Sprintf("I-DATA %d s%d mid%d %s %s", u32(4), u16(8), u32(12), flags, quote(c[20:]))
	case 1, 2: // INIT, INIT ACK
		for rest := c[20:]; len(rest) > 0; {
			var p []byte
			switch p, rest = s.split(rest); binary.BigEndian.Uint16(p) {
			case 7:
				s.cookie = append([]byte(nil), p[4:]...)
			case 8:
				name += fmt.Sprintf(" unrecognized %x", p[4:])
			}
		}
		return name
	case 3: // SACK
		cum, gaps, dups := u32(4), int(u16(12)), int(u16(14))
		s.window = u32(8)
		require.Len(s.t, c, 16+4*(gaps+dups))
		text := fmt.Sprintf("SACK %d", cum)
		for i := range gaps {
			text += fmt.Sprintf(" %d-%d", cum+uint32(u16(16+4*i)), cum+uint32(u16(18+4*i)))
		}
		for i := range dups {
			text += fmt.Sprintf(" dup %d", u32(16+4*gaps+4*i))
		}
		return text
	case 5, 10: // HEARTBEAT ACK, COOKIE ECHO
		return name + " " + quote(c[4:])
	case 6, 9: // ABORT, ERROR
		if c[1]&1 != 0 {
			name += " T"
		}
		for rest := c[4:]; len(rest) > 0; {
			var cause []byte
			cause, rest = s.split(rest)
			name += fmt.Sprintf(", %v", CauseCode(binary.BigEndian.Uint16(cause)))
			if len(cause) > 4 {
				name += " " + quote(cause[4:])
			}
		}
		return name
	case 7: // SHUTDOWN
		require.Len(s.t, c, 8)
		return fmt.Sprintf("SHUTDOWN %d", u32(4))
	case 14: // SHUTDOWN COMPLETE
		if c[1]&1 != 0 {
			name += " T"
		}
		return name
	case 130: // RE-CONFIG
		for rest := c[4:]; len(rest) > 0; {
			var p []byte
			switch p, rest = s.split(rest); binary.BigEndian.Uint16(p) {
			case 13:
				name += fmt.Sprintf(" reset #%d last %d", binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint32(p[12:]))
				for i := 16; i < len(p); i += 2 {
					name += fmt.Sprintf(" s%d", binary.BigEndian.Uint16(p[i:]))
				}
			case 14:
				name += fmt.Sprintf(" ask #%d", binary.BigEndian.Uint32(p[4:]))
				for i := 8; i < len(p); i += 2 {
					name += fmt.Sprintf(" s%d", binary.BigEndian.Uint16(p[i:]))
				}
			case 15:
				require.Len(s.t, p, 8)
				name += fmt.Sprintf(" reset all #%d", binary.BigEndian.Uint32(p[4:]))
			case 16:
				name += fmt.Sprintf(" response #%d result %d", binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint32(p[8:]))
				if len(p) != 12 {
					require.Len(s.t, p, 20)
					name += fmt.Sprintf(" sender %d receiver %d", binary.BigEndian.Uint32(p[12:]), binary.BigEndian.Uint32(p[16:]))
				}
			case 17, 18:
				require.Len(s.t, p, 12)
				name += fmt.Sprintf(" add %s #%d %d", [...]string{"out", "in"}[p[1]-17], binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint16(p[8:]))
			default:
				name += fmt.Sprintf(" parameter %x", p)
			}
		}
		return name
	case 192: // FORWARD-TSN
		name += fmt.Sprintf(" %d", u32(4))
		for i := 8; i < len(c); i += 4 {
			name += fmt.Sprintf(" s%d:%d", u16(i), u16(i+2))
		}
		return name
	}
	return name
}

// quote returns short text as it is, other short bytes in hexadecimal, and the length of long ones.
func quote(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("(%d)", len(b))
	}
	for _, x := range b {
		if x < ' ' || x > '~' {
			return fmt.Sprintf("%x", b)
		}
	}
	return strconv.Quote(string(b))
}
