package deflate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// optimalBits returns the size of the optimal code without a limit of lengths, by Huffman's
// construction.
func optimalBits(counts []uint32) (bits int) {
	var trees []int
	for _, n := range counts {
		if n > 0 {
			trees = append(trees, int(n))
		}
	}
	for len(trees) > 1 {
		slices.Sort(trees)
		bits += trees[0] + trees[1]
		trees = append(trees[2:], trees[0]+trees[1])
	}
	return bits
}

func TestCodesAreCompleteAndOptimal(t *testing.T) {
	fibonacci := []uint32{1, 1}
	for len(fibonacci) < 20 { // their codes have the largest possible length: 19 bits
		fibonacci = append(fibonacci, fibonacci[len(fibonacci)-1]+fibonacci[len(fibonacci)-2])
	}
	random := rand.New(rand.NewChaCha8([32]byte{3}))
	shapes := [][]uint32{fibonacci, {1, 1}, {5, 0, 0, 1}, {0, 0, 0, 7}, {0, 0}, make([]uint32, maxLitLenSymbols)}
	for range 200 {
		counts := make([]uint32, 2+random.IntN(maxLitLenSymbols-1))
		for i := range counts {
			counts[i] = random.Uint32N(1 << random.IntN(14))
		}
		shapes = append(shapes, counts)
	}
	var s scratch
	var c codes
	for _, counts := range shapes {
		for _, limit := range []int{codeLengthBits, 9, maxCodeLength} {
			if len(counts) > 1<<limit {
				continue
			}
			s.makeCodes(&c, counts, limit)
			left, bits, longest := 1<<limit, 0, uint(0)
			seen := map[uint32]bool{}
			for symbol, n := range counts {
				length := c.length(symbol)
				longest = max(longest, length)
				bits += int(n) * int(length)
				if n > 0 {
					require.NotZero(t, length)
				}
				if length > 0 {
					left -= 1 << (limit - int(length))
					require.False(t, seen[c[symbol]], "the same code twice")
					seen[c[symbol]] = true
				}
			}
			require.Zero(t, left, "the code is not complete: %v", counts)
			require.LessOrEqual(t, int(longest), limit)
			require.GreaterOrEqual(t, len(seen), 2)
			if int(longest) < limit && len(seen) > 2 {
				require.Equal(t, optimalBits(counts), bits, "%v", counts)
			}
		}
	}
}

// Every length and every distance is one symbol with its extra bits: RFC 1951, section 3.2.5
func TestSymbols(t *testing.T) {
	for length := minMatch; length <= maxMatch; length++ {
		symbol := lengthSymbol[length-minMatch]
		e := litLenMeaning[257+int(symbol)]
		require.Equal(t, e.value()-minMatch, int(lengthBase[symbol]))
		require.Equal(t, e.extra(), uint(lengthExtra[symbol]))
		require.GreaterOrEqual(t, length, e.value())
		require.Less(t, length, e.value()+1<<e.extra())
	}
	for distance := 1; distance <= 1<<MaxWindowBits; distance++ {
		symbol := distanceSymbol(distance - 1)
		e := distanceMeaning[symbol]
		require.Equal(t, e.value()-1, int(distanceBase[symbol]))
		require.Equal(t, e.extra(), uint(distanceExtra[symbol]))
		require.GreaterOrEqual(t, distance, e.value())
		require.Less(t, distance, e.value()+1<<e.extra())
	}
	// The ends of the RFC's tables.
	require.Equal(t, uint8(28), lengthSymbol[maxMatch-minMatch], "285 is 258")
	require.Equal(t, uint8(27), lengthSymbol[257-minMatch], "284 is 227–257")
	require.Equal(t, uint8(0), lengthSymbol[0], "257 is 3")
	require.Equal(t, uint8(29), distanceSymbol(24577-1), "29 is 24577–32768")
	require.Equal(t, uint8(28), distanceSymbol(24576-1))
}
