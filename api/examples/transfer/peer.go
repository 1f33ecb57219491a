package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// shutdownTimeout bounds the time until the other side has acknowledged all data and the close.
const shutdownTimeout = 5 * time.Second

var (
	errNoPath       = errors.New("the other side was not reached in time")
	errLost         = errors.New("the connection was lost")
	errClosedByPeer = errors.New("the other side closed the connection before the transfer was complete")
)

// peer is a connection, and a context that ends when the connection cannot be used any more. All
// waits for the other side end with it.
type peer struct {
	*rtc.PeerConnection
	ctx     context.Context
	fail    context.CancelCauseFunc // ends the context, with a cause
	reached atomic.Bool             // the connection was established at least once
}

// newPeer returns a new connection. It must be ended by finish or leave.
func newPeer(ctx context.Context, configuration rtc.Configuration) (*peer, error) {
	pc, err := rtc.NewPeerConnection(configuration)
	if err != nil {
		return nil, err
	}
	p := &peer{PeerConnection: pc}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	pc.OnStateChange(func(s rtc.State) {
		switch s {
		case rtc.StateConnected:
			p.reached.Store(true)
		case rtc.StateFailed:
			if p.reached.Load() {
				p.fail(errLost)
			} else {
				p.fail(errNoPath)
			}
		case rtc.StateClosed:
			p.fail(errClosedByPeer)
		}
	})
	return p, nil
}

// waitFor receives a value from a callback. If ctx ends first, it returns the cause.
func waitFor[T any](ctx context.Context, c <-chan T) (T, error) {
	select {
	case v := <-c:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// finish closes the connection after all data has arrived.
func (p *peer) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	_ = p.Shutdown(ctx)
	p.leave()
}

// leave closes the connection at once.
func (p *peer) leave() {
	p.fail(errClosedByPeer)
	_ = p.CloseAndWait()
}

// path returns the addresses of the selected pair and the types of its candidates.
func (p *peer) path() string {
	s := p.Stats()
	return fmt.Sprintf("%v (%v) to %v (%v)", s.Local.Addr, s.Local.Type, s.Remote.Addr, s.Remote.Type)
}
