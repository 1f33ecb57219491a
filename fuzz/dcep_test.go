package fuzz_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// A parsed message is written back unchanged, except for bytes that followed it.
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
			t.Fatalf("%x is not what it was parsed as", b)
		}
		written, err := o.Append(nil)
		if err != nil || !bytes.HasPrefix(b, written) {
			t.Fatalf("%x was written back as %x, %v", b, written, err)
		}
	})
}
