package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program runs the program to its end, without any input.
func program(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &out, &errors)
	return status, out.String(), errors.String()
}

// tempFile creates a file of generated data.
func tempFile(t *testing.T, size int64) (path, sum string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file.bin")
	data, err := io.ReadAll(generate(size))
	require.NoError(t, err)
	require.Len(t, data, int(size))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path, fmt.Sprintf("%x", sha256.Sum256(data))
}

func TestLocalTransferOfAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		args []string
	}{
		{"default messages", 3_000_001, nil},
		{"small messages", 100_003, []string{"-chunk", "1000"}},
		{"the largest messages", 3_000_001, []string{"-chunk", "256KiB"}},
		{"less than a message", 5, []string{"-quiet"}},
		{"empty", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, sum := tempFile(t, c.size)
			status, out, errors := program(t, append(c.args, "-file", path)...)
			require.Equal(t, statusOK, status, errors)
			require.Empty(t, errors)
			line := fmt.Sprintf(`  %d bytes in [0-9.]+ s, [0-9.]+ MB/s\n  SHA-256 %s`+"\n", c.size, sum)
			require.Regexp(t, "(?m)^sent    "+line, out)
			require.Regexp(t, "(?m)^received"+line, out)
			require.Contains(t, out, "The SHA-256 is the same on both sides.\n")
		})
	}
}

func TestLocalTransferOfGeneratedData(t *testing.T) {
	_, sum := tempFile(t, 1<<20)
	status, out, errors := program(t, "-size", "1MiB")
	require.Equal(t, statusOK, status, errors)
	require.Equal(t, 2, strings.Count(out, " 1048576 bytes in "), out)
	require.Equal(t, 2, strings.Count(out, "SHA-256 "+sum), "generated data is always the same\n"+out)
}

// Without arguments the program sends its own executable, here that of the test.
func TestLocalTransferOfTheProgramItself(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	info, err := os.Stat(self)
	require.NoError(t, err)
	status, out, errors := program(t)
	require.Equal(t, statusOK, status, errors)
	require.Equal(t, 2, strings.Count(out, fmt.Sprintf(" %d bytes in ", info.Size())), out)
}

func TestInterruptedTransferEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var errors bytes.Buffer
	status := run(ctx, []string{"-size", "100TiB"}, strings.NewReader(""), io.Discard, &errors)
	require.Equal(t, statusFailed, status)
	require.Equal(t, "transfer: interrupted\n", errors.String())
}

// watched is a source that calls reached when a number of bytes has been read.
type watched struct {
	io.Reader
	read    atomic.Int64
	at      int64
	reached func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if now := w.read.Add(int64(n)); now-int64(n) < w.at && now >= w.at {
		w.reached()
	}
	return n, err
}

// An interruption ends a transfer at once: after it, hardly more than the blocks in advance are
// read, independent of the speed of the machine and the size of the file.
func TestInterruptionIsNoticedAtOnce(t *testing.T) {
	const before = 4 << 20
	for _, size := range []int64{before + 1<<20, 100 << 40} {
		ctx, interrupt := context.WithCancel(t.Context())
		file := generate(size)
		w := &watched{Reader: file.Reader, at: before, reached: interrupt}
		file.Reader = w
		err := transferLocally(ctx, file, options{chunk: defaultChunk}, newConsole(nil, io.Discard, true))
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, w.read.Load(), int64(before+(blocksAhead+2)*defaultChunk))
	}
}

// A file that becomes shorter while it is sent is an error on both sides, and neither waits for the
// other.
func TestFileThatBecomesShorter(t *testing.T) {
	file := generate(1000)
	file.size = 1001
	err := transferLocally(t.Context(), file, options{chunk: 100}, newConsole(nil, io.Discard, true))
	require.ErrorContains(t, err, "it became shorter, 1 bytes are missing")
}

func TestErrorsOfTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"sned", "x"}, statusUsage, `unknown command "sned"`},
		{[]string{"send"}, statusUsage, "send needs one FILE, not none"},
		{[]string{"send", "a", "b"}, statusUsage, "send needs one FILE, not a, b"},
		{[]string{"receive"}, statusUsage, "receive needs one DIR, not none"},
		{[]string{"-nonsense"}, statusUsage, "-nonsense"},
		{[]string{"-signal", "ws://h/room", "receive", "x"}, statusUsage, "come after it: transfer receive [flags]"},
		{[]string{"-size", "big"}, statusUsage, `"big" is not a size`},
		{[]string{"-size", "1k", "-file", "x"}, statusUsage, "-file and -size exclude each other"},
		{[]string{"-chunk", "0"}, statusUsage, "-chunk 0"},
		{[]string{"-chunk", "1M"}, statusUsage, "-chunk 1000000"},
		{[]string{"receive", "-chunk", "1k", "x"}, statusUsage, "-chunk"},
		{[]string{"-file", "/no/such/file"}, statusFailed, "/no/such/file"},
		{[]string{"-file", "."}, statusFailed, ". is not a regular file"},
		{[]string{"send", "/no/such/file"}, statusFailed, "/no/such/file"},
		{[]string{"receive", "/no/such/directory"}, statusFailed, "/no/such/directory"},
		{[]string{"send", "main.go", "-stun", "gopher:x"}, statusFailed, "gopher"},
	} {
		status, out, errors := program(t, c.args...)
		require.Equal(t, c.status, status, c.args)
		require.Contains(t, errors, c.want, c.args)
		require.Empty(t, out, c.args)
		require.Equal(t, c.status == statusUsage, strings.Contains(errors, "transfer -h"), errors)
	}
}

// The help lists the flags of all commands; that of one command lists only its own.
func TestHelp(t *testing.T) {
	for _, c := range []struct {
		args  []string
		flags map[string][]string // by command
	}{
		{[]string{"-h"}, map[string][]string{
			"transfer":         {"-chunk", "-file", "-quiet", "-size"},
			"transfer send":    {"-chunk", "-quiet", "-signal", "-stun"},
			"transfer receive": {"-quiet", "-signal", "-stun"},
		}},
		{[]string{"send", "-h"}, map[string][]string{"transfer send": {"-chunk", "-quiet", "-signal", "-stun"}}},
		{[]string{"receive", "--help"}, map[string][]string{"transfer receive": {"-quiet", "-signal", "-stun"}}},
	} {
		status, out, errors := program(t, c.args...)
		require.Equal(t, statusOK, status)
		require.Empty(t, errors)
		require.Contains(t, out, "transfer receive [flags] DIR")
		got := map[string][]string{}
		form := ""
		for line := range strings.Lines(out) {
			if m := regexp.MustCompile(`^Flags of "(.*)":`).FindStringSubmatch(line); m != nil {
				form = m[1]
			} else if m := regexp.MustCompile(`^  (-\w+)`).FindStringSubmatch(line); m != nil && form != "" {
				got[form] = append(got[form], m[1])
			}
		}
		require.Equal(t, c.flags, got, c.args)
	}
}

// Only on a terminal, the progress bar is redrawn.
func TestFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer f.Close()
	require.False(t, isTerminal(f))
	require.False(t, isTerminal(io.Discard))
	if runtime.GOOS != "windows" {
		null, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer null.Close()
		t.Setenv("TERM", "dumb")
		require.False(t, isTerminal(null), "a device, but it cannot go back in the line")
	}
}
