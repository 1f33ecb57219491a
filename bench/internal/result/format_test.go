package result

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormat(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0.00", 0.001: "0.001", 0.125: "0.12", 3.456: "3.46", 34.56: "34.6", 345.6: "346",
		3456: "3,456", 1234567: "1,234,567", -1234: "-1,234",
	} {
		require.Equal(t, want, FormatValue(value))
	}
	require.Equal(t, "16 KiB", FormatSize(16<<10))
	require.Equal(t, "100 B", FormatSize(100))
	require.Equal(t, "< 0.01×", FormatRatio(0.0001))
}
