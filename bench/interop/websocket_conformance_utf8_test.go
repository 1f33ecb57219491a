package interop_test

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	greek      = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε
	greekBad   = greek + "\xed\xa0\x80edited"                   // with a surrogate
	tooHigh    = "\xf4\x90\x80\x80"                             // U+110000
	manyScript = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
)

// Group 6: text must be valid UTF-8. An invalid octet is refused at once, before the end of its message.
func utf8Cases() (cases []conformanceCase) {
	add := func(id string, script func(w *wire)) {
		cases = append(cases, conformanceCase{"6." + id, script})
	}
	echoed := func(frames ...wireFrame) func(*wire) {
		return func(w *wire) {
			var all string
			for _, f := range frames {
				all += string(f.payload)
			}
			w.sendEach(frames...)
			w.want(text(all))
			closeCleanly(w)
		}
	}
	// refused sends frames up to an invalid octet. The other end must close without waiting for the rest.
	refused := func(frames ...wireFrame) func(*wire) {
		return func(w *wire) {
			w.sendEach(frames...)
			w.wantClose(1007)
		}
	}
	// refusedWithin sends the beginning of a frame's payload, up to an invalid octet.
	refusedWithin := func(pieces ...string) func(*wire) {
		return func(w *wire) {
			whole := w.append(nil, text(strings.Join(pieces, "")+"never sent"))
			rest := len("never sent")
			for _, piece := range pieces {
				rest += len(piece)
			}
			b, whole := whole[:len(whole)-rest], whole[len(whole)-rest:]
			for _, piece := range pieces {
				w.sendBytes(append(b, whole[:len(piece)]...))
				b, whole = nil, whole[len(piece):]
			}
			w.wantClose(1007)
		}
	}

	add("1.1", echoed(text("")))
	add("1.2", echoed(fragments(opText, "", "", "")...))
	add("1.3", echoed(fragments(opText, "", "middle frame payload", "")...))

	add("2.1", echoed(text(manyScript)))
	add("2.2", echoed(fragments(opText, manyScript[:12], manyScript[12:])...))
	add("2.3", echoed(octets(manyScript)...))
	add("2.4", echoed(octets(greek)...))

	add("3.1", refused(text(greekBad)))
	add("3.2", refused(octets(greekBad)[:firstBadOctet(greekBad)]...))

	add("4.1", refused(text(greek).part(), cont(tooHigh).part()))
	add("4.2", refused(text(greek+"\xf4").part(), cont("\x90").part()))
	add("4.3", refusedWithin(greek, tooHigh))
	add("4.4", refusedWithin(greek+"\xf4", "\x90"))

	for group, sequences := range utf8Sequences() {
		for i, s := range sequences {
			id := fmt.Sprintf("%d.%d", group, i+1)
			if utf8.ValidString(s) {
				add(id, echoed(text(s)))
				add(id+" by octets", echoed(octets(s)...))
				continue
			}
			add(id, refused(text(s)))
			if n := firstBadOctet(s); n > 0 {
				pieces := append(octets(s)[:n:n], cont("never sent"))
				pieces[n-1].more = true
				add(id+" by octets", refused(pieces[:n]...))
				add(id+" within a frame", refusedWithin(strings.Split(s[:n], "")...))
			} else {
				add(id+" by octets", refused(octets(s)...))
			}
		}
	}
	return cases
}

// firstBadOctet returns the length of the shortest prefix of s that no following octets can make valid UTF-8. It returns 0
// if s is incomplete rather than invalid.
func firstBadOctet(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size < 2 {
			for n := 1; i+n <= len(s); n++ {
				if utf8.FullRuneInString(s[i : i+n]) {
					return i + n
				}
			}
			return 0
		}
		i += size
	}
	return 0
}

// utf8Sequences are the sequences of groups 6.5 to 6.23, after Markus Kuhn's stress test for decoders.
func utf8Sequences() map[int][]string {
	continuations := make([]byte, 0, 64)
	for b := byte(0x80); b < 0xc0; b++ {
		continuations = append(continuations, b)
	}
	lonely := func(from, to int) string { // each followed by a space
		var s strings.Builder
		for b := from; b <= to; b++ {
			s.WriteByte(byte(b))
			s.WriteByte(' ')
		}
		return s.String()
	}
	var prefixes []string
	for n := 1; n <= len(greek); n++ {
		prefixes = append(prefixes, greek[:n])
	}
	var planes []string // the last two code points of each plane, which are noncharacters but valid UTF-8
	for plane := rune(0); plane <= 16; plane++ {
		planes = append(planes, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	incomplete := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	return map[int][]string{
		5: {"Hello\x00world", "\x7f", manyScript, greek, "hello$world", "hello\u00a2world", "hello\u20acworld", "hello\U00024b62world"},
		6: prefixes,
		7: {"\x00", "\u0080", "\u0800", "\U00010000"},
		8: {"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"},
		9: {"\x7f", "\u07ff", "\uffff", "\U0010ffff"},
		10: {"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf",
			"\xfd\xbf\xbf\xbf\xbf\xbf"},
		11: {"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", tooHigh},
		12: {"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf",
			string(continuations)},
		13: {lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), lonely(0xfc, 0xfd)},
		14: incomplete,
		15: {strings.Join(incomplete, "")},
		16: {"\xfe", "\xff", "\xfe\xfe\xff\xff"},
		17: {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"},
		18: {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"},
		19: {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"},
		20: {"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"},
		21: {"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"},
		22: planes,
		23: {"\ufffd", "\ufeff\u00bf", "\ufff9\ufffa\ufffb"},
	}
}
