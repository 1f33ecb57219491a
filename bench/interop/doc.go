// Package interop holds no code, only tests: they connect the packages of this repository with other implementations
// of the same protocols, in both roles, and check that the two understand each other.
//
// A peer that is a program may be missing: its tests then skip and say why, or fail if the environment has
// RTC_TEST_PEERS=required, which is for machines that are meant to have all of them. These peers are a browser; a C
// program of ours with usrsctp, for which gcc and the Debian package libusrsctp-dev are needed; a Python script of ours
// with the Debian package python3-websockets; and the stacks of TestStack…, of Debian (aiortc, Firefox, GStreamer's
// webrtcbin) and of npm (libwebrtc, libdatachannel, werift), for which .ci/run has the names of the packages. Peers that are Go modules are always there.
package interop
