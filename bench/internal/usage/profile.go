package usage

import (
	"errors"
	"os"
	"runtime/pprof"
)

// StartProfile writes a CPU profile of this process to a file until stop is called. An empty name
// is no profile.
func StartProfile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
