package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// blocksAhead is the number of blocks that are read and hashed in advance, in parallel with the
// sending. A few blocks are enough to compensate for variations of both.
const blocksAhead = 4

// send sends a file on a channel, which may still be opening, and waits for the receipt. It returns
// the result of this side and the receipt of the other one.
func send(ctx context.Context, dc *rtc.DataChannel, file *source, chunk int) (result, receipt, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	receipts := make(chan receipt, 1)
	dc.OnMessage(func(m rtc.Message) {
		var r receipt
		if err := readJSON(m, "receipt", &r); err != nil {
			cancel(err)
			return
		}
		if r.Error != "" {
			cancel(fmt.Errorf("the receiver: %q", r.Error)) // quoted: it comes from the network and goes to a terminal
			return
		}
		select {
		case receipts <- r:
		default: // only one is used
		}
	})
	dc.OnClosed(func() { cancel(errClosedByPeer) })

	// WriteMessage waits while the channel has enough to send. No other back-pressure is needed: it
	// waits for a slow network or receiver, so that the file is read no faster than it is sent.
	write := func(m rtc.Message) error {
		err := dc.WriteMessage(ctx, m)
		if errors.Is(err, net.ErrClosed) {
			<-ctx.Done() // the callbacks handle the receipt that may have arrived before
		}
		if ctx.Err() != nil {
			return context.Cause(ctx) // more specific than net.ErrClosed
		}
		return err
	}
	writeText := func(text string) error { return write(rtc.Message{Data: []byte(text), IsText: true}) }

	if err := sendJSON(writeText, header{Name: file.name, Size: file.size}); err != nil {
		return result{}, receipt{}, err
	}
	start := time.Now()
	var sent result
	blocks := readAhead(ctx, file, min(chunk, dc.MaxMessageSize()))
	for b := range blocks.full {
		if b.err != nil {
			return sent, receipt{}, fmt.Errorf("read %s: %w", file.name, b.err)
		}
		if err := write(rtc.Message{Data: b.data}); err != nil {
			return sent, receipt{}, err
		}
		sent.bytes += int64(len(b.data))
		blocks.empty <- b.data // WriteMessage has copied it
	}
	if err := ctx.Err(); err != nil {
		return sent, receipt{}, context.Cause(ctx)
	}
	sent.sum = blocks.sum
	if err := sendJSON(writeText, trailer{SHA256: sent.sum}); err != nil {
		return sent, receipt{}, err
	}
	select {
	case r := <-receipts:
		sent.elapsed = time.Since(start)
		return sent, r, compare(sent, r)
	case <-ctx.Done():
		return sent, receipt{}, context.Cause(ctx)
	}
}

func compare(sent result, r receipt) error {
	if r.SHA256 != sent.sum || r.Bytes != sent.bytes {
		return errDiffers
	}
	return nil
}

// blocks holds the blocks of a file between the disk and the channel: a goroutine fills empty
// blocks and hashes them.
type blocks struct {
	full  chan block
	empty chan []byte
	sum   digest // of the whole file, when full has been closed
}

type block struct {
	data []byte
	err  error // if not nil: reading failed, there is no data, and no block follows
}

func readAhead(ctx context.Context, file *source, size int) *blocks {
	b := &blocks{full: make(chan block, blocksAhead), empty: make(chan []byte, blocksAhead)}
	for range blocksAhead {
		b.empty <- make([]byte, size)
	}
	go b.read(ctx, file)
	return b
}

// read fills the blocks until the end of the file, or of ctx.
func (b *blocks) read(ctx context.Context, file *source) {
	defer close(b.full)
	hash := sha256.New()
	for left := file.size; left > 0; {
		var data []byte
		select {
		case data = <-b.empty:
		case <-ctx.Done():
			return
		}
		data = data[:min(left, int64(cap(data)))]
		n, err := io.ReadFull(file, data)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("it became shorter, %d bytes are missing", left-int64(n))
			}
			b.full <- block{err: err} // never blocks: there are no more blocks than places
			return
		}
		hash.Write(data)
		left -= int64(n)
		b.full <- block{data: data}
	}
	hash.Sum(b.sum[:0])
}
