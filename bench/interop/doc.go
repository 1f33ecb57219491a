// Package interop contains only tests. They connect the packages of this repository with other implementations of the
// same protocols, in both roles.
//
// Peers that are Go modules are always available. If a peer that is a program is missing, its tests are skipped, or fail
// if the environment variable RTC_TEST_PEERS is "required". These peers are
//
//   - Chromium,
//   - a C program of this package with usrsctp, which needs gcc and the Debian package libusrsctp-dev,
//   - a Python script of this package with the Debian package python3-websockets,
//   - the proxies squid and dante,
//   - the stacks of the tests TestStack…, from Debian (aiortc, Firefox, GStreamer's webrtcbin) and from npm (libwebrtc,
//     libdatachannel, werift). The script .ci/run has the names of the packages.
package interop
