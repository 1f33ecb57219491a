package main

import (
	"fmt"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// contestant is a library under measurement. All contestants connect over the loopback address with
// the same signalling, and run the same workloads, each in its own process, so that they do not
// share the heap and the garbage collector.
//
// A library takes part if its file adds it to contestants in an init function. The file of a library
// that needs cgo, for example, has a build tag.
type contestant interface {
	// name identifies it in results and flags.
	name() string
	// version and settings are shown with the results.
	version() string
	settings() string
	// environment returns additional environment variables of its processes.
	environment() []string
	newPeer(peerOptions) (peer, error)
}

// peerOptions configure a peer. The peer calls the functions from any goroutine, message not
// concurrently for one channel.
type peerOptions struct {
	maxMessage int                   // the largest message received, in bytes
	signal     func(signal)          // delivers a signal to the other side; does not block
	opened     func(channel)         // a channel of either side is open
	message    func(channel, []byte) // receives a message, which is valid during the call only
}

// peer is one end of a connection.
type peer interface {
	// open creates a data channel, and the offer for it.
	open(channelOptions) error
	// accept processes a signal of the other side. It is called sequentially, in the order of the
	// signals.
	accept(signal) error
	close() error
}

// channelOptions are the options of a data channel; the zero value is ordered and reliable.
type channelOptions struct {
	unordered         bool
	noRetransmissions bool
}

// channel is one end of a data channel.
type channel interface {
	// write waits while more than highWater bytes are buffered, then sends a message.
	write([]byte) error
	// send sends a message without waiting.
	send([]byte) error
}

// highWater is the amount that a sender keeps buffered, in bytes.
const highWater = 1 << 20

// oursName is the name of our library in the results.
const oursName = result.Ours

// contestants are all contestants in the order of the results; ours is the first.
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
