package rtc

// A message that is sent while others are on their way need not leave at once: the acknowledgement of those is what will
// move things on. So a program that sends many small messages in a row does not pay a system call for each. The
// first of them starts a goroutine, which takes the mutex as soon as the program lets go of it and sends what has
// come together by then. On an idle connection, and when a batch is full, the caller sends.

const (
	// corkInFlight is how many bytes must be on their way: more than the two packets at a time by which a
	// conversation goes to and fro.
	corkInFlight = 24 << 10
	// corkedBatch is how many may wait. With more the caller, who is faster than the goroutine starts, sends them
	// itself: about half of what one UDP GSO send takes.
	corkedBatch = 32 << 10
)

// corkState is whether sending may wait for more.
type corkState struct {
	due   bool   // what this input wants sent may wait
	armed bool   // the goroutine is on its way
	run   func() // it; bound once, so that starting it allocates nothing
}

// cork is called when a message was given to the association.
func (t *transport) cork() {
	inFlight, unsent := t.sctp.Outstanding()
	t.corked.due = inFlight >= corkInFlight && unsent < corkedBatch
}

// leaveCorked reports whether an input may end without sending.
func (c *core) leaveCorked() bool {
	k := &c.corked
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
			k.run = c.uncork
		}
		go k.run()
	}
	return true
}

func (c *core) uncork() {
	c.lock()
	defer c.unlock()
	c.corked.armed = false
}
