package dtlsconn

// Close ends the association and frees its resources. If it is established, close_notify is queued:
// the caller calls Transmit afterwards. A handshake that has not finished fails with ErrClosed.
// Close is idempotent and does not wait for callbacks; one may still be running, see Wait.
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

// Wait blocks until the Conn has no goroutine: then no callback is running, and none will be
// called. It returns soon after Close. It must not be called from a callback, nor with a lock held
// that a callback takes.
func (c *Conn) Wait() { c.goroutines.Wait() }

// end closes an established association and reports that: because of an alert of the peer, or
// because all sequence numbers are used.
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
		return // reportHandshaked will call Closed
	}
	// In a goroutine, because the caller of Receive or Seal may hold a lock that Closed takes.
	go func() {
		defer c.goroutines.Done()
		c.cfg.closed(err)
	}()
}

// ending is the end of an association, with the error for Closed.
type ending struct{ err error }

// setClosed closes the Conn, and reports whether this call did.
func (c *Conn) setClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateClosed {
		return false
	}
	c.setClosedLocked()
	return true
}

// setClosedLocked is setClosed with mu held.
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
