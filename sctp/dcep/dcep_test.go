package dcep_test

import (
	"strings"
	"testing"

	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/stretchr/testify/require"
)

// RFC 8832, section 5.1: the fields of DATA_CHANNEL_OPEN in their order.
func TestOpenOnTheWire(t *testing.T) {
	b, err := dcep.Open{ChannelType: dcep.PartialReliableTimedUnordered, Priority: dcep.PriorityNormal,
		ReliabilityParameter: 0x01020304, Label: "né", Protocol: "p"}.Append([]byte{9})
	require.NoError(t, err)
	require.Equal(t, "\x09\x03\x82\x01\x00\x01\x02\x03\x04\x00\x03\x00\x01n\xc3\xa9p", string(b))
}

func TestOpenRoundTrip(t *testing.T) {
	for _, o := range []dcep.Open{
		{},
		{ChannelType: dcep.ReliableUnordered, Label: "chat", Protocol: ""},
		{ChannelType: dcep.PartialReliableRexmit, Priority: 65535, ReliabilityParameter: 1<<32 - 1, Protocol: "x"},
		{ChannelType: dcep.PartialReliableTimed, Label: strings.Repeat("l", dcep.MaxStringLength), Protocol: strings.Repeat("p", dcep.MaxStringLength)},
		{Label: "日本語\x00"},
	} {
		b, err := o.Append(nil)
		require.NoError(t, err)
		require.True(t, dcep.IsOpen(b))
		require.False(t, dcep.IsAck(b))
		got, err := dcep.ParseOpen(b)
		require.NoError(t, err)
		require.Equal(t, o, got)
	}
}

func TestOpenTooLong(t *testing.T) {
	for _, o := range []dcep.Open{
		{Label: strings.Repeat("l", dcep.MaxStringLength+1)},
		{Protocol: strings.Repeat("l", dcep.MaxStringLength+1)},
	} {
		b, err := o.Append([]byte{1})
		require.ErrorIs(t, err, dcep.ErrTooLong)
		require.Equal(t, []byte{1}, b)
	}
}

func TestParseOpenRefuses(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "dcep: DATA_CHANNEL_OPEN is cut short at byte 0"},
		{"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "dcep: DATA_CHANNEL_OPEN is cut short at byte 11"},
		{"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "dcep: message type 2 is not DATA_CHANNEL_OPEN at byte 0"},
		{"\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "dcep: unknown channel type 0x03 at byte 1"},
		{"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00a", "dcep: label is cut short at byte 13"},
		{"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02ab", "dcep: protocol is cut short at byte 14"},
	} {
		_, err := dcep.ParseOpen([]byte(c.in))
		require.EqualError(t, err, c.want)
		var p *dcep.ParseError
		require.ErrorAs(t, err, &p)
	}
}

func TestAck(t *testing.T) {
	b := dcep.AppendAck(nil)
	require.Equal(t, []byte{2}, b)
	require.True(t, dcep.IsAck(b))
	require.False(t, dcep.IsOpen(b))
	require.False(t, dcep.IsAck(nil))
}

func TestChannelTypes(t *testing.T) {
	require.True(t, dcep.PartialReliableRexmitUnordered.Unordered())
	require.False(t, dcep.PartialReliableRexmit.Unordered())
	require.Equal(t, "reliable", dcep.Reliable.String())
	require.Equal(t, "partial-reliable-rexmit-unordered", dcep.PartialReliableRexmitUnordered.String())
	require.Equal(t, "channel type 0x7f", dcep.ChannelType(0x7f).String())
}
