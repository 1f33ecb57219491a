package ice

import (
	"os"
	"time"
)

// errDeadline satisfies net.Error with Timeout() true, as net.Conn asks.
var errDeadline = os.ErrDeadlineExceeded

// SetDeadline sets both deadlines, as net.Conn describes.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readDeadline.Set(t)
	c.writeDeadline.Set(t)
	return nil
}

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded; zero is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readDeadline.Set(t)
	return nil
}

// SetWriteDeadline sets the time after which Write fails with os.ErrDeadlineExceeded; zero is never. Write does not
// block for long.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.Set(t)
	return nil
}
