package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rtcstack/rtcstack/bench/relay"
)

// signal is a message of the signalling: a description or a candidate.
type signal struct {
	Description string `json:"description,omitempty"` // "offer" or "answer"; empty: a candidate
	SDP         string `json:"sdp,omitempty"`
	Candidate   string `json:"candidate,omitempty"`
	Mid         string `json:"mid,omitempty"`
}

// signalling delivers the signals of all connections of a process, one at a time and in order.
type signalling struct {
	jobs chan func() error
	fail func(error)
}

// signallingDepth is larger than the number of signals of one connection, so that sending a signal
// does not block.
const signallingDepth = 256

func newSignalling(fail func(error)) *signalling {
	s := &signalling{make(chan func() error, signallingDepth), fail}
	go func() {
		for job := range s.jobs {
			if err := job(); err != nil {
				fail(fmt.Errorf("signalling: %w", err))
			}
		}
	}()
	return s
}

// through returns a signal of end i (0 or 1) with the relay's address instead of its own, and
// attaches its own to the relay. It reports false for candidates that the relay does not support,
// those of TCP and IPv6.
func (s signal) through(r *relay.Relay, i int) (changed signal, ok bool, err error) {
	if s.Description != "" {
		// Candidates are signalled one by one, and may be repeated in the description.
		var lines []string // all but the candidates
		for line := range strings.Lines(s.SDP) {
			if !strings.HasPrefix(line, "a=candidate:") {
				lines = append(lines, line)
			}
		}
		s.SDP = strings.Join(lines, "")
		return s, true, nil
	}
	// candidate:foundation component transport priority address port typ …
	fields := strings.Fields(s.Candidate)
	if len(fields) < 8 {
		return s, false, fmt.Errorf("candidate %q is too short", s.Candidate)
	}
	if !strings.EqualFold(fields[2], "udp") || fields[7] != "host" {
		return s, false, nil
	}
	real, err := netip.ParseAddrPort(fields[4] + ":" + fields[5])
	if err != nil || !real.Addr().Is4() {
		return s, false, nil
	}
	r.Attach(i, real)
	stand := r.Address(i)
	fields[4], fields[5] = stand.Addr().String(), fmt.Sprint(stand.Port())
	s.Candidate = strings.Join(fields, " ")
	return s, true, nil
}
