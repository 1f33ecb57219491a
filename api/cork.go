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

// corkState is held by the connection.
type corkState struct {
	due   bool   // what this input wants sent may wait
	armed bool   // the goroutine is on its way
	run   func() // it; bound once, so that starting it allocates nothing
}

// cork is called when a message was given to the association.
func (pc *PeerConnection) cork() {
	inFlight, unsent := pc.sctp.Outstanding()
	pc.corked.due = inFlight >= corkInFlight && unsent < corkedBatch
}

// leaveCorked reports whether an input may end without sending.
func (pc *PeerConnection) leaveCorked() bool {
	c := &pc.corked
	if !c.due {
		return false
	}
	c.due = false
	if pc.ended {
		return false
	}
	if !c.armed {
		c.armed = true
		if c.run == nil {
			c.run = pc.uncork
		}
		go c.run()
	}
	return true
}

func (pc *PeerConnection) uncork() {
	pc.lock()
	defer pc.unlock()
	pc.corked.armed = false
}
