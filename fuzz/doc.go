// Package fuzz has fuzz targets for all code that handles input of a peer, a proxy or a
// configuration: the parsers of all protocols, their state machines, and data channels. It exports
// nothing.
//
//	fuzz/run -t 60 -f STUN
//
// fuzzes the targets whose names match for 60 seconds each; without options, all of them for ten
// seconds. go test runs their seeds. An input that has failed becomes a seed in the source of its
// target, or a file in testdata/fuzz.
package fuzz
