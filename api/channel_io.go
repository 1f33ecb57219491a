package rtc

import (
	"context"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// Send sends a binary message. data is copied. Send never blocks: a message that cannot be sent at
// once is buffered. The error is ErrInvalid if the message is larger than MaxMessageSize, and
// ErrFailure unless the channel is open. It also matches net.ErrClosed and io.ErrClosedPipe if the
// channel or the connection was closed, by this side or by the peer, and ErrPathLost while the
// connection is in StateFailed because no path was left.
func (c *channel) Send(data []byte) error {
	if c.isZero() {
		return errZero
	}
	c.owner.lock()
	defer c.owner.unlock()
	return c.owner.send(data, false)
}

// SendText is Send for a text message, which should be UTF-8.
func (c *channel) SendText(text string) error {
	if c.isZero() {
		return errZero
	}
	b := bufpool.Get(len(text))
	defer b.Free()
	b.B = append(b.B, text...)
	c.owner.lock()
	defer c.owner.unlock()
	return c.owner.send(b.B, true)
}

// Receive removes and returns the next pending message, which then belongs to the caller.
// ErrNotAvailable if there is none, or while OnMessage is set. After the end of the channel it
// returns the messages received before.
func (c *channel) Receive() (Message, error) {
	if c.isZero() {
		return Message{}, errNothingPending
	}
	c.owner.lock()
	defer c.owner.unlock()
	if !c.pending() {
		return Message{}, errNothingPending
	}
	return c.takeCopy(), nil
}

// ReceiveInto copies the next pending message into buf, removes it, and returns its size and kind.
// If buf is too small, the error is ErrTooSmall, n is the size needed, and the message stays
// pending. Otherwise the errors are those of Receive.
func (c *channel) ReceiveInto(buf []byte) (n int, isText bool, err error) {
	if c.isZero() {
		return 0, false, errNothingPending
	}
	c.owner.lock()
	defer c.owner.unlock()
	if !c.pending() {
		return 0, false, errNothingPending
	}
	return c.takeInto(buf)
}

var (
	errNothingPending = &classError{class: ErrNotAvailable, text: "receive: no pending message"}
	errBufferTooSmall = &classError{class: ErrTooSmall, text: "receive: the message is larger than the buffer"}
)

// pending reports whether there is a message for Receive.
func (c *channel) pending() bool {
	return c.inbox.len() > 0 && c.onMessage == nil
}

// takeCopy removes the first message and returns a copy.
func (c *channel) takeCopy() Message {
	next := c.inbox.front()
	m := Message{Data: append([]byte{}, next.Data...), IsText: next.IsText}
	c.takeOne()
	return m
}

// takeInto is takeCopy into the caller's buffer. If that is too small, the message stays.
func (c *channel) takeInto(buf []byte) (n int, isText bool, err error) {
	next := c.inbox.front()
	n, isText = len(next.Data), next.IsText
	if n > len(buf) {
		return n, isText, errBufferTooSmall
	}
	copy(buf, next.Data)
	c.takeOne()
	return n, isText, nil
}

// takeOne removes the first message and frees its buffer.
func (c *channel) takeOne() {
	c.inbox.one[0] = c.inbox.take()
	c.owner.released(c.inbox.one[:])
	c.inbox.one[0] = received{}
}

// ReadMessage waits for a message, which then belongs to the caller. All its errors are ErrFailure.
// If no message is pending, the error matches
//   - io.EOF if the peer has closed the channel or the connection, and also io.ErrUnexpectedEOF if
//     it has aborted the connection, so that messages may be missing;
//   - net.ErrClosed if this side has closed the channel or the connection;
//   - ErrPathLost while the connection is in StateFailed because no path was left; the channel is
//     still open;
//   - otherwise the cause of the failure that OnError is called with.
//
// If ctx has ended, the error matches ctx.Err and context.Cause(ctx), even if a message is pending.
func (c *channel) ReadMessage(ctx context.Context) (Message, error) {
	if err := c.lockPending(ctx); err != nil {
		return Message{}, err
	}
	defer c.owner.unlock()
	m := c.takeCopy()
	c.readers.wake()
	return m, nil
}

// ReadMessageInto waits for a message, copies it into buf, and returns its size and kind. It does
// not allocate. If buf is too small, the error is ErrTooSmall, n is the size needed, and the
// message stays pending. All other errors are those of ReadMessage.
func (c *channel) ReadMessageInto(ctx context.Context, buf []byte) (n int, isText bool, err error) {
	if err := c.lockPending(ctx); err != nil {
		return 0, false, err
	}
	defer c.owner.unlock()
	n, isText, err = c.takeInto(buf)
	c.readers.wake() // for this message, if it stays, or the next one
	return n, isText, err
}

// lockPending waits until a message is pending. It returns with the mutex held, unless it returns
// an error.
func (c *channel) lockPending(ctx context.Context) error {
	if c.isZero() {
		return errZero
	}
	for {
		c.owner.lock()
		if isDone(ctx.Done()) {
			c.readers.wake() // the wake-up that this reader has consumed may be for another one
			c.owner.unlock()
			return contextError(ctx, "read message")
		}
		if c.pending() {
			return nil
		}
		err := c.waitReadable()
		c.owner.unlock()
		if err != nil {
			return err
		}
		c.readers.wait(ctx.Done(), nil)
	}
}

// WriteMessage sends a message. It waits until the channel is open and at most 1 MiB is buffered.
// The errors are those of Send. If ctx has ended, the error is ErrFailure and matches ctx.Err and
// context.Cause(ctx), even if the message could be sent at once.
func (c *channel) WriteMessage(ctx context.Context, m Message) error {
	if c.isZero() {
		return errZero
	}
	for {
		c.owner.lock()
		if isDone(ctx.Done()) {
			c.writers.wake()
			c.owner.unlock()
			return contextError(ctx, "write message")
		}
		wait, err := c.waitWritable()
		if !wait && err == nil {
			err = c.owner.send(m.Data, m.IsText)
			c.writers.wake()
		}
		c.owner.unlock()
		if err != nil || !wait {
			return err
		}
		c.writers.wait(ctx.Done(), nil)
	}
}

// waitReadable joins the readers, unless no message will arrive.
func (c *channel) waitReadable() error {
	if err := c.readError(); err != nil {
		c.readers.wake()
		return wrapError(ErrFailure, err, "read message")
	}
	c.readers.join()
	c.owner.reconsider()
	return nil
}

// waitWritable joins the writers, unless a message may be sent now, or never again.
func (c *channel) waitWritable() (wait bool, err error) {
	if err := c.writeError(); err != nil {
		c.writers.wake()
		return false, wrapError(ErrFailure, err, "write message")
	}
	if c.state == channelOpen && c.buffered <= writeHighWater {
		return false, nil
	}
	c.writers.join()
	return true, nil
}

// AvailableAmount returns the size in bytes of the messages that are pending for Receive; 0 while
// OnMessage is set.
func (c *channel) AvailableAmount() int {
	if c.isZero() {
		return 0
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	if c.onMessage != nil {
		return 0
	}
	return c.inbox.bytes
}

// BufferedAmount returns the size in bytes of the messages that wait to be sent. Those that the
// transport has taken do not count.
func (c *channel) BufferedAmount() int {
	if c.isZero() {
		return 0
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.buffered
}

// SetBufferedAmountLowThreshold sets the threshold in bytes of OnBufferedAmountLow; it is 0 at
// first. Changing it does not call OnBufferedAmountLow.
func (c *channel) SetBufferedAmountLowThreshold(amount int) {
	if c.isZero() {
		return
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.lowThreshold = max(amount, 0)
}

// IsOpen reports whether the channel is open.
func (c *channel) IsOpen() bool {
	if c.isZero() {
		return false
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.state == channelOpen
}

// IsClosed reports whether the channel is closed or closing: neither connecting nor open.
func (c *channel) IsClosed() bool {
	if c.isZero() {
		return true
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.state >= channelClosing
}

// MaxMessageSize returns the size in bytes of the largest message that can be sent: the smaller one
// of the configured limit and that of the peer.
func (c *channel) MaxMessageSize() int {
	if c.isZero() {
		return 0
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.owner.maxMessageSize()
}

// Close closes the channel after the buffered messages have been sent. It returns at once; a second
// Close succeeds.
func (c *channel) Close() error {
	if c.isZero() {
		return nil
	}
	c.owner.lock()
	defer c.owner.unlock()
	c.owner.close()
	return nil
}

// CloseAndWait closes the channel like Close. When it returns, no callback of the channel is
// running or will run, except the one that it is called from.
func (c *channel) CloseAndWait() error {
	if c.isZero() {
		return nil
	}
	_ = c.Close()
	c.owner.lock()
	defer c.owner.unlock()
	c.silence()
	return nil
}
