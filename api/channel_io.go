package rtc

import (
	"context"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// Send sends a binary message. data is copied; what cannot be sent at once is buffered. It fails with ErrInvalid when the
// message is larger than MaxMessageSize, and with ErrFailure unless the channel is open. The error also matches net.ErrClosed
// and io.ErrClosedPipe when the channel or the connection was closed, by this side or by the peer, and ErrPathLost while the
// connection is in StateFailed for lack of a path.
func (c *channel) Send(data []byte) error {
	if c.isZero() {
		return errZero
	}
	c.owner.lock()
	defer c.owner.unlock()
	return c.owner.send(data, false)
}

// SendText sends a text message, which should be UTF-8. Otherwise it is like Send.
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

// Receive takes the next pending message, which then belongs to the caller. ErrNotAvailable where there is none, or
// while OnMessage is set. Messages can be received after the channel closed, too.
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

// ReceiveInto copies the next pending message into buf and gives its size and kind. When buf is too small the error
// is ErrTooSmall, n is the size needed, and the message stays pending.
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

// pending tells whether there is a message that Receive may take.
func (c *channel) pending() bool {
	return c.inbox.len() > 0 && c.onMessage == nil
}

func (c *channel) takeCopy() Message {
	next := c.inbox.front()
	m := Message{Data: append([]byte{}, next.Data...), IsText: next.IsText}
	c.takeOne()
	return m
}

// takeInto is takeCopy with the caller's buffer. If that is too small, the message stays.
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

// takeOne removes the first message and gives its buffer back.
func (c *channel) takeOne() {
	c.inbox.one[0] = c.inbox.take()
	c.owner.released(c.inbox.one[:])
	c.inbox.one[0] = received{}
}

// ReadMessage waits for a message, which then belongs to the caller. All its errors are ErrFailure. When no message is
// pending, the error matches
//   - io.EOF when the peer has closed the channel or the connection, and also io.ErrUnexpectedEOF when it ended the connection
//     at once, without the shutdown that would show that everything has arrived that it sent;
//   - net.ErrClosed when this side has closed the channel or the connection;
//   - ErrPathLost while the connection is in StateFailed for lack of a path; the channel is still open;
//   - otherwise the cause of the failure that OnError was called with.
//
// When ctx is done, even if a message is pending, the error matches ctx.Err and context.Cause(ctx).
func (c *channel) ReadMessage(ctx context.Context) (Message, error) {
	if err := c.lockPending(ctx); err != nil {
		return Message{}, err
	}
	defer c.owner.unlock()
	m := c.takeCopy()
	c.readers.wake()
	return m, nil
}

// ReadMessageInto waits for a message, copies it into buf, and returns its size and kind. It allocates nothing for a
// message. When buf is too small the error is ErrTooSmall, n is the size needed, and the message stays pending. All other
// errors are those of ReadMessage.
func (c *channel) ReadMessageInto(ctx context.Context, buf []byte) (n int, isText bool, err error) {
	if err := c.lockPending(ctx); err != nil {
		return 0, false, err
	}
	defer c.owner.unlock()
	n, isText, err = c.takeInto(buf)
	c.readers.wake() // the message is left, or another one is
	return n, isText, err
}

// lockPending waits until a message is pending, and returns with the mutex held, or with an error and without.
func (c *channel) lockPending(ctx context.Context) error {
	if c.isZero() {
		return errZero
	}
	for {
		c.owner.lock()
		if isDone(ctx.Done()) {
			c.readers.wake() // the wake-up that brought this reader here may have been meant for another
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

// WriteMessage sends a message, waiting while more than 1 MiB is buffered or until the channel is open. The errors
// are those of Send, and ErrFailure wrapping ctx.Err and context.Cause(ctx) when ctx is done, even if the message could
// be sent at once.
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

// waitReadable joins the readers, unless there will be nothing to read.
func (c *channel) waitReadable() error {
	if err := c.readError(); err != nil {
		c.readers.wake()
		return wrapError(ErrFailure, err, "read message")
	}
	c.readers.join()
	c.owner.reconsider()
	return nil
}

// waitWritable joins the writers unless a message may be sent now, or never again.
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

// AvailableAmount is the size in bytes of the messages that Receive can take, 0 while OnMessage is set.
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

// BufferedAmount is the size in bytes of the messages that wait to be sent. What the transport has taken does not
// count.
func (c *channel) BufferedAmount() int {
	if c.isZero() {
		return 0
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.buffered
}

// SetBufferedAmountLowThreshold sets the threshold in bytes of OnBufferedAmountLow, 0 at first. Changing it never
// calls anything.
func (c *channel) SetBufferedAmountLowThreshold(amount int) {
	if c.isZero() {
		return
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.lowThreshold = max(amount, 0)
}

// IsOpen tells whether the channel is open.
func (c *channel) IsOpen() bool {
	if c.isZero() {
		return false
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.state == channelOpen
}

// IsClosed tells whether the channel is closed or closing: neither connecting nor open.
func (c *channel) IsClosed() bool {
	if c.isZero() {
		return true
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.state >= channelClosing
}

// MaxMessageSize is the size in bytes of the largest message that can be sent: the smaller of what this side is
// configured for and what the peer said that it accepts.
func (c *channel) MaxMessageSize() int {
	if c.isZero() {
		return 0
	}
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.owner.maxMessageSize()
}

// Close closes the channel after what is buffered has been sent. It returns at once; a second Close succeeds.
func (c *channel) Close() error {
	if c.isZero() {
		return nil
	}
	c.owner.lock()
	defer c.owner.unlock()
	c.owner.close()
	return nil
}

// CloseAndWait closes the channel like Close, and returns when no callback of it runs or will run, except the one
// that it is called from.
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
