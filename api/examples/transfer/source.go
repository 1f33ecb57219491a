package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// source is the file to be sent.
type source struct {
	name string
	size int64
	io.Reader
	io.Closer
}

// openSource opens the file of the options.
func openSource(o options) (*source, error) {
	switch {
	case o.size >= 0:
		return generate(o.size), nil
	case o.file != "":
		return openFile(o.file)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("there is no file to send by default: %w", err)
	}
	return openFile(self)
}

func openFile(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &source{name: filepath.Base(path), size: info.Size(), Reader: f, Closer: f}, nil
}

// generate returns a source of data whose generation takes almost no time, so that a measurement
// measures the transfer.
func generate(size int64) *source {
	g := &generator{}
	rand.NewChaCha8([32]byte{}).Read(g.block[:])
	return &source{
		name:   fmt.Sprintf("generated-%d", size),
		size:   size,
		Reader: io.LimitReader(g, size),
		Closer: io.NopCloser(nil),
	}
}

// generator is an endless reader. It repeats one block of random bytes with a number at its start,
// so that a block that is lost, repeated or out of order changes the hash.
type generator struct {
	block  [64 << 10]byte
	number uint64
	offset int // of the next byte to read
}

func (g *generator) Read(p []byte) (int, error) {
	if g.offset == 0 {
		binary.BigEndian.PutUint64(g.block[:], g.number)
		g.number++
	}
	n := copy(p, g.block[g.offset:])
	g.offset = (g.offset + n) % len(g.block)
	return n, nil
}
