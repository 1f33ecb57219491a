package rtc

import "math"

// OnOpen sets the function that is called when the channel opened.
func (c *channel) OnOpen(f func()) {
	c.setSimple(eventOpen, &c.onOpen, &c.storedOpen, f)
}

// OnClosed sets the function that is called once, when the channel closed.
func (c *channel) OnClosed(f func()) {
	c.setSimple(eventClosed, &c.onClosed, &c.storedClosed, f)
}

// OnBufferedAmountLow sets the function that is called when the buffered amount falls from above
// the threshold to it or below.
func (c *channel) OnBufferedAmountLow(f func()) {
	c.setSimple(eventLow, &c.onLow, &c.storedLow, f)
}

func (c *channel) setSimple(kind eventKind, callback *func(), stored *bool, f func()) {
	if c.isZero() {
		return
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	*callback = f
	switch {
	case f == nil:
		*stored = false
		c.lowQueued = c.lowQueued && kind != eventLow
		c.forget(kind)
	case *stored && kind == eventLow:
		*stored = false
		c.low()
	case *stored:
		c.push(event{kind: eventStored})
	}
}

// OnError sets the function that is called when connecting or the open channel has failed.
func (c *channel) OnError(f func(error)) {
	if c.isZero() {
		return
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.onError = f
	switch {
	case f == nil:
		c.storedError = nil
		c.forget(eventError)
	case c.storedError != nil:
		c.push(event{kind: eventStored})
	}
}

// OnAvailable sets the function that is called when the queue of received messages goes from empty
// to one message.
func (c *channel) OnAvailable(f func()) {
	if c.isZero() {
		return
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.onAvailable = f
	switch {
	case f == nil:
		c.storedAvailable = false
		c.inbox.filled = false
		c.queue.wait(c.owner, eventMessages)
	case c.storedAvailable:
		c.storedAvailable, c.inbox.filled = false, true
		c.pushMessages()
	}
}

// OnMessage sets the function that is called with every message, and delivers the pending ones to
// it. After it is set to nil, messages are pending for Receive again.
func (c *channel) OnMessage(f func(Message)) {
	if c.isZero() {
		return
	}
	c.owner.lock()
	defer c.owner.unlock()
	c.onMessage = f
	c.revoke()
	if f == nil {
		c.queue.wait(c.owner, eventMessages)
	}
	c.owner.reconsider()
	if f == nil {
		return
	}
	c.storedAvailable = false
	if c.announced && c.inbox.len() > 0 {
		c.pushMessages()
	}
}

// forget drops the waiting events of a kind, and waits for a running callback of that kind.
func (c *channel) forget(kind eventKind) {
	c.queue.cancel(c.owner, kind)
	c.queue.wait(c.owner, kind)
}

func (c *channel) push(e event) {
	if c.silent {
		return
	}
	e.target = c.owner
	c.queue.push(e)
}

// release delivers the events that were held back until the program has the channel.
func (c *channel) release() {
	c.held = false
	c.queue.pushFront(c.heldEvents) // before the events since
	c.heldEvents = nil
}

func (c *channel) pushMessages() {
	if !c.messagesQueued && !c.silent {
		c.messagesQueued = true
		c.push(event{kind: eventMessages})
	}
}

// deliver delivers one event of this channel.
func (c *channel) deliver(q *callbackQueue, e event) {
	if c.silent {
		return
	}
	if c.held {
		c.heldEvents = append(c.heldEvents, e)
		return
	}
	c.deliverStored(q)
	switch e.kind {
	case eventOpen:
		c.deliverSimple(q, e.kind, c.onOpen, &c.storedOpen)
		c.announced = true
		if c.inbox.len() > 0 {
			c.pushMessages()
		}
	case eventLow:
		c.lowQueued = false
		c.deliverSimple(q, e.kind, c.onLow, &c.storedLow)
	case eventMessages:
		c.messagesQueued = false
		c.deliverMessages(q)
	case eventClosed:
		// Messages that arrived before the end are delivered before it.
		for c.onMessage != nil && c.announced && c.inbox.len() > 0 && !c.silent {
			c.deliverMessages(q)
		}
		c.deliverSimple(q, e.kind, c.onClosed, &c.storedClosed)
	case eventError:
		c.deliverError(q, e.err)
	}
}

// deliverStored delivers the open, error and closed events that were stored while no callback was
// set, if one is set now. It is called before every other event, because the stored ones are older
// than all that wait in the queue.
func (c *channel) deliverStored(q *callbackQueue) {
	c.deliverIfStored(q, eventOpen, c.onOpen, &c.storedOpen)
	if err := c.storedError; err != nil && c.onError != nil {
		c.storedError = nil
		c.deliverError(q, err)
	}
	c.deliverIfStored(q, eventClosed, c.onClosed, &c.storedClosed)
}

func (c *channel) deliverIfStored(q *callbackQueue, kind eventKind, f func(), stored *bool) {
	if *stored && f != nil {
		*stored = false
		c.deliverSimple(q, kind, f, stored)
	}
}

func (c *channel) deliverError(q *callbackQueue, err error) {
	switch f := c.onError; {
	case c.silent:
	case f == nil:
		c.storedError = err
	default:
		q.enter(c.owner, eventError)
		f(err)
		q.leave()
	}
}

func (c *channel) deliverSimple(q *callbackQueue, kind eventKind, f func(), stored *bool) {
	if c.silent {
		return
	}
	if f == nil {
		*stored = true
		return
	}
	q.enter(c.owner, kind)
	f()
	q.leave()
}

// deliverMessages calls OnMessage with messages, several for each time that the mutex is taken, or
// else OnAvailable.
func (c *channel) deliverMessages(q *callbackQueue) {
	if !c.announced {
		return
	}
	f := c.onMessage
	if f == nil {
		if c.inbox.filled {
			c.inbox.filled = false
			c.deliverSimple(q, eventMessages, c.onAvailable, &c.storedAvailable)
		}
		return
	}
	c.inbox.filled = false
	batch := q.batch[:0]
	for size := 0; len(batch) < messagesPerTurn && size < bytesPerTurn && c.inbox.len() > 0; {
		m := c.inbox.take()
		size += len(m.Data)
		batch = append(batch, m)
	}
	if len(batch) == 0 {
		return
	}
	q.batch, c.batch = batch, batch
	c.claim.Store(0)
	q.enter(c.owner, eventMessages)
	// The messages are released even if the program's function ends by runtime.Goexit.
	done := 0
	defer func() {
		c.owner.lock()
		q.left()
		c.revoke()
		c.batch = nil
		c.owner.released(batch[:done])
		clear(batch)
		c.owner.reconsider()
		if c.onMessage != nil && c.inbox.len() > 0 {
			c.pushMessages()
		}
		c.owner.flush()
	}()
	for {
		i := int(c.claim.Add(1)) - 1
		if i >= len(batch) {
			return
		}
		done = i + 1
		f(batch[i].Message)
	}
}

// revoke puts the rest of the running batch back into the receive queue.
func (c *channel) revoke() {
	i := int(c.claim.Swap(math.MaxInt32 / 2))
	for j := len(c.batch) - 1; j >= i; j-- {
		c.inbox.putBack(c.batch[j])
	}
}
