package sdp

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/cputime"
)

// manySections returns a description with MaxMedia sections, all in one BUNDLE group, of which the
// first has the transport.
func manySections() string {
	mid := func(i int) string { return fmt.Sprintf("%s%04d", strings.Repeat("m", 196), i) }
	var text, group strings.Builder
	for i := range MaxMedia {
		fmt.Fprintf(&text, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\n", mid(i))
		group.WriteString(" " + mid(i))
		if i == 0 {
			text.WriteString("a=ice-ufrag:abcd\r\na=ice-pwd:H9gnSA7N/gydRr6CruQSOayu\r\na=fingerprint:sha-256 " + fingerprintText + "\r\n")
		}
	}
	return "v=0\r\ns=-\r\na=group:BUNDLE" + group.String() + "\r\n" + text.String()
}

// manyMids returns a description of MaxSize bytes with MaxMedia sections. Their mids are at the end
// of a group that fills most of the description.
func manyMids() string {
	var text, group strings.Builder
	for i := range MaxMedia {
		fmt.Fprintf(&text, "m=a 9 R 0\r\na=mid:%04d\r\n", i)
		fmt.Fprintf(&group, " %04d", i)
	}
	var head strings.Builder
	head.WriteString("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:H9gnSA7N/gydRr6CruQSOayu\r\na=fingerprint:sha-256 " + fingerprintText + "\r\na=group:BUNDLE")
	var others strings.Builder
	for i := 36 * 36 * 36; head.Len()+others.Len()+group.Len()+text.Len() < MaxSize-10; i++ {
		others.WriteString(" " + strconv.FormatInt(int64(i), 36))
	}
	return head.String() + others.String() + group.String() + "\r\n" + text.String()
}

// processorTime returns the shortest duration of several calls of f, without garbage collections.
// It is processor time if the system measures it, which excludes other programs.
func processorTime(f func()) time.Duration {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := time.Hour
	for range 3 {
		runtime.GC() // also frees memory that the next calls use
		start := time.Now()
		before, known := cputime.Process()
		f()
		used := time.Since(start)
		if known {
			after, _ := cputime.Process()
			used = after - before
		}
		least = min(least, used)
	}
	return least
}

// unmeasurable is a difference of durations without significance. An algorithm of quadratic time
// needs many times as long for the largest description.
const unmeasurable = 30 * time.Millisecond

// Validate takes about as long as ParseDescription, for any number of sections and mids, whether
// the description is valid or not. A search through a group for every section takes hundreds of
// times as long.
func TestValidateTakesLinearTime(t *testing.T) {
	for name, text := range map[string]string{"sections": manySections(), "mids": manyMids()} {
		d, err := ParseDescription(text)
		require.NoError(t, err)
		reading := processorTime(func() { _, _ = ParseDescription(text) })
		checking := processorTime(func() { err = d.Validate() })
		require.Equal(t, name == "sections", err == nil, err)
		t.Logf("%s: %d bytes: read in %v, checked in %v", name, len(text), reading, checking)
		require.Less(t, checking, 12*reading+unmeasurable)
	}
}

// Parsing, validating and writing a description takes four times as long for four times as many
// lines of any type. An algorithm of quadratic time takes sixteen times as long.
func TestLinearTime(t *testing.T) {
	const head, section = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n", "m=audio 9 RTP/AVP 0\n"
	repeat := func(line string) func(int) string {
		return func(size int) string { return head + strings.Repeat(line, size/len(line)) }
	}
	numbered := func(before, line string) func(int) string {
		return func(size int) string {
			var b strings.Builder
			b.WriteString(head + before)
			for i := 0; b.Len() < size; i++ {
				fmt.Fprintf(&b, line, i)
			}
			return b.String()
		}
	}
	inOne := func(before, words, after string) func(int) string {
		return func(size int) string { return before + strings.Repeat(words, size/len(words)) + after }
	}
	for name, text := range map[string]func(size int) string{
		"sections":             numbered("", "m=audio 0 RTP/AVP 0\na=mid:%d\na=long:"+strings.Repeat("x", 800)+"\n"),
		"sections, no mids":    repeat(section + "a=long:" + strings.Repeat("x", 800) + "\n"),
		"attributes":           numbered(section, "a=x%d:"+strings.Repeat("y", 150)+"\n"),
		"the same attribute":   repeat("a=setup:active" + strings.Repeat(" ", 150) + "\n"),
		"spaced attributes":    numbered(section, "a=bundle-only%d"+strings.Repeat(" ", 150)+"\n"),
		"groups":               numbered("", "a=group:LS %d"+strings.Repeat(" x", 80)+"\n"),
		"mids of a group":      numbered("a=group:BUNDLE", " %d"),
		"candidates":           numbered(section, "a=candidate:%d 1 udp 1 192.0.2.1 9 typ host"+strings.Repeat(" k v", 1000)+"\n"),
		"formats":              inOne(head+"m=audio 9 RTP/AVP", " "+strings.Repeat("1", 2000), "\n"),
		"options":              inOne(head+"a=ice-options:", "a,", "\n"),
		"fingerprints":         repeat("a=fingerprint:sha-256 " + fingerprintText + "\n"),
		"a long fingerprint":   inOne(head+"a=fingerprint:other ", "00:", "00\n"),
		"words of an origin":   inOne("v=0\no=", "a ", "1 2 IN IP4 127.0.0.1\n"),
		"spaces of an origin":  inOne("v=0\no=- 1 2 IN", " ", "IP4\n"),
		"words of a c= line":   inOne(head+"c=", "c=IN IP4 ", "\n"),
		"c= lines":             repeat("c=IN IP4 " + strings.Repeat("1", 150) + "\n"),
		"t= lines":             repeat("t=now-" + strings.Repeat("1", 150) + "\n"),
		"r= lines":             repeat("r=" + strings.Repeat("1", 150) + "\n"),
		"y= lines":             repeat("y=" + strings.Repeat("1", 150) + "\n"),
		"carriage returns":     inOne(head+"s=", "\r", "\n"),
		"an error at the end":  func(size int) string { return repeat("a=x:"+strings.Repeat("y", 150)+"\n")(size) + "a=setup:x\n" },
		"blank lines":          repeat(strings.Repeat(" ", 150) + "\n"),
		"mappings, no formats": numbered(section, "a=rtpmap:%d "+strings.Repeat("x", 150)+"/1\n"),
	} {
		cost := func(size int) time.Duration {
			text := text(size)
			require.Greater(t, len(text), size*9/10)
			require.Less(t, len(text), MaxSize)
			return processorTime(func() { workOn(text) })
		}
		const small = MaxSize / 8
		one, four := cost(small), cost(4*small)
		t.Logf("%s: %v, four times as much %v", name, one, four)
		require.Less(t, four, 10*one+unmeasurable, name)
	}
}

// workOn calls the functions that a program calls for a received description.
func workOn(text string) {
	_, _ = ParseOptions{Strict: true}.Parse(text)
	if s, err := Parse(text); err == nil {
		_ = s.String()
	}
	d, err := ParseDescription(text)
	if err != nil {
		return
	}
	_ = d.Validate()
	_ = d.String()
	for i := range d.Media {
		_ = d.Media[i].Inactive(Transport{})
		_ = d.Media[i].Rejection()
	}
	if m := d.Application(); m != nil {
		_ = d.TransportOf(m)
		_, _ = d.CandidatesOf(m)
	}
}
