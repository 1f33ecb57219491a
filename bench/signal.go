package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rtcstack/rtcstack/bench/relay"
)

// signal is what one side of a connection has to tell the other: a description, or a candidate.
type signal struct {
	Description string `json:"description,omitempty"` // "offer" or "answer"; empty: a candidate
	SDP         string `json:"sdp,omitempty"`
	Candidate   string `json:"candidate,omitempty"`
	Mid         string `json:"mid,omitempty"`
}

// signalling brings the signals of all connections of a process to their destinations, one at a time and in order.
type signalling struct {
	jobs chan func() error
	fail func(error)
}

// signallingDepth is more than the signals of one connection, so that whoever signals is never held up.
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

// through changes the signals of end i (0 or 1) so that its peer finds it behind a relay, which is told where it is.
// Candidates that the relay does not stand for (TCP, IPv6) are dropped: ok is false.
func (s signal) through(r *relay.Relay, i int) (changed signal, ok bool, err error) {
	if s.Description != "" {
		// Candidates are signalled one by one. A library may repeat them in the description.
		var kept []string
		for line := range strings.Lines(s.SDP) {
			if !strings.HasPrefix(line, "a=candidate:") {
				kept = append(kept, line)
			}
		}
		s.SDP = strings.Join(kept, "")
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
