package sdp

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// manySections returns a description with as many sections as there may be, all of them in one BUNDLE group whose first has the
// transport.
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

// manyMids returns a description of MaxSize bytes with as many sections as there may be, whose mids are the last of a group
// that has room for little else.
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

// A description is checked in about the time that it takes to read it, however many sections and mids the peer has put into it, and
// whether it is valid or not. The two times are taken side by side, so that the test holds on any machine; looking through a
// group for every section takes hundreds of times as long.
func TestValidateTakesLinearTime(t *testing.T) {
	best := func(f func()) time.Duration {
		least := time.Hour
		for range 5 {
			start := time.Now()
			f()
			least = min(least, time.Since(start))
		}
		return least
	}
	for name, text := range map[string]string{"sections": manySections(), "mids": manyMids()} {
		d, err := ParseDescription(text)
		require.NoError(t, err)
		reading := best(func() { _, _ = ParseDescription(text) })
		checking := best(func() { err = d.Validate() })
		require.Equal(t, name == "sections", err == nil, err)
		t.Logf("%s: %d bytes: read in %v, checked in %v", name, len(text), reading, checking)
		require.Less(t, checking, 12*reading)
	}
}
