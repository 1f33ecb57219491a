package cputime_test

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/cputime"
)

func TestProcess(t *testing.T) {
	before, ok := cputime.Process()
	if !ok {
		t.Skip("the CPU time is unknown on this system")
	}
	for deadline := time.Now().Add(20 * time.Second); ; { // the loop itself uses CPU time
		if now, _ := cputime.Process(); now > before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, as 20 s ago", before)
		}
	}
}
