package serial_test

import (
	"testing"

	"github.com/rtcstack/rtcstack/internal/serial"
	"github.com/stretchr/testify/require"
)

func TestComparisonAcrossTheWrap(t *testing.T) {
	require.True(t, serial.Less32(0xffffffff, 0))
	require.False(t, serial.Less32(0, 0xffffffff))
	require.True(t, serial.Less32(1, 2))
	require.False(t, serial.Less32(2, 2))
	require.True(t, serial.LessEqual32(2, 2))
	require.True(t, serial.LessEqual32(0xfffffff0, 5))
	require.False(t, serial.LessEqual32(5, 0xfffffff0))
	require.Equal(t, uint32(3), serial.Max32(0xffffffff, 3))
	require.Equal(t, uint32(3), serial.Max32(3, 0xffffffff))
}
