package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// partingTime bounds the end of a connection, until the other side has acknowledged all data and
// the close.
const partingTime = 5 * time.Second

var (
	errNoPath = errors.New("the other side was not reached in time")
	errLost   = errors.New("the connection was lost")
	errParted = errors.New("the other side closed the connection before the transfer was complete")
)

// peer is a connection, and a context that ends when the connection is of no use any more. All
// waits for the other side end with it.
type peer struct {
	*rtc.PeerConnection
	ctx     context.Context
	fail    context.CancelCauseFunc // ends the context, and says why
	reached atomic.Bool             // the other side has been reached, once at least
}

// newPeer makes a connection. It must be ended by part or leave.
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
			p.fail(errParted)
		}
	})
	return p, nil
}

// waitFor receives a value from a callback, or returns the cause of the context's end.
func waitFor[T any](ctx context.Context, c <-chan T) (T, error) {
	select {
	case v := <-c:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// part closes the connection after all data has arrived.
func (p *peer) part() {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	_ = p.Shutdown(ctx)
	p.leave()
}

// leave closes the connection at once.
func (p *peer) leave() {
	p.fail(errParted)
	_ = p.CloseAndWait()
}

// path says between which addresses the connection is, and how each was found.
func (p *peer) path() string {
	s := p.Stats()
	return fmt.Sprintf("%v (%v) to %v (%v)", s.Local.Addr, s.Local.Type, s.Remote.Addr, s.Remote.Type)
}
