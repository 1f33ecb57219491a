package interop_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	rtc "github.com/rtcstack/rtcstack/api"
)

// startNode returns the start function of a stack of npm.
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
	requirePeer(t, err)
	load := exec.Command(node, "-e", fmt.Sprintf("require(%q)", module))
	load.Dir = "testdata/stacks"
	if output, err := load.CombinedOutput(); err != nil {
		requirePeer(t, fmt.Errorf("%s (npm ci --ignore-scripts in bench/interop/testdata/stacks): %w: %s", module, err, bytes.TrimSpace(output)))
	}
}

// TestLibwebrtc talks to libwebrtc without a browser around it.
func TestLibwebrtc(t *testing.T) {
	t.Parallel()
	requireModule(t, "@roamhq/wrtc")
	testStack(t, &stack{
		name:       "libwebrtc",
		start:      startNode("libwebrtc"),
		maxMessage: 256 << 10,
		bulk:       20 << 20,
		restarts:   true,
		itsEnd:     rtc.StateClosed,
	})
}

// TestLibdatachannel talks to libdatachannel, whose ICE agent is libjuice.
func TestLibdatachannel(t *testing.T) {
	t.Parallel()
	requireModule(t, "node-datachannel")
	testStack(t, &stack{
		name:       "libdatachannel",
		blind:      true, // its binding for Node.js has no function for it
		start:      startNode("libdatachannel"),
		maxMessage: 256 << 10,
		bulk:       20 << 20,
		restart:    restartRefused,
		itsEnd:     rtc.StateClosed,
	})
}
