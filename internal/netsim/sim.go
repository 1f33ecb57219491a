package netsim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

const (
	// maxIdleAdvances is the number of calls of Advance at one instant, without a packet received
	// or sent in between, after which the run fails: the Deadline of the core does not move.
	maxIdleAdvances = 100

	// maxDrain is the number of packets that a core may transmit at once before the run fails. With
	// 1,200 bytes each this is 157 MB, more than any send buffer.
	maxDrain = 1 << 17

	// maxEventsAtOnce is the number of events that may happen at one instant before the run fails:
	// two cores answer each other without end over links without delay.
	maxEventsAtOnce = 1 << 22
)

var (
	// ErrNotDone is wrapped by the error of [Sim.Run] if its limit passes.
	ErrNotDone = errors.New("not done")

	// ErrStuck is wrapped by the error of [Sim.Run] if virtual time does not move any more: the
	// Deadline of a core stays in the past after Advance, its Transmit never ends, or cores
	// exchange packets without end at one instant.
	ErrStuck = errors.New("stuck")
)

// epoch is the instant at which every simulation starts, whatever its seed.
var epoch = time.Unix(1_700_000_000, 0).UTC()

// Sim is a simulation: a clock, a schedule and a source of randomness. Create one with [New].
type Sim struct {
	seed    uint64
	rng     *rand.Rand
	streams uint64 // random streams created so far

	now   int64     // nanoseconds since epoch
	clock time.Time // the same as a time

	schedule schedule
	atOnce   int // events since the clock last moved
	err      error
	nodes    []*node
	byCore   map[any]*node

	free  *packet
	trace func(string)
}

// New creates a simulation. Runs with equal seeds and equal inputs are equal. The clock starts at a
// fixed time.
func New(seed uint64) *Sim {
	s := &Sim{seed: seed, clock: epoch, byCore: make(map[any]*node)}
	s.rng = s.stream()
	return s
}

// stream returns an independent source of randomness. Each link and each NAT has its own, so that a
// change of one does not affect the randomness of the others.
func (s *Sim) stream() *rand.Rand {
	s.streams++
	return rand.New(rand.NewPCG(s.seed, s.streams))
}

// Now returns the virtual time.
func (s *Sim) Now() time.Time { return s.clock }

// Elapsed returns the virtual time since the simulation was created.
func (s *Sim) Elapsed() time.Duration { return time.Duration(s.now) }

// Seed returns the seed of the simulation.
func (s *Sim) Seed() uint64 { return s.seed }

// Rand returns a source of randomness for the test itself, which the network does not use.
func (s *Sim) Rand() *rand.Rand { return s.rng }

// RandReader returns an endless stream of random bytes, independent of all others, for a core that
// reads its randomness from an io.Reader.
func (s *Sim) RandReader() io.Reader { return &randReader{rng: s.stream()} }

type randReader struct {
	rng  *rand.Rand
	word [8]byte
	left int // unread bytes, at the end of word
}

func (r *randReader) Read(b []byte) (int, error) {
	for n := 0; n < len(b); {
		if r.left == 0 {
			binary.LittleEndian.PutUint64(r.word[:], r.rng.Uint64())
			r.left = len(r.word)
		}
		c := copy(b[n:], r.word[len(r.word)-r.left:])
		r.left -= c
		n += c
	}
	return len(b), nil
}

// SetTrace makes the simulation call f for each event of a packet and each Advance, with a line
// that starts with the virtual time. nil turns it off. Two runs are equal if and only if their
// lines are.
func (s *Sim) SetTrace(f func(line string)) { s.trace = f }

func (s *Sim) tracef(format string, args ...any) {
	s.trace(fmt.Sprintf("%12.6f ", time.Duration(s.now).Seconds()) + fmt.Sprintf(format, args...))
}

// At calls f once at the instant t, or as soon as possible if t has passed.
func (s *Sim) At(t time.Time, f func()) { s.arm(&timer{fire: f}, int64(t.Sub(epoch))) }

// After calls f once when d has passed.
func (s *Sim) After(d time.Duration, f func()) { s.arm(&timer{fire: f}, s.now+int64(d)) }

func (s *Sim) arm(t *timer, at int64) { s.schedule.arm(t, max(at, s.now)) }

// Poke sends the packets of a core and reads its Deadline, after the test has called a method of
// it, for instance its Send. core is a [Core] or a [Host] of this simulation; otherwise Poke
// panics. [Sim.Run] does the same for all cores when it starts.
func (s *Sim) Poke(core any) {
	n := s.byCore[core]
	if n == nil {
		panic(fmt.Sprintf("netsim: Poke of a %T that is not part of the simulation", core))
	}
	n.drain()
}

// Next returns the time of the next event, counted from the creation of the simulation, and false
// if there is none. Packets of cores that were not poked do not count.
func (s *Sim) Next() (time.Duration, bool) {
	if t := s.schedule.first(); t != nil {
		return time.Duration(t.at), true
	}
	return 0, false
}

// Run advances virtual time from event to event until done returns true. It calls done at the start
// and after each event. Otherwise it returns an error with the seed, which wraps [ErrNotDone] if
// limit has passed since the call, or [ErrStuck].
func (s *Sim) Run(done func() bool, limit time.Duration) error {
	switch finished, err := s.run(done, limit); {
	case err != nil:
		return err
	case finished:
		return nil
	case s.schedule.first() == nil:
		return s.errorf("%w after %v of virtual time: nothing is left to happen", ErrNotDone, limit)
	default:
		return s.errorf("%w after %v of virtual time", ErrNotDone, limit)
	}
}

// RunFor advances virtual time by d. Its error wraps [ErrStuck].
func (s *Sim) RunFor(d time.Duration) error {
	_, err := s.run(func() bool { return false }, d)
	return err
}

func (s *Sim) run(done func() bool, limit time.Duration) (finished bool, err error) {
	began := s.now
	end := s.now + int64(limit)
	for _, n := range s.nodes {
		n.drain()
	}
	for s.err == nil {
		if done() {
			return true, nil
		}
		t := s.schedule.first()
		if t == nil || t.at > end {
			s.setNow(end)
			return done(), nil
		}
		s.setNow(t.at)
		if s.atOnce++; s.atOnce > maxEventsAtOnce {
			s.fail("%d events at one instant", s.atOnce)
			break
		}
		s.schedule.disarm(t)
		t.fire()
	}
	return false, s.errorf("%w after %v of virtual time: %w", ErrStuck, time.Duration(s.now-began), s.err)
}

func (s *Sim) setNow(now int64) {
	if now > s.now {
		s.now = now
		s.clock = epoch.Add(time.Duration(now))
		s.atOnce = 0
	}
}

// fail ends the current run and all later ones.
func (s *Sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *Sim) errorf(format string, args ...any) error {
	return fmt.Errorf("netsim: seed 0x%x: "+format, append([]any{s.seed}, args...)...)
}
