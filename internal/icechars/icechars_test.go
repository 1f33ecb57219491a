package icechars

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachCharacter(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for c := range 256 {
		s := string([]byte{byte(c)})
		valid := strings.Contains(letters+"+/", s)
		require.Equal(t, valid, Valid(s, 1, 1), "%q", s)
		require.Equal(t, valid || strings.Contains("=_-#", s), Accepted(s, 1, 1), "%q", s)
		require.Equal(t, c > ' ' && c != 0x7f, Visible(s), "%q", s)
		require.False(t, Valid("aaaa\n"+s, MinUfrag, MaxUfrag))
		require.False(t, Visible("\n"+s))
	}
	require.True(t, Visible(""))
}

func TestLengths(t *testing.T) {
	for n := range 300 {
		s := strings.Repeat("a", n)
		require.Equal(t, 4 <= n && n <= 256, Valid(s, MinUfrag, MaxUfrag), n)
		require.Equal(t, 22 <= n && n <= 256, Accepted(s, MinPwd, MaxPwd), n)
	}
}

func TestCredentials(t *testing.T) {
	seen := make(map[rune]int)
	for value := range 256 {
		var random [RandomSize]byte
		for i := range random {
			random[i] = byte(value + i)
		}
		ufrag, pwd := Credentials(random)
		require.True(t, Valid(ufrag, MinUfrag, 8) && Valid(pwd, MinPwd, 24), "%q %q", ufrag, pwd)
		for _, c := range ufrag + pwd {
			seen[c]++
		}
	}
	require.Len(t, seen, 64)
	for c, n := range seen {
		require.Equal(t, 256*RandomSize/64, n, "%c", c) // uniform
	}
}
