package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// redrawInterval is the time between two updates of a progress bar.
	redrawInterval = 100 * time.Millisecond
	// lineInterval is the time between two lines if the output is not a terminal.
	lineInterval = time.Second
	// barWidth results in a line of at most 79 characters, which fits every terminal.
	barWidth = 26
	// rateMemory is the weight of the previous rate in the smoothed one, which then covers about
	// the last second.
	rateMemory = 0.9
)

// progress shows the progress of a transfer, in a goroutine of its own, until it is stopped.
type progress struct {
	c       *console
	look    func() (moved, total int64) // total is negative while it is not known
	started time.Time
	width   int // of the line that is on the terminal
	last    int64
	lastAt  time.Time
	rate    float64 // bytes per second, smoothed
	done    chan struct{}
	running sync.WaitGroup
}

// startProgress shows the progress that look returns, from the time on that the total is known.
func (c *console) startProgress(look func() (moved, total int64)) *progress {
	p := &progress{c: c, look: look, done: make(chan struct{})}
	if !c.quiet {
		p.running.Go(p.run)
	}
	return p
}

// stop shows the final state. When it returns, progress no longer uses the console.
func (p *progress) stop() {
	close(p.done)
	p.running.Wait()
}

func (p *progress) run() {
	interval := lineInterval
	if p.c.live {
		interval = redrawInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			p.show(now)
		case <-p.done:
			if p.c.live && p.width > 0 {
				p.show(time.Now())
				p.c.printf("\n")
			}
			return
		}
	}
}

// show prints the state. On a terminal it overwrites the previous one.
func (p *progress) show(now time.Time) {
	moved, total := p.look()
	if total < 0 {
		return
	}
	if p.started.IsZero() {
		p.started, p.last, p.lastAt = now, moved, now
	}
	p.measure(moved, now)
	line := describe(moved, total, p.rate)
	if !p.c.live {
		p.c.printf("%s\n", line)
		return
	}
	line = fmt.Sprintf("%s %s", bar(moved, total), line)
	p.c.printf("\r%-*s", p.width, line) // spaces overwrite the rest of a longer line
	p.width = len(line)
}

// measure updates the rate.
func (p *progress) measure(moved int64, now time.Time) {
	elapsed := now.Sub(p.lastAt).Seconds()
	if elapsed <= 0 {
		return
	}
	rate := float64(moved-p.last) / elapsed
	if p.rate == 0 || !p.c.live {
		p.rate = rate
	} else {
		p.rate = rateMemory*p.rate + (1-rateMemory)*rate
	}
	p.last, p.lastAt = moved, now
}

func bar(moved, total int64) string {
	filled := barWidth
	if total > 0 {
		filled = int(float64(moved) / float64(total) * barWidth)
	}
	head := ""
	if filled < barWidth {
		head = ">"
	}
	return "[" + strings.Repeat("=", filled) + head + strings.Repeat(" ", barWidth-filled-len(head)) + "]"
}

// describe returns the bytes moved, the rate, and the time left, as text.
func describe(moved, total int64, rate float64) string {
	percent := 100
	if total > 0 {
		percent = int(float64(moved) / float64(total) * 100) // rounded down: 100 means complete
	}
	line := fmt.Sprintf("%3d %%  %s of %s", percent, formatSize(moved), formatSize(total))
	if rate > 0 {
		line += fmt.Sprintf("  %s/s", formatSize(int64(rate)))
		if left := time.Duration(float64(total-moved) / rate * float64(time.Second)); moved < total {
			line += "  " + formatLeft(left) + " left"
		}
	}
	return line
}

func formatLeft(d time.Duration) string {
	switch seconds := int64(d.Seconds() + 0.999); {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d:%02d min", seconds/60, seconds%60)
	case seconds < 100*3600:
		return fmt.Sprintf("%d:%02d h", seconds/3600, seconds/60%60)
	}
	return "days"
}
