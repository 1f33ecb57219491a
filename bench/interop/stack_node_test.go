package interop_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

// startNode returns the start function of a stack that is an npm package.
func startNode(name string) func(t *testing.T, o stackStart) *stackPeer {
	return func(t *testing.T, o stackStart) *stackPeer {
		node, err := exec.LookPath("node")
		requirePeer(t, err)
		candidates := "trickle"
		if o.whole {
			candidates = "whole"
		}
		return startProgram(t, o.onCandidate, node, append([]string{"testdata/stacks/node_peer.js", name, candidates}, o.addresses...)...)
	}
}

// requireModule ends the test if Node.js or a module is missing.
func requireModule(t *testing.T, module string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		requirePeer(t, fmt.Errorf("%w (the packages nodejs and npm)", err))
	}
	load := exec.Command(node, "-e", fmt.Sprintf("require(%q)", module))
	load.Dir = "testdata/stacks"
	if output, err := load.CombinedOutput(); err != nil {
		requirePeer(t, fmt.Errorf("%s (npm ci --ignore-scripts in bench/interop/testdata/stacks): %w: %s", module, err, bytes.TrimSpace(output)))
	}
}

// TestStackLibwebrtc connects to libwebrtc, which runs without a browser.
func TestStackLibwebrtc(t *testing.T) {
	t.Parallel()
	requireModule(t, "@roamhq/wrtc")
	testStack(t, &stack{
		start:      startNode("libwebrtc"),
		maxMessage: 256 << 10,
		restarts:   true,
	})
}

// TestStackLibdatachannel connects to libdatachannel, whose ICE agent is libjuice.
func TestStackLibdatachannel(t *testing.T) {
	t.Parallel()
	requireModule(t, "node-datachannel")
	testStack(t, &stack{
		hidesReliability:  true, // its binding for Node.js has no function for it
		start:             startNode("libdatachannel"),
		maxMessage:        256 << 10,
		restart:           restartRefused,
		losesLastMessages: true, // it handles the DTLS alert before the messages that are queued for its thread
	})
}
