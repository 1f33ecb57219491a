package dcep_test

import (
	"fmt"
	"time"

	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// One side opens a data channel on a stream, the other accepts it. Both messages are sent with the
// payload protocol identifier PPIDDCEP, on the stream of the channel.
func Example() {
	open, err := dcep.Open{
		ChannelType:          dcep.PartialReliableTimedUnordered,
		ReliabilityParameter: 500, // ms
		Priority:             dcep.PriorityNormal,
		Label:                "positions",
		Protocol:             "game/1",
	}.Append(nil)
	if err != nil {
		panic(err)
	}

	// The peer receives it.
	switch {
	case dcep.IsOpen(open):
		o, err := dcep.ParseOpen(open)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%q, %q, priority %d\n", o.Label, o.Protocol, o.Priority)
		fmt.Println(o.ChannelType, "lifetime", time.Duration(o.ReliabilityParameter)*time.Millisecond)
		ack := dcep.AppendAck(nil)
		fmt.Println("answered:", dcep.IsAck(ack))
	case dcep.IsAck(open):
		// The channel that this side has opened is accepted.
	}
	// Output:
	// "positions", "game/1", priority 256
	// partial-reliable-timed-unordered lifetime 500ms
	// answered: true
}
