package result

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Machine is what the results were measured on.
type Machine struct {
	Time     string `json:"time"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	System   string `json:"system"`
	Kernel   string `json:"kernel,omitempty"`
	Go       string `json:"go"`
	Revision string `json:"revision,omitempty"` // of this repository, when the program was built from a commit
	// The load average of a minute, before and after: what else the machine did shows in the first.
	LoadBefore string `json:"loadBefore,omitempty"`
	LoadAfter  string `json:"loadAfter,omitempty"`
}

// ThisMachine describes the machine that the program runs on, before it measures.
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

// LoadAverage is that of the last minute; empty where the system does not tell.
func LoadAverage() string { return firstField("/proc/loadavg") }

// firstField is the first word of a file of the system; empty where there is no such file.
func firstField(file string) string {
	text, _ := os.ReadFile(file)
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return word
}

// ModuleVersion is the version of a Go module in this program.
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
