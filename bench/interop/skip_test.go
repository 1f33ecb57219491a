package interop_test

import (
	"os"
	"testing"
)

// peersVariable is the environment variable with the value "required" if missing peers are failures.
const peersVariable = "RTC_TEST_PEERS"

// requirePeer ends the test if err, the reason that its peer is missing, is not nil. The test is skipped, or fails if
// all peers are required.
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
