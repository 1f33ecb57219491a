package interop_test

import (
	"testing"
)

// TestStackWerift talks to werift, a stack in TypeScript.
func TestStackWerift(t *testing.T) {
	t.Parallel()
	requireModule(t, "werift")
	testStack(t, &stack{
		// Its channel type of every unreliable channel is that of an ordered one: 0x01 or 0x02, where RFC 8832, section 5.1,
		// has 0x81 and 0x82 for unordered ones.
		unreliableIsOrdered: true,
		ascii:               true, // as aiortc, from which it descends
		start:               startNode("werift"),
		maxMessage:          64 << 10,
		noEmpty:             true, // it sends nothing
		restarts:            true,
	})
}
