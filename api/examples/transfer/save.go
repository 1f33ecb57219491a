package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName is the maximum length of a name in bytes. File systems allow 255; a number and
	// ".part" are added.
	maxName = 200
	// maxCopies is the maximum number of files of the same name.
	maxCopies = 1000
)

// savedFile is a destination that writes a file. Until the file is complete its name ends in
// ".part".
type savedFile struct {
	*os.File
	dir  *os.Root // no name from the sender can lead out of it
	part string   // the current name
	name string   // the name at the end; a number is added if the file exists
	kept bool
}

// save creates a file in a directory. The name is that from the other side.
func save(dir *os.Root, name string) (*savedFile, error) {
	s := &savedFile{dir: dir, name: safeName(name)}
	var err error
	s.File, s.part, err = createNew(dir, s.name+".part")
	return s, err
}

// keep renames the file to its name. An existing file is never overwritten, not even one that is
// created meanwhile: keep first reserves the name with an empty file, which it then replaces.
func (s *savedFile) keep() error {
	if err := s.Close(); err != nil {
		return err
	}
	reserved, name, err := createNew(s.dir, s.name)
	if err != nil {
		return err
	}
	if err := errors.Join(reserved.Close(), s.dir.Rename(s.part, name)); err != nil {
		_ = s.dir.Remove(name)
		return err
	}
	s.name, s.kept = name, true
	return nil
}

// drop removes the file, unless it is kept.
func (s *savedFile) drop() {
	if !s.kept {
		_ = s.Close()
		_ = s.dir.Remove(s.part)
	}
}

// path returns the path of the file.
func (s *savedFile) path() string { return filepath.Join(s.dir.Name(), s.name) }

// createNew creates a file that does not exist yet: name, or "name (1)", and so on.
func createNew(dir *os.Root, name string) (*os.File, string, error) {
	for n := range maxCopies {
		numbered := name
		if n > 0 {
			extension := filepath.Ext(name)
			numbered = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, extension), n, extension)
		}
		f, err := dir.OpenFile(numbered, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, numbered, err
		}
	}
	return nil, "", fmt.Errorf("%s exists %d times", name, maxCopies)
}

// safeName converts the other side's name of the file into one that is safe on every system: no
// path, not hidden, no control characters, no name that is special on Windows.
func safeName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(name, ". ")
	if strings.HasPrefix(name, ".") {
		name = "_" + name[1:]
	}
	if name == "" {
		name = "unnamed"
	}
	if !filepath.IsLocal(name) { // on Windows: NUL, COM1 and the like
		name = "_" + name
	}
	return shorten(name)
}

// shorten shortens a name that is too long, and keeps its extension.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	extension := filepath.Ext(name)
	if len(extension) > maxName/4 {
		extension = ""
	}
	end := maxName - len(extension)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + extension
}
