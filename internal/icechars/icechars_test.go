package icechars

import (
	"strings"
	"testing"
)

func TestEachCharacter(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for c := range 256 {
		s := string([]byte{byte(c)})
		valid := strings.Contains(letters+"+/", s)
		if Valid(s, 1, 1) != valid {
			t.Errorf("Valid of %q: %v", s, !valid)
		}
		if accepted := valid || strings.Contains("=_-#", s); Accepted(s, 1, 1) != accepted {
			t.Errorf("Accepted of %q: %v", s, !accepted)
		}
		if visible := c > ' ' && c != 0x7f; Visible(s) != visible {
			t.Errorf("Visible of %q: %v", s, !visible)
		}
		if Valid("aaaa\n"+s, MinUfrag, MaxUfrag) || Visible("\n"+s) {
			t.Errorf("valid after a newline: %q", s)
		}
	}
	if !Visible("") {
		t.Error("the empty string is not visible")
	}
}

func TestLengths(t *testing.T) {
	for n := range 300 {
		s := strings.Repeat("a", n)
		if Valid(s, MinUfrag, MaxUfrag) != (4 <= n && n <= 256) {
			t.Errorf("user name fragment of %d characters", n)
		}
		if Accepted(s, MinPwd, MaxPwd) != (22 <= n && n <= 256) {
			t.Errorf("password of %d characters", n)
		}
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
		if !Valid(ufrag, MinUfrag, 8) || !Valid(pwd, MinPwd, 24) {
			t.Fatalf("%q %q", ufrag, pwd)
		}
		for _, c := range ufrag + pwd {
			seen[c]++
		}
	}
	if len(seen) != 64 {
		t.Errorf("%d characters", len(seen))
	}
	for c, n := range seen {
		if n != 256*RandomSize/64 { // uniform
			t.Errorf("%d times %q", n, c)
		}
	}
}
