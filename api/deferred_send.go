package rtc

// While earlier messages are unacknowledged, a message need not be sent at once: the peer receives
// those first. Sending deferred messages together saves a program that sends many small ones in a
// row a system call for each. The first deferred message starts a goroutine, which takes the mutex
// as soon as the program releases it and sends all messages deferred by then. The caller sends
// itself if little is unacknowledged or much is unsent.

const (
	// deferInFlight is the number of unacknowledged bytes from which on sending is deferred. It is
	// more than a program that waits for answers has in flight, at two packets a time.
	deferInFlight = 24 << 10
	// maxDeferred limits the unsent bytes: a program can be faster than the goroutine starts. It is
	// about half the size of a UDP GSO send.
	maxDeferred = 32 << 10
)

// deferState is the state of deferred sending.
type deferState struct {
	due   bool   // the packets of this input may be deferred
	armed bool   // the goroutine is started and has not sent yet
	run   func() // the goroutine; bound once, so that starting it allocates nothing
}

// deferSend is called after a message was passed to the association.
func (t *transport) deferSend() {
	inFlight, unsent := t.sctp.Outstanding()
	t.deferred.due = inFlight >= deferInFlight && unsent < maxDeferred
}

// sendsLater reports whether the input ends without sending.
func (c *core) sendsLater() bool {
	k := &c.deferred
	if !k.due {
		return false
	}
	k.due = false
	if c.ended {
		return false
	}
	if !k.armed {
		k.armed = true
		if k.run == nil {
			k.run = c.sendDeferred
		}
		go k.run()
	}
	return true
}

func (c *core) sendDeferred() {
	c.lock()
	defer c.unlock()
	c.deferred.armed = false
}
