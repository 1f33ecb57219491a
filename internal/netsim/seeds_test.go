package netsim

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func collect(t *testing.T, n int) []uint64 {
	var seeds []uint64
	Seeds(t, n, func(_ *testing.T, seed uint64) { seeds = append(seeds, seed) })
	return seeds
}

func TestSeeds(t *testing.T) {
	t.Setenv(seedVariable, "")
	t.Setenv(countVariable, "")
	seeds := collect(t, 3)
	require.Len(t, seeds, 3)
	require.Equal(t, seeds, collect(t, 3))
	t.Run("another name", func(t *testing.T) { require.NotEqual(t, seeds, collect(t, 3)) })

	t.Setenv(countVariable, "5")
	require.Len(t, collect(t, 3), 5)
	require.Equal(t, seeds, collect(t, 3)[:3])

	t.Setenv(seedVariable, "0xfeed")
	require.Equal(t, []uint64{0xfeed}, collect(t, 3))
}

const failingVariable = "NETSIM_TEST_FAIL"

// TestFailingSeed starts itself in other processes, where it fails.
func TestFailingSeed(t *testing.T) {
	if how := os.Getenv(failingVariable); how != "" {
		calls := 0
		Seeds(t, 5, func(t *testing.T, seed uint64) {
			if calls++; calls < 3 {
				return
			}
			switch how {
			case "error":
				t.Errorf("seed=0x%x", seed)
			case "fatal":
				t.Fatalf("seed=0x%x", seed)
			case "panic":
				t.Logf("seed=0x%x", seed)
				panic("test")
			}
		})
		return
	}
	for _, how := range []string{"error", "fatal", "panic"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestFailingSeed$")
		cmd.Env = append(os.Environ(), failingVariable+"="+how)
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("the system cannot start this program, an emulator runs it:", err)
		}
		require.Error(t, err)
		failed := regexp.MustCompile(`seed=(0x[0-9a-f]+)`).FindAllStringSubmatch(string(out), -1)
		require.Len(t, failed, 1, "%s: the first failure is the last run:\n%s", how, out)
		require.Contains(t, string(out), "replay with RTC_SEED="+failed[0][1]+" go test -run '^TestFailingSeed$'", how)
	}
}
