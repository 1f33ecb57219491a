package rtc

import (
	"context"
	"net"
	"sync/atomic"
)

const (
	// writeHighWater is the buffered amount in bytes above which WriteMessage and NetConn().Write
	// block. It is the size of the association's send buffer, which therefore does not run empty
	// while a writer wakes up.
	writeHighWater = 1 << 20
	// messagesPerTurn is the number of messages that one channel delivers before other callbacks
	// are called.
	messagesPerTurn = 64
	// bytesPerTurn is the same in bytes. The receive window opens by the delivered messages after
	// they all are, so that they must be a small part of it.
	bytesPerTurn = 256 << 10
)

// Message is one message of a channel. In OnMessage, Data is valid during the callback only; a
// program that needs it later copies it. The Data that Receive and ReadMessage return belongs to
// the caller.
type Message struct {
	Data   []byte
	IsText bool // UTF-8 text, as SendText sends it
}

// Channel has the methods that DataChannel, Track and WebSocket have in common. All methods may be
// called at any time, from any goroutine, and from callbacks. The zero value of each of the three
// is a closed channel.
//
// Callbacks are called one at a time, in the order of the events, never from inside the function
// that caused them. Setting one replaces the previous one. Setting nil waits until a running
// callback of that kind has returned, unless it is called from inside that. Events other than
// messages that happened while no callback was set are delivered once when one is set; setting nil
// discards them.
type Channel interface {
	// OnOpen is called when the channel opened.
	OnOpen(f func())
	// OnClosed is called once, when the channel closed.
	OnClosed(f func())
	// OnError is called when connecting or the open channel has failed.
	OnError(f func(error))
	// OnMessage is called with every message, from the time on that the channel is open. Setting it
	// delivers the pending messages. While it is set, messages cannot be received in another way.
	OnMessage(f func(Message))
	// OnBufferedAmountLow is called when the buffered amount falls from above the threshold to it
	// or below.
	OnBufferedAmountLow(f func())
	// OnAvailable is called when the queue of received messages goes from empty to one message.
	OnAvailable(f func())

	// Send sends a binary message; data is copied. It never blocks: a message that cannot be sent
	// at once is buffered. ErrFailure unless the channel is open, ErrInvalid if the message is too
	// large.
	Send(data []byte) error
	// SendText sends a text message.
	SendText(text string) error
	// Receive removes and returns the next pending message; ErrNotAvailable if there is none, or
	// while OnMessage is set. After the end of the channel it returns the messages received before,
	// unless newer closed channels of the connection have needed their memory.
	Receive() (Message, error)
	// ReceiveInto copies the next pending message into buf and returns its size. If buf is too
	// small, the error is ErrTooSmall, n is the size needed, and the message stays pending.
	ReceiveInto(buf []byte) (n int, isText bool, err error)
	// ReadMessage waits for a message. If none is pending, the error matches io.EOF if the peer has
	// closed the channel, net.ErrClosed if this side has. If ctx has ended, it matches ctx.Err.
	ReadMessage(ctx context.Context) (Message, error)
	// ReadMessageInto is ReadMessage into a buffer of the caller, as ReceiveInto.
	ReadMessageInto(ctx context.Context, buf []byte) (n int, isText bool, err error)
	// WriteMessage sends a message, and waits while more than 1 MiB is buffered.
	WriteMessage(ctx context.Context, m Message) error
	// NetConn returns a stream of bytes over the channel: a Write becomes a binary message, and the
	// boundaries of messages are not visible to Read.
	NetConn() net.Conn

	// AvailableAmount returns the size in bytes of the messages that are pending for Receive.
	AvailableAmount() int
	// BufferedAmount returns the size in bytes of the messages that wait to be sent; those that the
	// transport has taken do not count.
	BufferedAmount() int
	// SetBufferedAmountLowThreshold sets the threshold of OnBufferedAmountLow in bytes; it is 0 at
	// first. Changing it does not call OnBufferedAmountLow.
	SetBufferedAmountLowThreshold(amount int)
	// IsOpen reports whether the channel is open.
	IsOpen() bool
	// IsClosed reports whether the channel is closed or closing.
	IsClosed() bool
	// MaxMessageSize returns the size in bytes of the largest message that can be sent.
	MaxMessageSize() int
	// Close closes the channel after the buffered messages have been sent. It returns at once; a
	// second Close succeeds.
	Close() error
	// CloseAndWait closes the channel. When it returns, no callback of the channel is running or
	// will run, except the one that it is called from.
	CloseAndWait() error
}

// channelState is the state of a channel.
type channelState uint8

const (
	channelConnecting channelState = iota
	channelOpen
	channelClosing
	channelClosed
)

// channelOwner is the part of a channel that differs by kind. All methods but lock are called with
// the mutex held.
type channelOwner interface {
	eventTarget
	// lock takes the mutex for an operation that may cause output; flush sends the output, and
	// unlock sends it and releases the mutex.
	lock()
	flush()
	unlock()
	// send sends or buffers one message. It does not retain data.
	send(data []byte, isText bool) error
	// close begins closing.
	close()
	// released is called after messages have left the receive queue. It frees their buffers.
	released(messages []received)
	maxMessageSize() int
	// reconsider is called when the program has begun to read the channel, and when it may have
	// stopped permanently, so that the receive queue may not be needed any more.
	reconsider()
}

// channel is the part that all kinds of channel share: callbacks, the receive queue, and the
// buffered amount. The mutex of the owner guards it.
type channel struct {
	owner channelOwner
	queue *callbackQueue

	onOpen, onClosed, onLow, onAvailable func()
	onError                              func(error)
	onMessage                            func(Message)
	// A batch of messages is delivered to onMessage without the mutex. The dispatcher claims its
	// messages one by one; a goroutine that changes onMessage claims the rest at once and puts it
	// back, so that no message is lost or reordered.
	batch []received
	claim atomic.Int32

	// Events that happened while no callback was set.
	storedOpen, storedClosed, storedLow, storedAvailable bool
	storedError                                          error

	heldEvents     []event
	state          channelState
	held           bool  // the program does not have the channel yet: events wait in heldEvents
	announced      bool  // the open event has been delivered: messages may be
	messagesQueued bool  // an eventMessages is in the queue
	lowQueued      bool  // an eventLow is in the queue
	silent         bool  // CloseAndWait was called: no callback is called any more
	detached       bool  // its NetConn was closed: messages are not read any more
	endOfReading   error // the error of a reader at the end, instead of the reason for the end
	inbox          inbox

	buffered     int // bytes waiting to be sent
	lowThreshold int

	readers, writers waiters

	ending error // the reason that the channel closes or has closed; nil: the peer closed it
	lost   error // the reason that messages cannot currently be sent or received
}

func (c *channel) setup(owner channelOwner, queue *callbackQueue) {
	c.owner = owner
	c.queue = queue
}

// isZero reports whether the channel is part of a zero value, which is a closed channel.
func (c *channel) isZero() bool { return c.owner == nil }

// opened changes the state to open.
func (c *channel) opened() {
	if c.state != channelConnecting {
		return
	}
	c.state = channelOpen
	c.push(event{kind: eventOpen})
	c.wake()
}

// closed changes the state to closed. If there was an error, OnError is called before OnClosed.
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

// arrived appends a received message to the receive queue.
func (c *channel) arrived(m received) {
	if c.inbox.push(m) {
		c.inbox.filled = true
	}
	if c.inbox.filled || c.onMessage != nil {
		c.pushMessages()
	}
	c.readers.wake()
}

// setBuffered changes the buffered amount, and queues OnBufferedAmountLow if it falls to the
// threshold.
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

// low queues OnBufferedAmountLow, but only once before the function is called: if the function is
// slower than the network, the queue must not grow.
func (c *channel) low() {
	switch {
	case c.onLow == nil:
		c.storedLow = !c.silent
	case !c.lowQueued && !c.silent:
		c.lowQueued = true
		c.push(event{kind: eventLow})
	}
}

// wake wakes the goroutines that wait to read or write, because the state has changed.
func (c *channel) wake() {
	c.readers.wake()
	c.writers.wake()
}

// silence ends all callbacks, and waits for a running one unless silence is called from inside it.
func (c *channel) silence() {
	c.silent = true
	c.revoke()
	c.queue.cancelAll(c.owner)
	c.queue.wait(c.owner, 0)
	c.owner.reconsider()
}

// unreadable reports whether the receive queue can never be read again.
func (c *channel) unreadable() bool {
	return c.onMessage == nil && c.detached || c.onMessage != nil && c.silent
}

// discard drops the messages in the receive queue.
func (c *channel) discard() {
	for c.inbox.len() > 0 {
		c.takeOne()
	}
}
