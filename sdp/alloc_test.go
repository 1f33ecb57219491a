package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Append does not allocate, and the number of allocations of Parse does not depend on the number of
// lines.
func TestAllocations(t *testing.T) {
	text := crlf(chromeVideo)
	s, err := Parse(text)
	require.NoError(t, err)
	d, err := ParseDescription(text)
	require.NoError(t, err)
	buffer := make([]byte, 0, 2*len(text))
	require.Zero(t, testing.AllocsPerRun(100, func() { buffer = s.Append(buffer[:0]) }), "Session.Append")
	require.Zero(t, testing.AllocsPerRun(100, func() { buffer = d.Append(buffer[:0]) }), "Description.Append")
	m := &d.Media[1]
	require.Zero(t, testing.AllocsPerRun(100, func() { d.TransportOf(m) }), "TransportOf")

	parse := func(text string) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = Parse(text) })
	}
	// The session, its one time, and the arrays of attributes, sections, connections and formats;
	// bandwidths have none.
	require.LessOrEqual(t, parse(text), 7.0)
	require.Equal(t, parse(text), parse(text+strings.Repeat("a=ssrc:1 cname:x\r\n", 1000)))
	sections := strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111 8\r\nc=IN IP4 0.0.0.0\r\na=mid:x\r\n", 100)
	require.Equal(t, parse(text), parse(text+sections))

	parseDescription := func(text string) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = ParseDescription(text) })
	}
	// Beyond those: the description, its sections and its group; for each section options and
	// fingerprints, and two for candidates.
	require.LessOrEqual(t, parseDescription(text), 7+4+2*4.0)
	require.LessOrEqual(t, parseDescription(crlf(chromeData)), 7+4+6.0)
	candidates := strings.Repeat("a=candidate:1 1 udp 2113937151 192.0.2.1 62189 typ host\r\n", 100)
	require.LessOrEqual(t, parseDescription(crlf(chromeData)+candidates), 7+4+6.0)
}

func BenchmarkParse(b *testing.B) {
	text := crlf(chromeVideo)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseDescription(b *testing.B) {
	text := crlf(chromeVideo)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ParseDescription(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	d, err := ParseDescription(crlf(chromeVideo))
	if err != nil {
		b.Fatal(err)
	}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = d.Append(buffer[:0])
	}
	b.SetBytes(int64(len(buffer)))
}
