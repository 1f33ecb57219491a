package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSafeName(t *testing.T) {
	for name, want := range map[string]string{
		"movie.mkv":                       "movie.mkv",
		"Köln – 東京.txt":                   "Köln – 東京.txt",
		"../../etc/passwd":                "passwd",
		"/etc/passwd":                     "passwd",
		`..\..\windows\win.ini`:           "win.ini",
		`C:\a.txt`:                        "a.txt",
		"":                                "unnamed",
		".":                               "unnamed",
		"..":                              "unnamed",
		"/":                               "_",
		"dir/":                            "dir",
		".bashrc":                         "_bashrc",
		"a\x00b\n\x1b[31m":                "a_b__[31m",
		"a:b*c?.txt":                      "a_b_c_.txt",
		"dots...":                         "dots",
		"space ":                          "space",
		"\u202egpj.exe":                   "_gpj.exe", // text direction marks can disguise a name
		strings.Repeat("x", 5000):         strings.Repeat("x", maxName),
		strings.Repeat("ö", 150) + ".txt": strings.Repeat("ö", 98) + ".txt",
	} {
		require.Equal(t, want, safeName(name), "%q", name)
		require.True(t, filepath.IsLocal(safeName(name)), "%q", name)
	}
}

// content returns the contents of the files in a directory.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(text)
	}
	return files
}

func TestSavedFileHasItsNameWhenItIsComplete(t *testing.T) {
	path := t.TempDir()
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer dir.Close()
	s, err := save(dir, "a.txt")
	require.NoError(t, err)
	_, err = s.Write([]byte("one"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a.txt.part": "one"}, content(t, path))
	require.NoError(t, s.keep())
	require.Equal(t, map[string]string{"a.txt": "one"}, content(t, path))
	require.Equal(t, filepath.Join(path, "a.txt"), s.path())
	s.drop()
	require.Equal(t, map[string]string{"a.txt": "one"}, content(t, path), "drop after keep has no effect")

	// A file of the same name is not overwritten, even if two are received at the same time.
	second, err := save(dir, "a.txt")
	require.NoError(t, err)
	third, err := save(dir, "a.txt")
	require.NoError(t, err)
	_, err = second.Write([]byte("two"))
	require.NoError(t, err)
	_, err = third.Write([]byte("three"))
	require.NoError(t, err)
	require.NoError(t, third.keep())
	require.NoError(t, second.keep())
	require.Equal(t, map[string]string{"a.txt": "one", "a (1).txt": "three", "a (2).txt": "two"}, content(t, path))

	dropped, err := save(dir, "a.txt")
	require.NoError(t, err)
	dropped.drop()
	require.Len(t, content(t, path), 3)
}

// A symbolic link that leads out of the directory is not followed.
func TestNothingLeavesTheDirectory(t *testing.T) {
	path, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(filepath.Join(outside, "target"), filepath.Join(path, "a.txt")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer dir.Close()
	s, err := save(dir, "a.txt")
	require.NoError(t, err)
	require.NoError(t, s.keep())
	require.Empty(t, content(t, outside))
	require.Equal(t, filepath.Join(path, "a (1).txt"), s.path())
}
