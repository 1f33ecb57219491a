package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestBar(t *testing.T) {
	full := strings.Repeat("=", barWidth)
	require.Equal(t, "[>"+strings.Repeat(" ", barWidth-1)+"]", bar(0, 100))
	require.Equal(t, "["+full[:barWidth/2]+">"+strings.Repeat(" ", barWidth/2-1)+"]", bar(50, 100))
	require.Equal(t, "["+full[:barWidth-1]+">]", bar(99, 100))
	require.Equal(t, "["+full+"]", bar(100, 100))
	require.Equal(t, "["+full+"]", bar(0, 0), "an empty file is complete")
}

func TestDescribe(t *testing.T) {
	require.Equal(t, "  0 %  0 B of 1.00 MB", describe(0, 1e6, 0))
	require.Equal(t, " 25 %  250 MB of 1.00 GB  100 MB/s  8 s left", describe(250e6, 1e9, 100e6))
	require.Equal(t, " 99 %  999 MB of 1.00 GB  1.00 MB/s  1 s left", describe(999e6+1, 1e9, 1e6), "100 % means complete")
	require.Equal(t, "100 %  1.00 GB of 1.00 GB  100 MB/s", describe(1e9, 1e9, 100e6))
	require.Equal(t, "100 %  0 B of 0 B", describe(0, 0, 0))
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Millisecond: "1 s", 59 * time.Second: "59 s", 60 * time.Second: "1:00 min",
		3599 * time.Second: "59:59 min", 3600 * time.Second: "1:00 h", 99 * time.Hour: "99:00 h", 100 * time.Hour: "days",
	} {
		require.Equal(t, want, formatLeft(d), d)
	}
}

// On a terminal the bar is redrawn over itself. No line is longer than the terminal is wide, and
// each overwrites the whole previous one.
func TestBarIsDrawnOverItself(t *testing.T) {
	var out bytes.Buffer
	moved := int64(0)
	p := &progress{c: &console{out: &out, live: true}, look: func() (int64, int64) { return moved, 1e9 }}
	now := time.Now()
	for _, moved = range []int64{0, 1, 995e3, 123e6, 999e6, 1e9} {
		p.show(now)
		now = now.Add(redrawInterval)
	}
	drawn := strings.Split(out.String(), "\r")[1:]
	require.Len(t, drawn, 6)
	require.NotContains(t, out.String(), "\n")
	for i, line := range drawn {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 79, line)
		if i > 0 {
			require.GreaterOrEqual(t, len(line), len(strings.TrimRight(drawn[i-1], " ")), "the end of the previous line is visible")
		}
	}
	require.True(t, strings.HasPrefix(drawn[5], "["+strings.Repeat("=", barWidth)+"] 100 %"), drawn[5])
}

// If the output is not a terminal, progress prints whole lines.
func TestProgressInAFileIsLines(t *testing.T) {
	var out bytes.Buffer
	total := int64(-1)
	p := &progress{c: &console{out: &out}, look: func() (int64, int64) { return 10e6, total }}
	p.show(time.Now())
	require.Empty(t, out.String(), "nothing is known yet")
	total = 100e6
	p.show(time.Now())
	require.Equal(t, " 10 %  10.0 MB of 100 MB\n", out.String())
}
