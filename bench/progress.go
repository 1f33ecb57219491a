package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows the current measurement on a terminal. Without a terminal it shows nothing.
type progress struct {
	out         io.Writer // nil: nothing is shown
	start       time.Time
	done, total int
}

// terminalProgress returns a progress that writes to standard error if that is a terminal.
func terminalProgress() *progress {
	p := &progress{start: time.Now()}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.out = os.Stderr
	}
	return p
}

// step shows the measurement that begins, and overwrites the previous one.
func (p *progress) step(what string) {
	if p.out != nil {
		left := "?"
		if p.done > 0 {
			left = (time.Since(p.start) / time.Duration(p.done) * time.Duration(p.total-p.done)).Round(time.Second).String()
		}
		fmt.Fprintf(p.out, "\r\x1b[K%d/%d, %s left: %s", p.done+1, p.total, left, what)
	}
	p.done++
}

// end erases the line.
func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
