package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	rtc "github.com/rtcstack/rtcstack/api"
)

// console is the terminal, or the streams that replace it.
type console struct {
	out   io.Writer
	live  bool // out is a terminal, on which a line can be drawn again
	quiet bool
	in    io.Reader
	lines chan string // the lines of the input; nil before the first ask, closed at the end of the input
}

func newConsole(in io.Reader, out io.Writer, quiet bool) *console {
	return &console{in: in, out: out, live: isTerminal(out), quiet: quiet}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

func (c *console) reportSent(r result)     { c.report("sent    ", r) }
func (c *console) reportReceived(r result) { c.report("received", r) }

// report prints a result, unless it is empty.
func (c *console) report(what string, r result) {
	if r.elapsed > 0 {
		c.printf("%s  %v\n", what, r)
	}
}

// maxInputLine is the size of the longest line of input, in bytes. One from a terminal has at most
// 4096.
const maxInputLine = 1 << 20

// read sends the lines of the input to c.lines. Only the end of the program can interrupt it.
func (c *console) read(in io.Reader) {
	defer close(c.lines)
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxInputLine)
	for scanner.Scan() {
		c.lines <- scanner.Text()
	}
}

// ask waits until the user has pasted a description that use accepts, and prints the error for any
// other.
func (c *console) ask(ctx context.Context, decode func(text string) (rtc.SessionDescription, error), use func(rtc.SessionDescription) error) error {
	if c.lines == nil {
		c.lines = make(chan string)
		go c.read(c.in)
	}
	var text string
	for {
		c.printf("> ")
		line, open := "", false
		select {
		case line, open = <-c.lines:
		case <-ctx.Done():
			c.printf("\n")
			return context.Cause(ctx)
		}
		if !open {
			c.printf("\n")
			return errNothingPasted
		}
		// A chat program may have wrapped the line or put invisible characters in it.
		line = strings.Map(visible, line)
		switch {
		case beginning(line) >= 0:
			text = line[beginning(line):] // the user may have pasted the line again
		case line == "" && text != "":
			text = ""
			c.printf("Forgotten. Paste the line:\n")
			continue
		case line == "":
			continue
		default:
			text += line
		}
		d, err := decode(text)
		if err == nil {
			err = use(d)
		}
		if err == nil {
			return nil
		}
		if part, ok := err.(incompleteError); ok {
			c.printf("That is the beginning, %v. Paste the rest, or press Enter to start over:\n", part)
			continue
		}
		text = ""
		c.printf("That cannot be used: %v. Paste the line again:\n", err)
	}
}

func visible(r rune) rune {
	if unicode.IsGraphic(r) && !unicode.IsSpace(r) {
		return r
	}
	return -1
}
