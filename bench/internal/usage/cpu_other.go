//go:build !unix

package usage

import "time"

// CPUTime is not known here: what is computed from it is 0.
func CPUTime() time.Duration { return 0 }
