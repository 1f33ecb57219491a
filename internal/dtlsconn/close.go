package dtlsconn

// Close ends the association: it sends close_notify if there is one, and lets go of everything. A handshake under
// way fails with ErrClosed. Close is idempotent and does not wait for callbacks: one that has begun may
// still be running; see Wait.
func (c *Conn) Close() {
	c.mu.Lock()
	state, current, cancel := c.state, c.attempt, c.cancel
	if state == stateClosed {
		c.mu.Unlock()
		return
	}
	c.setClosedLocked()
	c.mu.Unlock()

	if tx := c.tx.Load(); tx != nil {
		c.out.add(tx.close(nil))
		return
	}
	c.calls.Add(1)
	defer c.calls.Add(-1)
	switch state {
	case stateHandshaking:
		cancel() // run cleans up
	case stateEstablished:
		_ = current.inner.Close() // with close_notify; serveSlow cleans up
	default:
		_ = current.inner.Close()
		_ = current.pipe.Close()
	}
}

// Wait blocks until no goroutine of the Conn is left, and so no callback runs or will run. After Close it returns soon;
// it must not be called from a callback.
func (c *Conn) Wait() { c.goroutines.Wait() }

// end closes an established association because of the peer, or for lack of numbers, and reports it.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.state == stateClosed {
		c.mu.Unlock()
		return
	}
	c.setClosedLocked()
	reported := c.reported
	if reported {
		c.goroutines.Add(1) // under mu: not after a Close, and so not during a Wait
	} else {
		c.unreportedEnd = &ending{err}
	}
	c.mu.Unlock()
	if tx := c.tx.Load(); tx != nil {
		c.out.add(tx.close(nil))
	}
	if !reported {
		return // reportHandshaked tells, from its goroutine
	}
	// Not from here: the caller of Receive and Seal holds its locks.
	go func() {
		defer c.goroutines.Done()
		c.cfg.closed(err)
	}()
}

// ending is the end of an association that Handshaked has yet to report.
type ending struct{ err error }

// setClosed reports whether this call closed the Conn.
func (c *Conn) setClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateClosed {
		return false
	}
	c.setClosedLocked()
	return true
}

// setClosedLocked is called with mu held.
func (c *Conn) setClosedLocked() {
	c.state = stateClosed
	c.ended.Store(true)
	c.early = earlyQueue{}
	c.attempt, c.standby, c.rxPending = nil, nil, nil
}

func (c *Conn) isClosed() bool { return c.ended.Load() }

func (c *Config) handshaked(err error) {
	if c.Handshaked != nil {
		c.Handshaked(err)
	}
}

func (c *Config) closed(err error) {
	if c.Closed != nil {
		c.Closed(err)
	}
}
