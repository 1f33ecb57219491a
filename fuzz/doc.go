// Package fuzz has fuzz targets for everything that reads what a peer, a proxy or a configuration
// says: the parsers of all protocols, their state machines, and the data channels above them. It
// exports nothing.
//
//	fuzz/run -t 60 -f STUN
//
// fuzzes the targets whose names match for 60 seconds each; without options, all of them for ten
// seconds. go test runs their seeds. What a target has found becomes a seed in its source, or a
// file in testdata/fuzz.
package fuzz
