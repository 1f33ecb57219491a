package interop_test

import (
	"testing"
)

// TestStackWerift connects to werift, a stack written in TypeScript.
func TestStackWerift(t *testing.T) {
	t.Parallel()
	requireModule(t, "werift")
	testStack(t, &stack{
		// RFC 8832, section 5.1: the channel types of unreliable channels are 0x01 and 0x02 if ordered, and 0x81 and 0x82 if
		// unordered. werift sends 0x01 or 0x02 for all of them.
		unreliableIsOrdered: true,
		asciiOnly:           true, // as aiortc, on which it is based
		start:               startNode("werift"),
		maxMessage:          64 << 10,
		noEmpty:             true, // it sends no packet
		restarts:            true,
	})
}
