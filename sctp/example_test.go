package sctp_test

import (
	"fmt"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// Two associations that hand each other their packets in memory. Time is whatever the program says it is: here a round trip
// takes 20 ms, and the example no time at all.
func Example() {
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	a, err := sctp.New(sctp.Config{})
	if err != nil {
		panic(err)
	}
	b, err := sctp.New(sctp.Config{})
	if err != nil {
		panic(err)
	}

	// move takes all that one association wants sent to the other.
	move := func(from, to *sctp.Association) {
		for {
			packet, ok := from.Transmit(now, nil)
			if !ok {
				return
			}
			to.Receive(now, packet)
		}
	}
	roundTrip := func() {
		for _, direction := range [][2]*sctp.Association{{a, b}, {b, a}} {
			now = now.Add(10 * time.Millisecond)
			move(direction[0], direction[1])
		}
		for _, x := range []*sctp.Association{a, b} {
			if at := x.Deadline(); !at.IsZero() && !at.After(now) {
				x.Advance(now)
			}
		}
	}

	a.Connect(now) // b could do the same
	for a.State() != sctp.StateEstablished || b.State() != sctp.StateEstablished {
		roundTrip()
	}
	out, in := a.Streams()
	fmt.Println("connected:", out, "streams out,", in, "in")

	const stream, ppid = 1, 51
	if err := a.Send(now, stream, ppid, []byte("in order and reliable"), sctp.SendOptions{}); err != nil {
		fmt.Println(err)
	}
	if err := a.Send(now, stream, ppid, []byte("at once or never"), sctp.SendOptions{Unordered: true, LimitRetransmits: true}); err != nil {
		fmt.Println(err)
	}
	roundTrip()
	for m, ok := b.ReadMessage(); ok; m, ok = b.ReadMessage() {
		fmt.Printf("stream %d: %s\n", m.Stream, m.Data)
		b.Release(now, &m)
	}

	a.Shutdown(now)
	for a.State() != sctp.StateClosed || b.State() != sctp.StateClosed {
		roundTrip()
	}
	for e, ok := b.Event(); ok; e, ok = b.Event() {
		if e.Kind == sctp.EventClosed {
			fmt.Println("closed:", e.Err)
		}
	}
	// Output:
	// connected: 1024 streams out, 1024 in
	// stream 1: in order and reliable
	// stream 1: at once or never
	// closed: <nil>
}
