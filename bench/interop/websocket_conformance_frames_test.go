package interop_test

import (
	"fmt"
	"strings"
)

// stars returns the content of the suite's messages.
func stars(n int) string { return strings.Repeat("*", n) }

// closeCleanly closes the connection and waits for the close frame of the other end.
func closeCleanly(w *wire) {
	w.t.Helper()
	w.send(closing(1000, ""))
	w.wantClose(1000)
}

// Group 1: messages of the sizes at which the encoding of the length changes.
func framingCases() (cases []conformanceCase) {
	for _, kind := range []struct {
		group int
		op    byte
		fill  string
	}{{1, opText, "*"}, {2, opBinary, "\xfe"}} {
		for i, c := range []struct{ size, chop int }{{0, 0}, {125, 0}, {126, 0}, {127, 0}, {128, 0}, {65535, 0}, {65536, 0}, {65536, 997}} {
			cases = append(cases, conformanceCase{fmt.Sprintf("1.%d.%d", kind.group, i+1), func(w *wire) {
				message := opcode(kind.op, strings.Repeat(kind.fill, c.size))
				w.chop = c.chop
				w.send(message)
				w.want(message)
				closeCleanly(w)
			}})
		}
	}
	return cases
}

// Group 2: pings, and unsolicited pongs.
func pingCases() []conformanceCase {
	answered := func(payload string, chop int) func(*wire) {
		return func(w *wire) {
			w.chop = chop
			w.send(ping(payload))
			w.want(pong(payload))
			closeCleanly(w)
		}
	}
	ten := func(chop int) func(*wire) {
		return func(w *wire) {
			w.chop = chop
			for i := range 10 {
				w.send(ping(fmt.Sprintf("payload-%d", i)))
			}
			for i := range 10 {
				w.want(pong(fmt.Sprintf("payload-%d", i)))
			}
			closeCleanly(w)
		}
	}
	return []conformanceCase{
		{"2.1", answered("", 0)},
		{"2.2", answered("Hello, world!", 0)},
		{"2.3", answered("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 0)},
		{"2.4", answered(strings.Repeat("\xfe", 125), 0)},
		{"2.5", func(w *wire) {
			w.send(ping(strings.Repeat("\xfe", 126)))
			w.wantClose(1002)
		}},
		{"2.6", answered(strings.Repeat("\xfe", 125), 1)},
		{"2.7", func(w *wire) {
			w.send(pong(""))
			closeCleanly(w)
		}},
		{"2.8", func(w *wire) {
			w.send(pong("unsolicited pong payload"))
			closeCleanly(w)
		}},
		{"2.9", func(w *wire) {
			w.send(pong("unsolicited pong payload"), ping("ping payload"))
			w.want(pong("ping payload"))
			closeCleanly(w)
		}},
		{"2.10", ten(0)},
		{"2.11", ten(1)},
	}
}

// Group 3: reserved bits without an extension that defines them.
func reservedCases() []conformanceCase {
	afterText := func(rsv byte, each bool, chop int) func(*wire) {
		return func(w *wire) {
			w.chop = chop
			frames := []wireFrame{text("Hello, world!"), text("Hello, world!").reserved(rsv), ping("")}
			if each {
				w.sendEach(frames...)
			} else {
				w.send(frames...)
			}
			w.want(text("Hello, world!"))
			w.wantClose(1002)
		}
	}
	atOnce := func(f wireFrame) func(*wire) {
		return func(w *wire) {
			w.send(f)
			w.wantClose(1002)
		}
	}
	return []conformanceCase{
		{"3.1", atOnce(text("Hello, world!").reserved(1))},
		{"3.2", afterText(2, false, 0)},
		{"3.3", afterText(3, true, 0)},
		{"3.4", afterText(4, false, 1)},
		{"3.5", atOnce(binaryFrame([]byte("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")).reserved(5))},
		{"3.6", atOnce(ping("Hello, world!").reserved(6))},
		{"3.7", atOnce(closing(1000, "").reserved(7))},
	}
}

// Group 4: reserved opcodes.
func opcodeCases() (cases []conformanceCase) {
	for group, first := range []byte{3, 11} {
		for i := range byte(5) {
			payload := "reserved opcode payload"
			if i == 0 || i == 2 {
				payload = ""
			}
			cases = append(cases, conformanceCase{fmt.Sprintf("4.%d.%d", group+1, i+1), func(w *wire) {
				if i < 2 {
					w.send(opcode(first+i, payload))
					w.wantClose(1002)
					return
				}
				if i == 4 {
					w.chop = 1
				}
				w.send(text("Hello, world!"), opcode(first+i, payload), ping(""))
				w.want(text("Hello, world!"))
				w.wantClose(1002)
			}})
		}
	}
	return cases
}

// delivery is a way to divide frames into writes.
type delivery struct {
	each bool // one write for each frame
	chop int  // as in wire
}

var deliveries = []delivery{{}, {each: true}, {chop: 1}}

func (d delivery) send(w *wire, frames ...wireFrame) {
	w.chop = d.chop
	if d.each {
		w.sendEach(frames...)
	} else {
		w.send(frames...)
	}
}

// Group 5: fragmentation, with control frames between the fragments.
func fragmentationCases() (cases []conformanceCase) {
	add := func(id int, script func(w *wire)) {
		cases = append(cases, conformanceCase{fmt.Sprintf("5.%d", id), script})
	}
	both := fragments(opText, "fragment1", "fragment2")

	add(1, func(w *wire) { // a control frame that is fragmented
		w.send(ping("fragment1").part())
		w.wantClose(1002)
	})
	add(2, func(w *wire) {
		w.send(pong("fragment1").part())
		w.wantClose(1002)
	})
	for i, d := range deliveries {
		add(3+i, func(w *wire) {
			d.send(w, both...)
			w.want(text("fragment1fragment2"))
			closeCleanly(w)
		})
		add(6+i, func(w *wire) {
			d.send(w, both[0], ping("ping payload"), both[1])
			w.want(pong("ping payload"), text("fragment1fragment2"))
			closeCleanly(w)
		})
		add(9+i, func(w *wire) { // a continuation frame without a message
			d.send(w, cont("non-continuation payload"), text("Hello, world!"))
			w.wantClose(1002)
		})
		add(12+i, func(w *wire) {
			d.send(w, cont("non-continuation payload").part(), text("Hello, world!"))
			w.wantClose(1002)
		})
	}
	add(15, func(w *wire) {
		w.send(both[0], both[1], cont("non-continuation payload").part(), text("Hello, world!"))
		w.want(text("fragment1fragment2"))
		w.wantClose(1002)
	})
	for i, first := range []wireFrame{cont("fragment1").part(), cont("fragment1")} {
		add(16+i, func(w *wire) {
			w.send(first, text("fragment2").part(), cont("fragment3"), first, text("fragment2").part(), cont("fragment3"))
			w.wantClose(1002)
		})
	}
	add(18, func(w *wire) { // the second frame begins a message within the first one
		w.send(text("fragment1").part(), text("fragment2"))
		w.wantClose(1002)
	})
	for i, d := range deliveries[:2] {
		add(19+i, func(w *wire) {
			f := fragments(opText, "fragment1", "fragment2", "fragment3", "fragment4", "fragment5")
			d.send(w, f[0], f[1], ping("pongme 1!"))
			w.want(pong("pongme 1!")) // before the message is complete
			d.send(w, f[2], f[3], ping("pongme 2!"), f[4])
			w.want(pong("pongme 2!"), text("fragment1fragment2fragment3fragment4fragment5"))
			closeCleanly(w)
		})
	}
	return cases
}
