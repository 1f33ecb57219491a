package interop_test

import (
	"fmt"
)

// Group 7: the closing handshake.
func closeCases() []conformanceCase {
	refused := func(f wireFrame, code uint16) func(*wire) {
		return func(w *wire) {
			w.send(f)
			w.wantClose(code)
		}
	}
	return []conformanceCase{
		{"7.1.1", func(w *wire) {
			w.send(text("Hello World!"))
			w.want(text("Hello World!"))
			closeCleanly(w)
		}},
		// Frames after a close frame are ignored.
		{"7.1.2", func(w *wire) {
			w.send(closing(1000, ""), closing(1001, ""))
			w.wantClose(1000)
		}},
		{"7.1.3", func(w *wire) {
			w.send(closing(1000, ""), ping(""))
			w.wantClose(1000)
		}},
		{"7.1.4", func(w *wire) {
			w.send(closing(1000, ""), text("Hello World!"))
			w.wantClose(1000)
		}},
		{"7.1.5", func(w *wire) {
			w.send(text("fragment1").part(), closing(1000, ""), cont("fragment2"))
			w.wantClose(1000)
		}},
		{"7.1.6", func(w *wire) {
			message := text(stars(256 << 10))
			w.send(message, closing(1000, ""), ping(""))
			w.want(message)
			w.wantClose(1000)
		}},

		{"7.3.1", func(w *wire) {
			w.send(opcode(opClose, ""))
			w.wantClose(0)
		}},
		{"7.3.2", refused(opcode(opClose, "a"), 1002)},
		{"7.3.3", refused(closing(1000, ""), 1000)},
		{"7.3.4", refused(closing(1000, "Hello World!"), 1000)},
		{"7.3.5", refused(closing(1000, stars(123)), 1000)},
		{"7.3.6", refused(closing(1000, stars(124)), 1002)},

		{"7.5.1", refused(closing(1000, greekBad), 1007)},
	}
}

// Groups 7.7, 7.9 and 7.13: valid and invalid status codes of a close frame. The response to a valid one has the same code.
func closeCodeCases() (cases []conformanceCase) {
	add := func(group int, want func(code uint16) uint16, codes ...uint16) {
		for i, code := range codes {
			cases = append(cases, conformanceCase{fmt.Sprintf("7.%d.%d", group, i+1), func(w *wire) {
				w.send(closing(code, ""))
				w.wantClose(want(code))
			}})
			cases = append(cases, conformanceCase{fmt.Sprintf("7.%d.%d with a reason", group, i+1), func(w *wire) {
				w.send(closing(code, "reason"))
				w.wantClose(want(code))
			}})
		}
	}
	same := func(code uint16) uint16 { return code }
	invalid := func(uint16) uint16 { return 1002 }
	add(7, same, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
	add(9, invalid, 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)
	add(13, invalid, 5000, 65535)
	return cases
}
