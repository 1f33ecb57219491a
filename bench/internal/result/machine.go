package result

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Machine describes the machine of the measurements.
type Machine struct {
	Time     string `json:"time"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	System   string `json:"system"`
	Kernel   string `json:"kernel,omitempty"`
	Go       string `json:"go"`
	Revision string `json:"revision,omitempty"` // of this repository, if the program was built from a commit
	// The load average of a minute, before and after the measurements. The first shows other load
	// of the machine.
	LoadBefore string `json:"loadBefore,omitempty"`
	LoadAfter  string `json:"loadAfter,omitempty"`
}

// ThisMachine returns the description of the machine that the program runs on. It must be called
// before the measurements, since it reads the load average.
func ThisMachine() Machine {
	m := Machine{
		Time: time.Now().UTC().Format(time.RFC3339), CPU: runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), LoadBefore: LoadAverage(),
		Kernel: firstField("/proc/sys/kernel/osrelease"),
	}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Revision = s.Value
			}
		}
	}
	return m
}

// LoadAverage returns the load average of the last minute, or an empty string if it is unknown.
func LoadAverage() string { return firstField("/proc/loadavg") }

// firstField returns the first word of a file, or an empty string if it cannot be read.
func firstField(file string) string {
	text, _ := os.ReadFile(file)
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return word
}

// ModuleVersion returns the version of a Go module in this program.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				return "this tree"
			}
			return m.Version
		}
	}
	return "unknown"
}
