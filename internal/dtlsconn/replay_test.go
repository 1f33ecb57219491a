package dtlsconn

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 6347, section 4.1.2.6: "Duplicates are rejected through the use of a sliding receive window."
// The filter against a set of numbers, with numbers that jump, repeat and are late.
func TestReplayFilterAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var filter replayFilter
		accepted := map[uint64]bool{}
		newest := uint64(0)
		for range 20_000 {
			var sequence uint64
			switch rng.IntN(10) {
			case 0: // far ahead
				sequence = newest + uint64(rng.IntN(3*replayWindow))
			case 1: // anywhere behind
				sequence = newest - min(newest, uint64(rng.IntN(3*replayWindow)))
			default:
				sequence = newest + 8 - min(newest+8, uint64(rng.IntN(40)))
			}
			got := filter.fresh(sequence)
			switch {
			case accepted[sequence]:
				require.False(t, got, "seed %d: %d was seen", seed, sequence)
			case sequence+replayWindow-64 > newest:
				require.True(t, got, "seed %d: %d is inside the window behind %d", seed, sequence, newest)
			case sequence+replayWindow < newest:
				require.False(t, got, "seed %d: %d is outside the window behind %d", seed, sequence, newest)
			}
			if got {
				filter.accept(sequence)
				accepted[sequence] = true
				newest = max(newest, sequence)
			}
		}
	}
}

func TestReplayFilterEdges(t *testing.T) {
	var filter replayFilter
	require.True(t, filter.fresh(0), "the first number is zero")
	filter.accept(0)
	require.False(t, filter.fresh(0))

	require.True(t, filter.fresh(maxSequence))
	require.True(t, filter.fresh(1), "asking moves nothing")
	filter.accept(maxSequence)
	require.False(t, filter.fresh(maxSequence))
	require.False(t, filter.fresh(0))
	require.True(t, filter.fresh(maxSequence-1))
	require.True(t, filter.fresh(maxSequence-(replayWindow-64)), "a jump over the whole window clears all of it")
}
