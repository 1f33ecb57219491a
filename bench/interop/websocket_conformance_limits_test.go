package interop_test

import (
	"fmt"
	"strings"
)

// Groups 9 and 10: large messages, many fragments, small pieces, many messages.
func limitCases() (cases []conformanceCase) {
	const kib, mib = 1 << 10, 1 << 20
	add := func(id string, script func(w *wire)) {
		cases = append(cases, conformanceCase{id, script})
	}
	for half, kind := range []struct {
		op   byte
		fill string
	}{{opText, "*"}, {opBinary, "\xfe"}} {
		echoed := func(size int, send func(w *wire, message wireFrame)) func(*wire) {
			return func(w *wire) {
				message := opcode(kind.op, strings.Repeat(kind.fill, size))
				send(w, message)
				w.want(message)
				closeCleanly(w)
			}
		}
		for i, size := range []int{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib} {
			add(fmt.Sprintf("9.%d.%d", 1+half, i+1), echoed(size, func(w *wire, m wireFrame) { w.send(m) }))
		}
		for i, size := range []int{64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib} {
			add(fmt.Sprintf("9.%d.%d", 3+half, i+1), echoed(4*mib, func(w *wire, m wireFrame) {
				w.send(fragmented(m.op, m.payload, size)...)
			}))
		}
		for i, chop := range []int{64, 128, 256, 512, 1024, 2048} {
			add(fmt.Sprintf("9.%d.%d", 5+half, i+1), echoed(mib, func(w *wire, m wireFrame) {
				w.chop = chop
				w.send(m)
				w.chop = 0
			}))
		}
		for i, size := range []int{0, 16, 64, 256, 1024, 4096} {
			add(fmt.Sprintf("9.%d.%d", 7+half, i+1), func(w *wire) {
				message := opcode(kind.op, strings.Repeat(kind.fill, size))
				for range 1000 {
					w.send(message)
				}
				for range 1000 {
					w.want(message)
				}
				closeCleanly(w)
			})
		}
	}
	add("9.9", func(w *wire) { // one octet above the limit: the header is refused before the payload arrives
		whole := w.append(nil, binaryFrame(make([]byte, webSocketMessage+1)))
		w.sendBytes(whole[:len(whole)-webSocketMessage-1])
		w.wantClose(1009)
	})
	add("10.1.1", func(w *wire) {
		message := text(stars(65536))
		w.send(fragmented(opText, message.payload, 1300)...)
		w.want(message)
		closeCleanly(w)
	})
	return cases
}
