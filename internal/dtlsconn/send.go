package dtlsconn

import "fmt"

// Seal appends to dst one record that protects plaintext, and returns the extended slice. Several
// records may share a datagram. The owner sends the datagram itself, after it has called Transmit.
// A plaintext at dst[len(dst)+Headroom():], in the spare capacity of dst, is encrypted in place;
// another one must not overlap that spare capacity. Seal does not allocate if the spare capacity is
// at least Overhead()+len(plaintext) bytes. The errors are ErrNotEstablished, ErrNotFast,
// ErrClosed, ErrRecordTooLong, and ErrSequenceExhausted, which ends the association; dst is
// returned unchanged with each.
func (c *Conn) Seal(dst, plaintext []byte) ([]byte, error) {
	tx := c.tx.Load()
	if tx == nil {
		return dst, c.sealError()
	}
	sealed, err := tx.seal(dst, contentApplicationData, plaintext)
	if err == ErrSequenceExhausted {
		c.end(err)
	}
	return sealed, err
}

// sealError returns the reason why there is no sealer.
func (c *Conn) sealError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == stateClosed:
		return ErrClosed
	case c.state == stateEstablished:
		return ErrNotFast
	default:
		return ErrNotEstablished
	}
}

// Write queues a datagram with one record that protects plaintext, with any cipher suite; the
// caller calls Transmit afterwards. It is for cipher suites without a fast path: it allocates, and
// takes microseconds.
func (c *Conn) Write(plaintext []byte) error {
	if tx := c.tx.Load(); tx != nil {
		datagram, err := c.Seal(make([]byte, 0, MaxOverhead+len(plaintext)), plaintext)
		if err == nil {
			c.out.add(datagram)
		}
		return err
	}
	if err := c.sealError(); err != ErrNotFast {
		return err
	}
	if len(plaintext) > maxPlaintext {
		return ErrRecordTooLong
	}
	c.mu.Lock()
	current := c.attempt
	c.mu.Unlock()
	if current == nil {
		return ErrClosed
	}
	c.calls.Add(1)
	_, err := current.inner.Write(plaintext)
	c.calls.Add(-1)
	if err != nil {
		return fmt.Errorf("dtls: write a record: %w", err)
	}
	c.counters.recordsSent.Add(1)
	c.counters.bytesSent.Add(uint64(len(plaintext)))
	return nil
}

// Fast reports whether the association is established with a cipher suite that Seal can use. It
// does not change after Handshaked(nil).
func (c *Conn) Fast() bool { return c.tx.Load() != nil }

// MaxOverhead is the largest result of Overhead, in bytes, for any cipher suite: a record header,
// an explicit nonce or an initialization vector of 16 bytes, a MAC of 20, and padding of up to 16.
const MaxOverhead = recordHeaderSize + 16 + 20 + 16

// MaxHeadroom is the largest result of Headroom, in bytes.
const MaxHeadroom = recordHeaderSize + 8

// Headroom returns the number of bytes of a record that precede the plaintext: 13 or 21, and
// MaxHeadroom while the suite is not known or if it has no fast path.
func (c *Conn) Headroom() int {
	if tx := c.tx.Load(); tx != nil {
		return tx.headroom()
	}
	return MaxHeadroom
}

// Overhead returns the number of bytes by which a record is longer than its plaintext, Headroom
// included; MaxOverhead while the suite is not known or if it has no fast path.
func (c *Conn) Overhead() int {
	if tx := c.tx.Load(); tx != nil {
		return tx.headroom() + tagSize
	}
	return MaxOverhead
}
