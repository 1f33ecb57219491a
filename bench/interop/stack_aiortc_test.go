package interop_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

// debianPython is the Python interpreter that finds the Debian packages.
const debianPython = "/usr/bin/python3"

// requirePython ends the test if Debian's Python cannot execute the statement, which imports modules of the packages.
func requirePython(t *testing.T, statement, packages string) {
	t.Helper()
	if output, err := exec.Command(debianPython, "-c", statement).CombinedOutput(); err != nil {
		requirePeer(t, fmt.Errorf("%s (the package %s): %w: %s", statement, packages, err, bytes.TrimSpace(output)))
	}
}

// TestStackAiortc connects to aiortc, in Debian's package python3-aiortc.
func TestStackAiortc(t *testing.T) {
	t.Parallel()
	requirePython(t, "import aiortc", "python3-aiortc")
	testStack(t, aiortcStack)
}

var aiortcStack = &stack{
	start: func(t *testing.T, o stackStart) *stackPeer {
		return startProgram(t, o.onCandidate, debianPython, append([]string{"testdata/stacks/aiortc_peer.py"}, o.addresses...)...)
	},
	whole:      true, // it fails if the description has no candidate
	maxMessage: 64 << 10,
	asciiOnly:  true, // its Label Length (RFC 8832, section 5.1) is the number of characters, not of bytes
	restart:    restartIgnored,
}
