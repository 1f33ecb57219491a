package serial_test

import (
	"testing"

	"github.com/rtcstack/rtcstack/internal/serial"
)

func TestComparisonAcrossTheWrap(t *testing.T) {
	for _, c := range []struct {
		a, b              uint32
		less, lessOrEqual bool
		larger            uint32
	}{
		{1, 2, true, true, 2},
		{2, 2, false, true, 2},
		{2, 1, false, false, 2},
		{0xffffffff, 0, true, true, 0},
		{0, 0xffffffff, false, false, 0},
		{0xfffffff0, 5, true, true, 5},
		{5, 0xfffffff0, false, false, 5},
	} {
		less, lessOrEqual, larger := serial.Less32(c.a, c.b), serial.LessEqual32(c.a, c.b), serial.Max32(c.a, c.b)
		if less != c.less || lessOrEqual != c.lessOrEqual || larger != c.larger {
			t.Errorf("%#x and %#x: Less32 %v, LessEqual32 %v, Max32 %#x", c.a, c.b, less, lessOrEqual, larger)
		}
	}
}
