// Package fuzz has fuzz targets for all code that processes input of a peer, a proxy or a
// configuration: the parsers of all protocols, their state machines, and the data channels above
// them. It exports nothing.
//
//	fuzz/run -t 60 -f STUN
//
// runs each target whose name matches for 60 seconds; without options, it runs all targets for ten
// seconds each. go test runs their seeds. An input that has revealed a fault becomes a seed in the
// source of the target, or a file in testdata/fuzz.
package fuzz
