package ice

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// randomSource generates the random values of an agent: from a seed, or from the system, which takes
// no memory of the agent's.
type randomSource struct {
	seeded *rand.ChaCha8 // nil: the values are from the system
}

// newRandomSource reads a seed from r, which may be nil.
func newRandomSource(r io.Reader) (randomSource, error) {
	if r == nil {
		return randomSource{}, nil
	}
	var seed [32]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return randomSource{}, fmt.Errorf("ice: read Config.Rand: %w", err)
	}
	return randomSource{rand.NewChaCha8(seed)}, nil
}

// fill fills b with random bytes. It does not fail: crypto/rand ends the program instead.
func (r randomSource) fill(b []byte) {
	if r.seeded != nil {
		_, _ = r.seeded.Read(b)
		return
	}
	_, _ = crand.Read(b)
}

// uint64 returns 64 random bits.
func (r randomSource) uint64() uint64 {
	if r.seeded != nil {
		return r.seeded.Uint64()
	}
	var b [8]byte
	_, _ = crand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
