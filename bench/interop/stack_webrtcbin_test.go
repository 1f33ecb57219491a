package interop_test

import (
	"testing"
)

// TestStackWebrtcbin talks to GStreamer's webrtcbin, whose ICE agent is libnice and whose SCTP is usrsctp.
func TestStackWebrtcbin(t *testing.T) {
	t.Parallel()
	requirePython(t, `import gi; gi.require_version("Gst", "1.0"); gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstWebRTC
Gst.init(None); assert Gst.ElementFactory.make("nicesrc") and Gst.ElementFactory.make("webrtcbin")`,
		"gstreamer1.0-plugins-bad, gstreamer1.0-nice, gir1.2-gst-plugins-bad-1.0, python3-gi")
	testStack(t, &stack{
		start: func(t *testing.T, o stackStart) *stackPeer {
			candidates := "trickle"
			if o.whole {
				candidates = "whole"
			}
			return startProgram(t, o.onCandidate, debianPython, append([]string{"testdata/stacks/webrtcbin_peer.py", candidates}, o.addresses...)...)
		},
		maxMessage: 64 << 10, // its descriptions do not say how much it takes: then it is this (RFC 8841, section 6.1)
		noEmpty:    true,     // it gives usrsctp no byte at all to send
		// Its payload protocol identifiers are 56 for an empty binary message and 57 for an empty text message, which RFC
		// 8831, section 8, has the other way around.
		emptySwapped: true,
		restart:      restartIgnored,
		silent:       true,
		missesEnd:    true,
	})
}
