package fuzz_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// FuzzDCEPOpen checks that a parsed message is written back unchanged, without the bytes after it.
func FuzzDCEPOpen(f *testing.F) {
	for _, o := range []dcep.Open{{}, {ChannelType: dcep.PartialReliableTimedUnordered, Priority: 256, ReliabilityParameter: 3000, Label: "chat", Protocol: "json"},
		{ChannelType: dcep.PartialReliableRexmit, ReliabilityParameter: 0xffffffff, Label: "\x00ü"}} {
		b, err := o.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(b, 0))
	}
	f.Add([]byte{})
	f.Add(dcep.AppendAck(nil))
	f.Add([]byte{3, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := dcep.ParseOpen(b)
		if err != nil {
			var parse *dcep.ParseError
			if !errors.As(err, &parse) || parse.Offset < 0 || parse.Offset > len(b) {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		if !dcep.IsOpen(b) || dcep.IsAck(b) {
			t.Fatalf("%x was parsed as an OPEN, but IsOpen is %v and IsAck is %v", b, dcep.IsOpen(b), dcep.IsAck(b))
		}
		written, err := o.Append(nil)
		if err != nil || !bytes.HasPrefix(b, written) {
			t.Fatalf("%x was written back as %x, %v", b, written, err)
		}
	})
}
