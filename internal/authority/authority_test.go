package authority

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Authority{
		"host":              {Host: "host"},
		"host:1":            {Host: "host", Port: 1},
		"[::1]:65535":       {Host: "::1", Port: 65535},
		"u%40:p%3A@[fe::1]": {Username: "u@", Password: "p:", HasCredentials: true, HasPassword: true, Host: "fe::1"},
		"u:@host":           {Username: "u", HasCredentials: true, HasPassword: true, Host: "host"},
		"u%40@host":         {Username: "u@", HasCredentials: true, Host: "host"},
	} {
		got, err := Parse(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "host:", "host:0", "host:65536", "[::1", "[host]", "[::1]1", "a b", "a..b", "@h", "a@b@h", ":p@h",
		"u:secret%zz@h", "secret%g0:p@h", "u:secret@h:x"} {
		_, err := Parse(s)
		require.Error(t, err, s)
		require.NotContains(t, err.Error(), "secret")
	}
}
