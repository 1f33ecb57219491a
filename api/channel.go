package rtc

import (
	"context"
	"math"
	"net"
	"sync/atomic"
)

const (
	// writeHighWater is the buffered amount in bytes above which WriteMessage and NetConn().Write block: what the
	// association holds as well, so that it never runs dry while a writer wakes up.
	writeHighWater = 1 << 20
	// messagesPerTurn is how many messages one channel delivers before other callbacks have their turn.
	messagesPerTurn = 64
	// bytesPerTurn is the same in bytes. The receive window reopens by what was delivered after each turn, so that a
	// turn must be a small part of it.
	bytesPerTurn = 256 << 10
)

// Message is one message of a channel. In OnMessage Data is valid during the callback only; a receiver that keeps it
// copies it. From Receive and ReadMessage it belongs to the caller.
type Message struct {
	Data   []byte
	IsText bool // UTF-8 text, as SendText sends it
}

// Channel is what a DataChannel, a Track and a WebSocket have in common. All methods may be called at any time, from
// any goroutine, and from callbacks. The zero value of each of the three is a closed channel.
//
// Callbacks are called one at a time, in the order of the events, never from inside the function that caused them.
// Setting one replaces the one before. Setting nil waits until a running callback of that kind has returned, except
// from inside it. Open, Closed, Error, Available and BufferedAmountLow that happened while no callback was set are
// delivered once when one is set; setting nil forgets them.
type Channel interface {
	// OnOpen is called when the channel opened.
	OnOpen(f func())
	// OnClosed is called once, when the channel closed.
	OnClosed(f func())
	// OnError is called when something went wrong, while connecting or open.
	OnError(f func(error))
	// OnMessage is called with every message. Setting it delivers those that are pending; they are not delivered
	// before the channel is open. While it is set nothing can be received otherwise.
	OnMessage(f func(Message))
	// OnBufferedAmountLow is called when the buffered amount crosses from above the threshold to it or below.
	OnBufferedAmountLow(f func())
	// OnAvailable is called when the queue of received messages goes from empty to one message.
	OnAvailable(f func())

	// Send sends a binary message; data is copied. What cannot be sent at once is buffered. ErrFailure unless the
	// channel is open, ErrInvalid when the message is too large.
	Send(data []byte) error
	// SendText sends a text message.
	SendText(text string) error
	// Receive takes the next pending message; ErrNotAvailable where there is none, or while OnMessage is set.
	// It works after the channel closed, too, until newer closed channels of the connection need the room.
	Receive() (Message, error)
	// ReceiveInto copies the next pending message into buf and gives its size. When buf is too small the error is
	// ErrTooSmall, n is the size needed, and the message stays pending.
	ReceiveInto(buf []byte) (n int, isText bool, err error)
	// ReadMessage waits for a message. When none is pending, it returns an error that matches io.EOF when the peer has
	// closed, net.ErrClosed when this side has; when ctx is done, an error that matches those of ctx.
	ReadMessage(ctx context.Context) (Message, error)
	// ReadMessageInto is ReadMessage into a buffer of the caller: it waits for a message as ReadMessage does, and copies it
	// as ReceiveInto does.
	ReadMessageInto(ctx context.Context, buf []byte) (n int, isText bool, err error)
	// WriteMessage sends a message, waiting while more than 1 MiB is buffered.
	WriteMessage(ctx context.Context, m Message) error
	// NetConn gives a stream of bytes over the channel: writes become binary messages, message borders are lost.
	NetConn() net.Conn

	// AvailableAmount is the size in bytes of the messages pending for Receive.
	AvailableAmount() int
	// BufferedAmount is the size in bytes of the messages that wait to be sent; what the transport has taken does
	// not count.
	BufferedAmount() int
	// SetBufferedAmountLowThreshold sets the threshold of OnBufferedAmountLow, 0 at first. Changing it never calls.
	SetBufferedAmountLowThreshold(amount int)
	// IsOpen tells whether the channel is open.
	IsOpen() bool
	// IsClosed tells whether the channel is closed or closing.
	IsClosed() bool
	// MaxMessageSize is the size in bytes of the largest message that can be sent.
	MaxMessageSize() int
	// Close closes the channel after what is buffered has been sent. It returns at once; a second Close succeeds.
	Close() error
	// CloseAndWait closes the channel and returns when no callback of it runs or will run, except the one that it
	// is called from.
	CloseAndWait() error
}

// channelState is the life of a channel.
type channelState uint8

const (
	channelConnecting channelState = iota
	channelOpen
	channelClosing
	channelClosed
)

// channelOwner is the part of a channel that differs by kind. All methods but lock are called with the mutex held.
type channelOwner interface {
	eventTarget
	// lock takes the mutex for an operation that may cause something to be sent; flush sends it, and unlock does
	// that and releases the mutex.
	lock()
	flush()
	unlock()
	// send takes or buffers one message. data may be used during the call only.
	send(data []byte, isText bool) error
	// close begins closing.
	close()
	// released is called after messages have left the receive queue, and their buffers can be given back.
	released(messages []received)
	maxMessageSize() int
	// reconsider is called when the program has begun to read, or when it may have become impossible that it reads what is in
	// the receive queue.
	reconsider()
}

// channel is what all kinds of channel share: callbacks, the receive queue, and amounts. The mutex of the owner
// guards it.
type channel struct {
	owner channelOwner
	queue *callbackQueue

	onOpen, onClosed, onLow, onAvailable func()
	onError                              func(error)
	onMessage                            func(Message)
	// A batch of messages is handed to onMessage outside of the mutex. The dispatcher claims them one by one; whoever
	// changes onMessage claims the rest at once and puts it back, so that nothing is lost or reordered.
	batch []received
	claim atomic.Int32

	// What happened while no callback was set.
	storedOpen, storedClosed, storedLow, storedAvailable bool
	storedError                                          error

	heldEvents     []event
	state          channelState
	held           bool  // the user has not been given the channel yet
	announced      bool  // the turn of the open event has come: messages may be delivered
	messagesQueued bool  // an eventMessages is in the queue
	lowQueued      bool  // an eventLow is in the queue
	silent         bool  // CloseAndWait was called: nothing is called any more
	detached       bool  // its NetConn was closed: nothing is read any more
	endOfReading   error // what a reader gets at the end instead of the reason for it
	inbox          inbox

	buffered     int // bytes waiting to be sent
	lowThreshold int

	readers, writers waiters

	ending error // why the channel closes or has closed; nil: the peer closed it
	lost   error // why nothing can be sent or received for now
}

func (c *channel) setup(owner channelOwner, queue *callbackQueue) {
	c.owner = owner
	c.queue = queue
}

// isZero reports whether the channel is part of a zero value, which is a closed channel.
func (c *channel) isZero() bool { return c.owner == nil }

// OnOpen sets the function that is called when the channel opened.
func (c *channel) OnOpen(f func()) {
	c.setSimple(eventOpen, &c.onOpen, &c.storedOpen, f)
}

// OnClosed sets the function that is called once, when the channel closed.
func (c *channel) OnClosed(f func()) {
	c.setSimple(eventClosed, &c.onClosed, &c.storedClosed, f)
}

// OnBufferedAmountLow sets the function that is called when the buffered amount crosses from above the threshold to
// it or below.
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

// OnError sets the function that is called when something went wrong.
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

// OnAvailable sets the function that is called when the queue of received messages goes from empty to one message.
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

// OnMessage sets the function that is called with every message, and delivers the pending ones to it. Clearing it
// makes later messages pending again.
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

// forget drops the waiting events of a kind and waits for a running one.
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

// release delivers the events held back until the program was given the channel.
func (c *channel) release() {
	c.held = false
	c.queue.pushFront(c.heldEvents) // before what has happened since
	c.heldEvents = nil
}

func (c *channel) pushMessages() {
	if !c.messagesQueued && !c.silent {
		c.messagesQueued = true
		c.push(event{kind: eventMessages})
	}
}

// deliver is the turn of one event of this channel.
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
		// What arrived before the end is delivered before it.
		for c.onMessage != nil && c.announced && c.inbox.len() > 0 && !c.silent {
			c.deliverMessages(q)
		}
		c.deliverSimple(q, e.kind, c.onClosed, &c.storedClosed)
	case eventError:
		c.deliverError(q, e.err)
	}
}

// deliverStored delivers the open, error and closed events that had their turn while no callback was set, where there is one
// now. It runs before every other event: what was stored is older than all that waits, and must not come behind it.
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

// deliverMessages hands messages to OnMessage, several for each time the mutex is taken, or tells OnAvailable that
// there are some.
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
	// The messages are given back however the user's function ends, even by runtime.Goexit.
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

// revoke takes what is left of the running batch, and puts it back.
func (c *channel) revoke() {
	i := int(c.claim.Swap(math.MaxInt32 / 2))
	for j := len(c.batch) - 1; j >= i; j-- {
		c.inbox.putBack(c.batch[j])
	}
}

// opened moves the channel to open.
func (c *channel) opened() {
	if c.state != channelConnecting {
		return
	}
	c.state = channelOpen
	c.push(event{kind: eventOpen})
	c.wake()
}

// closed moves the channel to closed, with an error callback before the closed callback if there was an error.
func (c *channel) closed(err error) {
	if c.state == channelClosed {
		return
	}
	c.state = channelClosed
	c.buffered = 0
	if c.ending == nil {
		c.ending = err
	}
	if err != nil {
		c.push(event{kind: eventError, err: err})
	}
	c.push(event{kind: eventClosed})
	c.wake()
}

// arrived puts a received message into the queue.
func (c *channel) arrived(m received) {
	if c.inbox.push(m) {
		c.inbox.filled = true
	}
	if c.inbox.filled || c.onMessage != nil {
		c.pushMessages()
	}
	c.readers.wake()
}

// setBuffered changes the buffered amount and fires OnBufferedAmountLow where it crosses the threshold downwards.
func (c *channel) setBuffered(amount int) {
	before := c.buffered
	c.buffered = amount
	if before > c.lowThreshold && amount <= c.lowThreshold {
		c.low()
	}
	if amount <= writeHighWater {
		c.writers.wake()
	}
}

// low makes OnBufferedAmountLow due, once however often the amount crosses the threshold before its turn comes: a
// function that is slower than the network must not make the queue grow.
func (c *channel) low() {
	switch {
	case c.onLow == nil:
		c.storedLow = !c.silent
	case !c.lowQueued && !c.silent:
		c.lowQueued = true
		c.push(event{kind: eventLow})
	}
}

// wake wakes whoever waits to read or write, because the state changed.
func (c *channel) wake() {
	c.readers.wake()
	c.writers.wake()
}

// silence ends all callbacks and waits for a running one, except from inside it.
func (c *channel) silence() {
	c.silent = true
	c.revoke()
	c.queue.cancelAll(c.owner)
	c.queue.wait(c.owner, 0)
	c.owner.reconsider()
}

// unreadable reports whether nothing can be read from the receive queue any more, nor ever will.
func (c *channel) unreadable() bool {
	return c.onMessage == nil && c.detached || c.onMessage != nil && c.silent
}

// discard drops what is in the receive queue.
func (c *channel) discard() {
	for c.inbox.len() > 0 {
		c.takeOne()
	}
}
