package rtc

import (
	"log/slog"
	"sync"
	"time"
)

// core is what all parts of a connection share. The parts know it, and not each other beyond what ARCHITECTURE.md
// allows: the PeerConnection above them knows all.
type core struct {
	mu       sync.Mutex // the connection's only one
	now      time.Time  // of the input that is being handled
	settings settings
	tuning   *tuning
	log      *slog.Logger
	queue    callbackQueue
	counters counters
	corked   corkState
	after    func() // what follows every input, with the mutex held: see PeerConnection.afterInput

	closing bool // Close was called, or the connection ended by itself
	ended   bool // the transports are let go of
}

// lock takes the mutex for an input.
func (c *core) lock() {
	c.mu.Lock()
	c.now = time.Now()
}

// unlock sends what the input has caused, if that may not wait a moment, and releases the mutex.
func (c *core) unlock() {
	if !c.leaveCorked() {
		c.after()
	}
	c.mu.Unlock()
}

// flush sends what the input has caused so far.
func (c *core) flush() { c.after() }

// layerLogger returns the logger for the protocol cores, nil if nothing is logged.
func (c *core) layerLogger() *slog.Logger {
	if c.log.Handler() == slog.DiscardHandler {
		return nil
	}
	return c.log
}
