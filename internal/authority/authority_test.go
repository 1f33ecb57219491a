package authority

import (
	"strings"
	"testing"
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
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "host:", "host:0", "host:65536", "[::1", "[host]", "[::1]1", "a b", "a..b", "@h", "a@b@h", ":p@h",
		"u:secret%zz@h", "secret%g0:p@h", "u:secret@h:x"} {
		if got, err := Parse(s); err == nil {
			t.Errorf("%q: %+v", s, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the secret: %v", s, err)
		}
	}
}
