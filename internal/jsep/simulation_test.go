package jsep

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/race"
)

// operation is an operation of the simulation. It reports false if it is not possible in a world.
type operation struct {
	name string
	do   func(w *world) bool
}

// operations returns the operations with these names, for both sides.
func operations(names string) (list []operation) {
	for _, name := range strings.Fields(names) {
		for i := range 2 {
			i := i
			do := map[string]func(w *world) bool{
				"offer": func(w *world) bool {
					e := w.ends[i]
					return e.State() == Stable && e.setLocal(Offer) == nil
				},
				"answer":   func(w *world) bool { return w.ends[i].State().answering() && w.ends[i].setLocal(Answer) == nil },
				"pranswer": func(w *world) bool { return w.ends[i].State().answering() && w.ends[i].setLocal(Pranswer) == nil },
				"rollback": func(w *world) bool { return w.ends[i].State() != Stable && w.ends[i].setLocal(Rollback) == nil },
				"data": func(w *world) bool {
					e := w.ends[i]
					if e.s.wantData {
						return false
					}
					e.WantData()
					return e.react() == nil
				},
				"restart": func(w *world) bool {
					e := w.ends[i]
					if e.s.wantRestart || e.s.link == nil {
						return false
					}
					e.WantRestart()
					return e.react() == nil
				},
				"deliver": func(w *world) bool {
					if len(w.ends[i].out) == 0 {
						return false
					}
					_ = w.deliver(i)
					return true
				},
				"repeat": func(w *world) bool { // the signalling delivers a description twice
					e := w.ends[i]
					if len(e.out) == 0 {
						return false
					}
					e.out = append(e.out[:1:1], e.out...)
					_ = w.deliver(i)
					return true
				},
			}[name]
			list = append(list, operation{fmt.Sprintf("%s %c", name, 'a'+i), do})
		}
	}
	return list
}

// simulation explores every sequence of operations up to a length.
type simulation struct {
	t          *testing.T
	operations []operation
	strict     bool // errors are not permitted, and the sides must agree without further operations
	checked    map[string]bool
	failures   int
}

// maxMessages bounds the number of messages after which two endpoints must be at rest if there are
// no further operations.
const maxMessages = 40

// explore visits, breadth first, all worlds that up to length operations lead to, and visits worlds
// with the same behaviour only once. It returns their number, and the number of sequences of
// operations that lead to them.
func (s *simulation) explore(start *world, length int) (states int, sequences uint64) {
	type node struct {
		w          *world
		path       []string
		successors []string
	}
	s.checked = make(map[string]bool)
	nodes := map[string]*node{start.key(): {w: start}}
	level := []string{start.key()}
	for depth := range length + 1 {
		var next []string
		for _, key := range level {
			n := nodes[key]
			s.check(n.w, n.path)
			if s.failures > 5 {
				s.t.FailNow()
			}
			if depth == length {
				continue
			}
			for _, op := range s.operations {
				w := n.w.clone()
				if !op.do(w) {
					continue
				}
				reached := w.key()
				n.successors = append(n.successors, reached)
				if nodes[reached] == nil {
					nodes[reached] = &node{w: w, path: append(n.path[:len(n.path):len(n.path)], op.name)}
					next = append(next, reached)
				}
			}
			n.w = nil
		}
		level = next
	}
	counts := map[string]uint64{start.key(): 1}
	for range length {
		next := make(map[string]uint64)
		for key, count := range counts {
			for _, successor := range nodes[key].successors {
				next[successor] += count
				sequences += count
			}
		}
		counts = next
	}
	return len(nodes), sequences
}

// check delivers all messages of the world, in two orders, and compares the two sides.
func (s *simulation) check(start *world, path []string) {
	for first := range 2 {
		w := start.clone()
		messages, known := 0, false
		trace := []string{}
		for len(w.ends[0].out)+len(w.ends[1].out) > 0 && messages < maxMessages {
			from := first
			if len(w.ends[from].out) == 0 {
				from = 1 - from
			}
			trace = append(trace, fmt.Sprintf("%c: %v", 'a'+from, w.ends[from].out[0].typ))
			_ = w.deliver(from)
			messages++
		}
		key := w.key()
		if known = s.checked[key]; known {
			continue
		}
		s.checked[key] = true
		if problem := s.settle(w, messages); problem != "" {
			s.failures++
			s.t.Errorf("%s: after %s; then %s", problem, strings.Join(path, ", "), strings.Join(trace, ", "))
			return
		}
	}
}

// settle compares the two sides of a world at rest. If errors are permitted, the programs first
// handle them: they roll back, and negotiate once more.
func (s *simulation) settle(w *world, messages int) (problem string) {
	if messages == maxMessages {
		return "endless negotiation"
	}
	for _, e := range w.ends {
		for _, err := range e.errors {
			switch {
			case s.strict:
				return "error: " + err.Error()
			// RFC 8829, section 5.6: "If the type is not correct for the current state, processing
			// MUST stop and an error MUST be returned."
			case errors.Is(err, ErrState):
			// An answer to an offer that was rolled back, or a repeated answer, is refused as an
			// answer to the next one. RFC 8839, section 4.4.2.1: "it MUST change the SDP ice-pwd
			// and ice-ufrag attribute values."
			case strings.Contains(err.Error(), "the offer restarts ICE, and the answer does not"):
			default:
				return "error: " + err.Error()
			}
		}
	}
	if s.strict {
		for _, e := range w.ends {
			if e.NegotiationNeeded() {
				return "negotiation is needed"
			}
		}
		if a, b := w.ends[0], w.ends[1]; a.policy == automatic && a.transport != nil && a.controlling == b.controlling {
			return "ICE roles"
		}
		return w.disagreement()
	}
	for i, e := range w.ends {
		e.errors = nil
		if err := e.setLocal(Rollback); err != nil {
			return "rollback: " + err.Error()
		}
		w.ends[i].policy = manual
		w.ends[i].out = nil
	}
	if w.ends[0].transport == nil && w.ends[1].transport == nil {
		return ""
	}
	for i := range 2 {
		w.ends[i].WantData()
		for _, step := range []func() error{
			func() error { return w.ends[i].setLocal(Offer) },
			func() error { return w.deliver(i) },
			func() error { return w.ends[1-i].setLocal(Answer) },
			func() error { return w.deliver(1 - i) },
		} {
			if err := step(); err != nil {
				return "negotiation after a rollback: " + err.Error()
			}
		}
	}
	return w.disagreement()
}

func TestMain(m *testing.M) { netsim.Main(m) }

// TestEveryInterleaving tests two machines with every sequence of operations, in every order of
// delivery that two ordered signalling channels permit. Afterwards they agree.
func TestEveryInterleaving(t *testing.T) {
	for _, c := range []struct {
		name       string
		policies   [2]policy
		connected  bool
		operations string
		length     int
		strict     bool
	}{
		{"automatic, new", [2]policy{automatic, automatic}, false, "data restart offer deliver", 8, true},
		{"automatic, connected", [2]policy{automatic, automatic}, true, "restart offer deliver", 8, true},
		{"automatic, with rollbacks", [2]policy{automatic, automatic}, true, "restart offer deliver rollback repeat", 6, false},
		{"perfect, new", [2]policy{polite, impolite}, false, "data restart offer deliver", 8, true},
		{"perfect, connected", [2]policy{polite, impolite}, true, "restart offer deliver", 8, true},
		{"manual, new", [2]policy{manual, manual}, false, "data offer answer pranswer deliver rollback", 8, false},
		{"manual, connected", [2]policy{manual, manual}, true, "restart offer answer pranswer deliver rollback repeat", 8, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(c.policies[0], c.policies[1])
			if c.connected {
				w.connect(t)
			}
			if race.Enabled {
				c.length -= 2 // in a tenth of the time
			}
			s := &simulation{t: t, operations: operations(c.operations), strict: c.strict}
			before := w.ends[0].snapshot() + w.ends[1].snapshot()
			states, sequences := s.explore(w, c.length)
			require.Equal(t, before, w.ends[0].snapshot()+w.ends[1].snapshot(), "all worlds share what a state refers to")
			t.Logf("%d sequences of up to %d operations lead to %d states", sequences, c.length, states)
			require.Greater(t, sequences, uint64(states))
		})
	}
}
