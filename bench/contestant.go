package main

import (
	"fmt"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// contestant is a library under measurement. All contestants find each other by the same signalling, over the loopback
// address only, and are driven by the same workloads.
//
// A library takes part by adding itself to contestants, in an init function of its own file; one that is not always
// there (it needs cgo, say) has a build tag. What it runs in is a process of its own, so that it shares neither heap
// nor garbage collector with others.
type contestant interface {
	// name identifies it in results and flags.
	name() string
	// version and settings are for the reader of the results.
	version() string
	settings() string
	// environment is added to that of its processes.
	environment() []string
	newPeer(peerOptions) (peer, error)
}

// peerOptions are what a peer needs to know from the start. Its functions are called from any goroutine of the
// library's; message never concurrently for one channel.
type peerOptions struct {
	maxMessage int                   // bytes of the largest message that will come
	signal     func(signal)          // brings a signal to the other side; never blocks for it
	opened     func(channel)         // a channel is open: one opened here, or by the other side
	message    func(channel, []byte) // a message has come; it may be used during the call only
}

// peer is one end of a connection.
type peer interface {
	// open makes a data channel, and the offer for it.
	open(channelOptions) error
	// accept takes a signal of the other side. Calls are one after the other, in the order of the signals.
	accept(signal) error
	close() error
}

// channelOptions are those of a data channel; the zero value is ordered and reliable.
type channelOptions struct {
	unordered         bool
	noRetransmissions bool
}

// channel is one end of a data channel.
type channel interface {
	// write sends a message, and waits before it while more than highWater bytes are buffered.
	write([]byte) error
	// send sends a message without waiting.
	send([]byte) error
}

// highWater is what a sender keeps buffered, in bytes.
const highWater = 1 << 20

// oursName is what our library is called in the results.
const oursName = result.Ours

// contestants is everybody, in the order of the results; ours is the first.
var contestants = []contestant{
	ours{},
	pion{label: "pion"},
	pion{label: "pion-tuned", tuned: true},
	pion{label: "pion-tuned-gogc400", tuned: true, gogc: 400},
	tlsOverTCP,
	overQUIC,
}

func contestantNamed(name string) (contestant, error) {
	for _, c := range contestants {
		if c.name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no contestant is called %q", name)
}
