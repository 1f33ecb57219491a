package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// destination stores a received file. Either keep or drop ends it; drop after keep has no effect.
type destination interface {
	io.Writer
	keep() error
	drop()
}

// nowhere is the destination of a measurement. It discards the data.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) keep() error                 { return nil }
func (nowhere) drop()                       {}

// reception is a file that is being received. Until a value is sent to done, only the callback of
// the channel uses its state.
type reception struct {
	accept func(header) (destination, error) // called with the header, returns the destination
	got    atomic.Int64                      // bytes received
	total  atomic.Int64                      // bytes announced; negative before the header

	header  header
	started time.Time // when the header arrived; zero before
	hash    hash.Hash
	to      destination
	result  result
	done    chan error // the result: nil, or the reason that the file is not complete
	ended   bool
}

func newReception(accept func(header) (destination, error)) *reception {
	r := &reception{accept: accept, hash: sha256.New(), to: nowhere{}, done: make(chan error, 1)}
	r.total.Store(-1)
	return r
}

// progress returns the number of bytes received, and the size of the file.
func (r *reception) progress() (moved, total int64) { return r.got.Load(), r.total.Load() }

// run receives a file on a channel and confirms it to the sender.
func (r *reception) run(ctx context.Context, dc *rtc.DataChannel) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dc.OnClosed(func() { cancel(errClosedByPeer) })
	dc.OnMessage(r.onMessage)
	var err error
	select {
	case err = <-r.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	dc.OnMessage(nil) // waits until no call is running, so that the state can be used here
	defer r.to.drop()
	if err == nil {
		err = r.to.keep()
	}
	answer := receipt{Bytes: r.result.bytes, SHA256: r.result.sum}
	if err != nil {
		answer.Error = err.Error()
		if errors.Is(err, errDiffers) {
			answer.Error = "" // the sender compares the hashes itself
		}
	}
	if e := sendJSON(dc.SendText, answer); err == nil && e != nil {
		err = fmt.Errorf("the file is complete, but the sender cannot be told: %w", e)
	}
	return r.result, err
}

// onMessage handles one message. It is not called again before it returns. With a slow disk,
// messages therefore wait in the connection, which slows the sender down without any further code.
func (r *reception) onMessage(m rtc.Message) {
	if r.ended {
		return
	}
	ended, err := r.take(m)
	if ended || err != nil {
		r.ended = true
		r.done <- err
	}
}

func (r *reception) take(m rtc.Message) (ended bool, err error) {
	switch {
	case r.started.IsZero():
		return false, r.begin(m)
	case !m.IsText:
		return false, r.data(m.Data)
	default:
		return true, r.end(m)
	}
}

func (r *reception) begin(m rtc.Message) error {
	if err := readJSON(m, "header", &r.header); err != nil {
		return err
	}
	if r.header.Size < 0 {
		return fmt.Errorf("protocol: a size of %d", r.header.Size)
	}
	r.started = time.Now()
	to, err := r.accept(r.header)
	if err != nil {
		return err
	}
	r.to = to
	r.total.Store(r.header.Size)
	return nil
}

// data handles a piece of the file, which is valid during the callback only.
func (r *reception) data(piece []byte) error {
	got := r.got.Load() + int64(len(piece))
	if got > r.header.Size {
		return errors.New("protocol: more data than was announced")
	}
	r.hash.Write(piece)
	if _, err := r.to.Write(piece); err != nil {
		return err
	}
	r.got.Store(got)
	return nil
}

func (r *reception) end(m rtc.Message) error {
	var t trailer
	if err := readJSON(m, "trailer", &t); err != nil {
		return err
	}
	r.result = result{bytes: r.got.Load(), elapsed: time.Since(r.started)}
	r.hash.Sum(r.result.sum[:0])
	if r.result.bytes != r.header.Size || r.result.sum != t.SHA256 {
		return errDiffers
	}
	return nil
}
