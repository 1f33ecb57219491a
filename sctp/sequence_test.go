package sctp

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/cputime"
)

// RFC 6525, section 5.2.2: a stream is in its initial state after a reset. The reset is returned
// between the last message before it and the first one after it, even if they are read late.
func TestMessagesAndResetsAreOneSequence(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 1, 0, "BE", "a"), data(2001, 2, 0, "BE", "other"))
	s.receive(outgoingReset(2000, 2001, 1))
	s.receive(data(2002, 1, 0, "BE", "b"), data(2003, 1, 1, "BE", "c"))
	s.receive(outgoingReset(2001, 2003, 1))
	s.receive(outgoingReset(2002, 2003, 3))
	s.receive(data(2004, 2, 1, "BE", "other"), data(2005, 1, 0, "BE", "d"))
	s.wantEvents()
	s.wantRead("1:a", "2:other", "reset 1", "1:b", "1:c", "reset 1", "reset 3", "2:other", "1:d")

	// Each function stops where the other one is due.
	s.receive(data(2006, 1, 1, "BE", "e"))
	s.receive(outgoingReset(2003, 2006, 1))
	s.receive(data(2007, 1, 0, "BE", "f"))
	s.wantEvents()
	s.wantMessages("1:e")
	s.wantMessages([]string(nil)...)
	s.wantEvents("reset 1")
	s.wantMessages("1:f")

	// Events before the end are reported after it.
	s.receive(data(2008, 1, 1, "BE", "g"))
	s.receive(outgoingReset(2004, 2008, 1))
	s.a.Abort(s.now, "")
	s.wantRead("1:g", "closed: sctp: aborted: User-Initiated Abort", "reset 1")
}

// A peer may reset its streams as often as it likes: the entries that wait for a reader are bounded
// by the number of streams, and of messages, which the receive window bounds.
func TestWaitingResetsAreBounded(t *testing.T) {
	t.Parallel()
	s := established(t, Config{MaxStreams: 100})
	ids := make([]uint16, 100)
	for i := range ids {
		ids[i] = uint16(i)
	}
	request := uint32(2000)
	for range 10_000 {
		s.receive(outgoingReset(request, 1999, ids...))
		request++
		s.take()
	}
	require.LessOrEqual(t, s.a.reasm.ready.Len(), 100)
	tsn := uint32(2000)
	for range 1000 {
		s.receive(data(tsn, 7, 0, "BEI", "x"))
		s.receive(outgoingReset(request, tsn, ids...))
		request, tsn = request+1, tsn+1
		s.take()
	}
	require.LessOrEqual(t, s.a.reasm.ready.Len(), 100+2*1000)
	// The reader gets everything, each reset once.
	resets, messages := 0, 0
	for {
		if m, ok := s.a.ReadMessage(); ok {
			messages++
			require.Equal(t, messages, resets-99, "each message is followed by its reset")
			s.a.Release(s.now, &m)
		} else if e, ok := s.a.Event(); ok {
			require.Equal(t, EventStreamReset, e.Kind)
			resets++
		} else {
			break
		}
	}
	require.Equal(t, 1000, messages)
	require.Equal(t, 1100, resets)
	require.Zero(t, s.a.reasm.charged)
}

// The packets of a peer cost about the same in every order: it must not be able to occupy a CPU
// with a few packets.
func TestReassemblyCostsTheSameInEveryOrder(t *testing.T) {
	const n = 20_000
	orders := map[string]func(i int) uint32{
		"ascending":   func(i int) uint32 { return uint32(i) + 1 },
		"descending":  func(i int) uint32 { return n - uint32(i) },
		"alternating": func(i int) uint32 { return cmp.Or(uint32(i%2)*uint32(n-i/2), uint32(i/2)+1) },
		"shuffled":    nil,
	}
	shuffled := rand.New(rand.NewPCG(1, 2)).Perm(n)
	orders["shuffled"] = func(i int) uint32 { return uint32(shuffled[i]) + 1 }
	for _, interleaving := range []bool{false, true} {
		cost := map[string]time.Duration{}
		for name, order := range orders {
			for round := range 3 {
				a := mustNew(Config{})
				r := &a.reasm
				r.interleaving = interleaving
				begin, _ := cputime.Process()
				for i := range n { // all wait for the first message
					r.add(&dataHeader{tsn: uint32(i) + 1, seq: uint32(i) + 1, ordinal: order(i), flags: flagBeginning | flagEnd}, []byte{1})
				}
				require.Zero(t, r.ready.Len())
				require.Empty(t, r.add(&dataHeader{flags: flagBeginning | flagEnd}, []byte{1}))
				end, _ := cputime.Process()
				spent := end - begin
				if round == 0 || spent < cost[name] {
					cost[name] = spent
				}
				require.Equal(t, n+1, r.ready.Len())
			}
		}
		for name, spent := range cost {
			// Measured: 1 to 4 times; with insertion into a sorted list 100 times.
			require.Less(t, spent, 20*cost["ascending"], fmt.Sprintf("%s: %v", name, cost))
		}
	}
}

// An abandoned message or a reset does not cause work for other streams and messages.
func TestAbandonedMessagesCostLittle(t *testing.T) {
	for _, interleaving := range []bool{false, true} {
		t.Run(fmt.Sprint("interleaving ", interleaving), func(t *testing.T) {
			a := mustNew(Config{})
			r := &a.reasm
			r.interleaving = interleaving
			const n = 50_000 // beginnings of messages that never end
			for i := range uint32(n) {
				require.Empty(t, r.add(&dataHeader{tsn: 2 * i, seq: map[bool]uint32{false: 2 * i}[interleaving], ordinal: i, stream: uint16(1 + i%100), flags: flagBeginning}, []byte{1}))
			}
			require.GreaterOrEqual(t, len(r.byFirst)+100, n)
			begin, _ := cputime.Process()
			for i := range uint32(2 * n) { // one after the other
				if interleaving {
					r.skipFragments(uint16(1+i%100), false, i/2)
					r.skip(uint16(1+i%100), i/2)
				} else {
					r.forward(i)
				}
				r.dropAbandoned(instant(i) * time.Microsecond)
			}
			for i := range uint16(100) {
				r.resetStream(1+i, 2*n)
			}
			r.dropAbandoned(time.Hour)
			require.Zero(t, r.charged)
			// A search of all for each would be 2.5 billion steps of 10 ns and more.
			end, _ := cputime.Process()
			require.Less(t, end-begin, 10*time.Second)
		})
	}
}

// A reset drops the incomplete messages of its stream only, and only those of before it.
func TestResetDropsTheRunsOfItsStream(t *testing.T) {
	for _, interleaving := range []bool{false, true} {
		a := mustNew(Config{})
		r := &a.reasm
		r.interleaving = interleaving
		header := func(tsn uint32, stream uint16, mid uint32, flags uint8) *dataHeader {
			h := &dataHeader{tsn: tsn, seq: tsn, ordinal: mid, stream: stream, flags: flags}
			if interleaving {
				h.seq = map[bool]uint32{true: 0, false: 1}[flags&flagBeginning != 0]
			}
			return h
		}
		for i := range uint32(5) { // two runs of each stream, one of them in its slot
			require.Empty(t, r.add(header(10*i, uint16(i), 0, flagBeginning), []byte("a")))
			require.Empty(t, r.add(header(10*i+5, uint16(i), 0, flagBeginning|flagUnordered), []byte("b")))
		}
		charge := r.charged / 10
		r.resetStream(3, 1000)
		require.Equal(t, 8*charge, r.charged)
		r.resetStream(4, 40) // its second run was sent after the reset
		require.Equal(t, 7*charge, r.charged)
		for i := range uint32(5) {
			require.Empty(t, r.add(header(10*i+6, uint16(i), 0, flagEnd|flagUnordered), []byte("c")))
		}
		got := map[uint16]string{}
		for m, ok := a.ReadMessage(); ok || r.ready.Len() > 0; m, ok = a.ReadMessage() {
			if !ok {
				_, ok = a.Event()
				require.True(t, ok)
				continue
			}
			got[m.Stream] = string(m.Data)
			a.Release(time.Now(), &m)
		}
		require.Equal(t, map[uint16]string{0: "bc", 1: "bc", 2: "bc", 4: "bc"}, got)
		r.release()
		require.Zero(t, r.charged)
	}
}
