package interop_test

import (
	"testing"
)

// TestStackWebrtcbin connects to GStreamer's webrtcbin, which uses libnice for ICE and usrsctp for SCTP.
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
		maxMessage: 64 << 10, // the default (RFC 8841, section 6.1): its descriptions have no max-message-size
		noEmpty:    true,     // it does not pass the zero byte to usrsctp
		// RFC 8831, section 8: the payload protocol identifier of an empty text message is 56, that of an empty binary
		// message is 57. webrtcbin swaps them.
		emptySwapped:   true,
		restart:        restartIgnored,
		closesSilently: true,
		missesClose:    true,
	})
}
