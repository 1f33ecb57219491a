package jsep

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/race"
)

// operation is an operation of one endpoint in the simulation.
type operation struct {
	name     string
	side     int
	possible func(e *endpoint) bool
	do       func(w *world, side int) error // the errors of deliveries are recorded in the endpoint
	delivers bool                           // the next message of the side, and does nothing else
}

// operations returns the operations with these names, for both sides.
func operations(names string) (list []operation) {
	setLocal := func(t Type) func(*world, int) error {
		return func(w *world, side int) error { return w.ends[side].setLocal(t) }
	}
	deliver := func(w *world, side int) error {
		_ = w.deliver(side)
		return nil
	}
	sending := func(e *endpoint) bool { return len(e.out) > 0 }
	answering := func(e *endpoint) bool { return e.State().answering() }
	all := map[string]operation{
		"offer": {
			possible: func(e *endpoint) bool { return e.State() == Stable && e.s.checkOffer() == nil },
			do:       setLocal(Offer),
		},
		"answer":   {possible: answering, do: setLocal(Answer)},
		"pranswer": {possible: answering, do: setLocal(Pranswer)},
		"rollback": {
			possible: func(e *endpoint) bool { return e.State() != Stable },
			do:       setLocal(Rollback),
		},
		"data": {
			possible: func(e *endpoint) bool { return !e.s.wantData },
			do: func(w *world, side int) error {
				w.ends[side].WantData()
				return w.ends[side].react()
			},
		},
		"restart": {
			possible: func(e *endpoint) bool { return !e.s.wantRestart && e.s.link != nil },
			do: func(w *world, side int) error {
				w.ends[side].WantRestart()
				return w.ends[side].react()
			},
		},
		"fail": { // ICE
			possible: func(e *endpoint) bool { return e.s.link != nil && !e.s.link.failed },
			do: func(w *world, side int) error {
				w.ends[side].ICEFailed()
				return nil
			},
		},
		"replace": { // once
			possible: func(e *endpoint) bool { return len(e.name) == 1 },
			do:       (*world).replace,
		},
		"port": { // the SCTP port changes in all further descriptions; once
			possible: func(e *endpoint) bool { return e.config.SCTPPort == 0 },
			do: func(w *world, side int) error {
				w.ends[side].config.SCTPPort = 5001
				return nil
			},
		},
		"deliver": {possible: sending, do: deliver, delivers: true},
		"repeat": { // the signalling delivers a description twice
			possible: sending,
			do: func(w *world, side int) error {
				e := w.ends[side]
				e.out = append(e.out[:1:1], e.out...)
				return deliver(w, side)
			},
		},
	}
	for _, name := range strings.Fields(names) {
		for side := range 2 {
			op := all[name]
			op.name, op.side = fmt.Sprintf("%s %c", name, 'a'+side), side
			list = append(list, op)
		}
	}
	return list
}

// simulation explores every sequence of operations up to a length.
type simulation struct {
	t          *testing.T
	operations []operation
	strict     bool               // errors are not permitted, and the sides must agree without further operations
	checked    [2]map[string]bool // the worlds that were checked, for each order of delivery
	failures   int
}

// node is a world that explore has visited.
type node struct {
	w          *world   // until its successors are known
	path       []string // the operations that have led to it
	successors []string
	delivered  [2]*node // after the delivery of the next message of each side; nil at the last level
	walk       walk
}

// walk is the state of a node in the search for cycles.
type walk int

const (
	unknown walk = iota
	underWay
	finite
)

// endless reports whether deliveries alone lead from the node back to itself, or to another such
// node.
func (n *node) endless() bool {
	if n == nil || n.walk != unknown {
		return n != nil && n.walk == underWay
	}
	n.walk = underWay
	if n.delivered[0].endless() || n.delivered[1].endless() {
		return true
	}
	n.walk = finite
	return false
}

// explore visits, breadth first, all worlds that up to length operations lead to, and visits worlds
// with the same behaviour only once. It returns their number, and the number of sequences of
// operations that lead to them.
func (s *simulation) explore(start *world, length int) (states int, sequences uint64) {
	s.checked = [2]map[string]bool{make(map[string]bool), make(map[string]bool)}
	nodes := map[string]*node{start.key(): {w: start}}
	level := []string{start.key()}
	for depth := range length + 1 {
		var next []string
		for _, key := range level {
			n := nodes[key]
			// The other worlds are followed by the deliveries among the operations.
			if depth == length || len(n.w.ends[0].out)+len(n.w.ends[1].out) == 0 {
				s.check(n.w, key, n.path)
			}
			if s.failures > 5 {
				s.t.FailNow()
			}
			if depth == length {
				continue
			}
			for _, op := range s.operations {
				if !op.possible(n.w.ends[op.side]) {
					continue
				}
				w := n.w.clone()
				require.NoError(s.t, op.do(w, op.side), "after %v, %s", n.path, op.name)
				reached := w.key()
				n.successors = append(n.successors, reached)
				if nodes[reached] == nil {
					nodes[reached] = &node{w: w, path: append(n.path[:len(n.path):len(n.path)], op.name)}
					next = append(next, reached)
				}
				if op.delivers {
					n.delivered[op.side] = nodes[reached]
				}
			}
			n.w = nil
		}
		level = next
	}
	for _, n := range nodes {
		if n.endless() {
			s.fail("endless negotiation", n.path, nil)
			break
		}
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

// check delivers all messages of the world, in two orders, and compares the two sides. It stops at
// a world that was checked before.
func (s *simulation) check(start *world, key string, path []string) {
	for first := range 2 {
		w, key := start, key
		var trace []Type
		passed := make(map[string]bool)
		for {
			if passed[key] {
				s.fail("endless negotiation", path, trace)
				return
			}
			if s.checked[first][key] {
				break
			}
			passed[key], s.checked[first][key] = true, true
			from := first
			if len(w.ends[from].out) == 0 {
				from = 1 - from
			}
			if w == start {
				w = w.clone()
			}
			if len(w.ends[from].out) == 0 {
				if problem := s.settle(w); problem != "" {
					s.fail(problem, path, trace)
				}
				break
			}
			trace = append(trace, w.ends[from].out[0].typ)
			_ = w.deliver(from)
			key = w.key()
		}
	}
}

func (s *simulation) fail(problem string, path []string, trace []Type) {
	s.failures++
	s.t.Errorf("%s: after %s; then the messages %v", problem, strings.Join(path, ", "), trace)
}

// settle compares the two sides of a world at rest. If errors are permitted, the programs first
// handle them: they roll back, and negotiate once more.
func (s *simulation) settle(w *world) (problem string) {
	for _, e := range w.ends {
		if len(e.errors) > 0 {
			return "error: " + e.errors[0].Error()
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
	for _, e := range w.ends {
		e.policy = manual
		if err := e.setLocal(Rollback); err != nil {
			return "rollback: " + err.Error()
		}
		e.out = nil
	}
	if w.ends[0].transport == nil && w.ends[1].transport == nil {
		return ""
	}
	for i := range 2 {
		w.ends[i].WantData()
		if l := w.ends[i].s.link; l != nil && l.failed {
			w.ends[i].WantRestart()
		}
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
		{"automatic, with rollbacks", [2]policy{automatic, automatic}, true, "restart offer deliver rollback repeat", 8, false},
		{"perfect, new", [2]policy{polite, impolite}, false, "data restart offer deliver", 8, true},
		{"perfect, connected", [2]policy{polite, impolite}, true, "fail restart offer deliver", 8, true},
		{"automatic, replaced", [2]policy{automatic, automatic}, true, "restart offer deliver replace port", 8, false},
		{"manual, replaced", [2]policy{manual, manual}, true, "restart offer answer deliver replace port", 8, false},
		{"automatic, failed", [2]policy{automatic, automatic}, true, "fail restart offer deliver", 8, false},
		{"manual, failed", [2]policy{manual, manual}, true, "fail restart offer answer deliver rollback", 8, false},
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
			w.identities = strings.Contains(c.operations, "replace")
			w.mirrored = c.connected && c.policies[0] == c.policies[1] && !w.identities
			for _, e := range w.ends {
				e.lenient = !c.strict
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
