package interop_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

// debianPython is the Python that Debian's packages are for.
const debianPython = "/usr/bin/python3"

// requirePython ends the test if Debian's Python cannot import a module.
func requirePython(t *testing.T, statement, packages string) {
	t.Helper()
	if output, err := exec.Command(debianPython, "-c", statement).CombinedOutput(); err != nil {
		requirePeer(t, fmt.Errorf("%s (the package %s): %w: %s", statement, packages, err, bytes.TrimSpace(output)))
	}
}

// TestStackAiortc talks to aiortc, of Debian's package python3-aiortc.
func TestStackAiortc(t *testing.T) {
	t.Parallel()
	requirePython(t, "import aiortc", "python3-aiortc")
	testStack(t, aiortcStack)
}

var aiortcStack = &stack{
	start: func(t *testing.T, o stackStart) *stackPeer {
		return startProgram(t, o.onCandidate, debianPython, append([]string{"testdata/stacks/aiortc_peer.py"}, o.addresses...)...)
	},
	whole:      true, // it fails when it has no candidate of the peer at the start
	maxMessage: 64 << 10,
	ascii:      true, // the "Label Length" that it sends counts characters, not bytes (RFC 8832, section 5.1)
	restart:    restartIgnored,
}
