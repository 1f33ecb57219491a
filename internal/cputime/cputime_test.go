package cputime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/cputime"
)

func TestProcess(t *testing.T) {
	before, ok := cputime.Process()
	if !ok {
		t.Skip("this system does not tell")
	}
	for deadline := time.Now().Add(20 * time.Second); ; { // some work makes it grow
		if now, _ := cputime.Process(); now > before {
			break
		}
		require.True(t, time.Now().Before(deadline))
	}
}
