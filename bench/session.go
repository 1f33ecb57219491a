package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/bench/relay"
)

// patience is the time limit of steps that normally take no time.
const patience = 20 * time.Second

// session is one measurement in a process: the contestant, the signalling, and the first error.
type session struct {
	contestant contestant
	maxMessage int
	signalling *signalling
	failed     chan error
}

func newSession(c contestant, maxMessage int) *session {
	s := &session{contestant: c, maxMessage: max(maxMessage, 1200), failed: make(chan error, 1)}
	s.signalling = newSignalling(s.fail)
	return s
}

// fail ends the measurement with an error. Only the first error is kept.
func (s *session) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// end is one side of a connection.
type end struct {
	peer
	opened  chan channel
	channel channel // set by ready
}

// newEnd creates one side. message may be nil.
func (s *session) newEnd(send func(signal), message func(channel, []byte)) (*end, error) {
	e := &end{opened: make(chan channel, 1)}
	if message == nil {
		message = func(channel, []byte) {}
	}
	p, err := s.contestant.newPeer(peerOptions{
		maxMessage: s.maxMessage, signal: send, message: message,
		opened: func(c channel) {
			select {
			case e.opened <- c:
			default:
				s.fail(errors.New("a channel opened twice"))
			}
		},
	})
	e.peer = p
	return e, err
}

// ready waits until the channel is open.
func (s *session) ready(e *end) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case e.channel = <-e.opened:
		return nil
	case err := <-s.failed:
		return err
	case <-timer.C:
		return fmt.Errorf("no open channel after %v", patience)
	}
}

// sleep waits for d, or until the measurement fails.
func (s *session) sleep(d time.Duration) error {
	select {
	case err := <-s.failed:
		return err
	case <-time.After(d):
		return nil
	}
}

// pairOptions configure a connection with both ends in this process.
type pairOptions struct {
	channel    channelOptions
	path       *relay.Relay // between the two ends; nil: a direct path
	fromA, toA func(channel, []byte)
}

// pair is a connection with both ends in this process. The end a opens the channel.
type pair struct {
	a, b   *end
	closed atomic.Bool
}

// connect creates a pair and waits until its channel is open on both sides. toA is called with the
// messages that a receives, fromA with those that b receives.
func (s *session) connect(o pairOptions) (*pair, error) {
	p := &pair{}
	deliver := func(i int, to **end) func(signal) {
		return func(sig signal) {
			s.signalling.jobs <- func() (err error) {
				defer func() {
					if p.closed.Load() {
						err = nil // a candidate that arrives after close is not an error
					}
				}()
				if o.path != nil {
					var ok bool
					if sig, ok, err = sig.through(o.path, i); !ok || err != nil {
						return err
					}
				}
				return (*to).accept(sig)
			}
		}
	}
	var err error
	if p.a, err = s.newEnd(deliver(0, &p.b), o.toA); err != nil {
		return nil, err
	}
	if p.b, err = s.newEnd(deliver(1, &p.a), o.fromA); err != nil {
		return nil, err
	}
	if err := p.a.open(o.channel); err != nil {
		return nil, err
	}
	if err := s.ready(p.a); err != nil {
		return nil, err
	}
	return p, s.ready(p.b)
}

func (p *pair) close() error {
	p.closed.Store(true)
	return errors.Join(p.a.close(), p.b.close())
}
