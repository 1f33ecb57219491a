package interop_test

import (
	"os"
	"testing"
)

// peersVariable is the environment variable that, set to "required", turns a missing peer into a failure.
const peersVariable = "RTC_TEST_PEERS"

// requirePeer ends the test if err says why its peer cannot be had: skipped, or failed where all peers are required.
func requirePeer(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv(peersVariable) == "required":
		t.Fatalf("%s=required, and the peer is missing: %v", peersVariable, err)
	default:
		t.Skipf("the peer is missing: %v", err)
	}
}
