package rtc

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

// maxBinarySize is the largest size, in bytes, of a minimal program with a data channel, for
// linux/amd64 without cgo and without symbols. With Go 1.26 it has 7.1 MB. Of these, 5.0 MB are in
// a program that only does a handshake with pion/dtls v3.1.15 (runtime, net, crypto/x509,
// encoding/gob), 0.3 MB come with log/slog and the resolver, and 0.34 MB with package websocket,
// whose net/http the linker keeps because of its initialization.
const maxBinarySize = 7_400_000

func TestBinarySize(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("builds a program")
	}
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to build with")
	}
	program := filepath.Join(t.TempDir(), "minimal")
	build := exec.Command(goCommand, "build", "-ldflags=-s -w", "-o", program, "./testdata/minimal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	info, err := os.Stat(program)
	require.NoError(t, err)
	t.Logf("%d bytes", info.Size())
	require.LessOrEqual(t, info.Size(), int64(maxBinarySize))
}
