package rtc

import (
	"cmp"
	"context"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
)

// closeState is the state of the end of a connection.
type closeState struct {
	linger   *lingering // while closing, until ended
	by       time.Time  // the end of the wait for the peer
	shutdown bool       // the shutdown of the association has begun
	noLimit  bool       // Shutdown was called: closeTimeout does not apply
	reason   error      // why the peer has not closed the connection in order; nil: it has
	cause    error      // after the end: its reason; nil: the peer has closed the connection in order
	done     chan struct{}
}

// lingering measures the progress of closing.
type lingering struct {
	began   time.Time
	unacked int       // bytes that the peer has not acknowledged
	acked   time.Time // the last time that it acknowledged some of them
	open    time.Time // the last time that its receive window was open
}

// Close closes the connection and returns at once; a second Close succeeds. If the connection is
// established, the buffered messages are sent first. Then both sides are closed, and OnStateChange
// is called with StateClosed.
//
// Close stops waiting for the peer if that acknowledges nothing for 3 seconds, if its receive
// window is closed for 10 seconds because its program does not read, and after 2 minutes in any
// case. After the end Stats().Undelivered is the number of bytes that the peer has not
// acknowledged, 0 if it has everything; see also Shutdown.
func (pc *PeerConnection) Close() error {
	if pc.isZero() {
		return nil
	}
	pc.lock()
	defer pc.unlock()
	pc.beginClosing()
	return nil
}

// CloseAndWait closes the connection at once: it drops the buffered messages and notifies the peer.
// When it returns, no callback of the connection or its channels is running or will run, except the
// one that it is called from, all sockets are closed and all goroutines have ended.
// Stats().Undelivered is the number of bytes that were dropped. To send the buffered messages
// first, call Shutdown before it. If callbacks of two connections call CloseAndWait of each other's
// connection, both block for ever.
func (pc *PeerConnection) CloseAndWait() error {
	if pc.isZero() {
		return nil
	}
	pc.lock()
	pc.queue.stop()
	pc.closing = true
	pc.finish(StateClosed, nil)
	pc.closed()
	if dc, ok := pc.queue.target.(*DataChannel); ok {
		dc.revoke() // called inside its OnMessage: no further message is delivered
	}
	pc.unlock()
	<-pc.ending.done
	pc.mu.Lock()
	defer pc.mu.Unlock()
	for pc.queue.running && !pc.queue.inside() {
		pc.queue.changed.Wait()
	}
	return nil
}

// Shutdown closes the connection like Close, and returns when it is closed. It returns nil if the
// peer has acknowledged all bytes that were sent, otherwise an [*UndeliveredError] with the number
// of the others, which is Stats().Undelivered. The limits are those of Close, except for the 2
// minutes: as long as the peer acknowledges data, ctx is the limit. If ctx ends first, Shutdown
// closes the connection at once and drops the buffered messages, and the error also matches ctx.Err
// and context.Cause(ctx). All errors are ErrFailure.
//
// Acknowledged data has arrived at the peer's SCTP association; its program may not have read it.
// Callbacks may still be called after Shutdown has returned; CloseAndWait ends them. Shutdown may
// be called from a callback, from several goroutines, and after Close; on a connection that has
// ended it returns the result at once.
func (pc *PeerConnection) Shutdown(ctx context.Context) error {
	if pc.isZero() {
		return errZero
	}
	pc.lock()
	pc.ending.noLimit = true
	pc.beginClosing()
	pc.unlock()
	var late error // of ctx
	select {
	case <-pc.ending.done:
	case <-ctx.Done():
		late = contextError(ctx, "shutdown")
	}
	pc.lock()
	defer pc.unlock()
	if pc.ended {
		late = nil
	} else {
		pc.finish(StateClosed, nil)
	}
	if n := pc.counters.undelivered; n > 0 {
		return &UndeliveredError{Bytes: n, cause: late}
	}
	return late
}

// beginClosing begins to close the connection, or closes it if there is no path to the peer.
func (pc *PeerConnection) beginClosing() {
	defer pc.notify()
	switch {
	case pc.ended:
		pc.closed() // it may have failed before
	case pc.closing:
	case pc.transport.up && pc.pathWorks():
		pc.closing = true
		pc.channels.beginClosing()
		pc.ending.linger = &lingering{began: pc.now, unacked: pc.unsent(), acked: pc.now, open: pc.now}
		pc.ending.by = pc.now.Add(pc.tuning.closeLinger)
	default:
		pc.closing = true
		pc.finish(StateClosed, nil)
	}
}

// unsent returns the number of bytes that the peer has not acknowledged.
func (pc *PeerConnection) unsent() int {
	return pc.transport.unacknowledged() + pc.channels.buffered()
}

// continueClosing updates the limit of the wait for the peer, and begins the shutdown of the
// association when all messages are passed to it. It reports whether the shutdown has begun with
// this call.
func (pc *PeerConnection) continueClosing() bool {
	e, tune := &pc.ending, pc.tuning
	l := e.linger
	n := pc.unsent()
	if n < l.unacked {
		l.unacked, l.acked = n, pc.now
	}
	if n == 0 || pc.transport.sctp.Stats().PeerWindow > 0 {
		l.open = pc.now
	}
	e.by = deadline.Earlier(l.acked.Add(tune.closeLinger), l.open.Add(tune.closeStall))
	if !e.noLimit {
		e.by = deadline.Earlier(e.by, l.began.Add(tune.closeTimeout))
	}
	if e.shutdown || pc.channels.sending() {
		return false
	}
	e.shutdown = true
	pc.transport.sctp.Shutdown(pc.now)
	return true
}

// finish ends the connection, in StateClosed or StateFailed: it closes the channels, with an error
// if there is one, and releases the transport. It may be called in the middle of any input; its
// callers check ended afterwards.
func (pc *PeerConnection) finish(state State, err error) {
	if pc.ended {
		return
	}
	if err != nil {
		pc.log.Error("connection", "error", err)
	}
	reason := cmp.Or(err, pc.ending.reason)
	if pc.closing && err == nil {
		reason = errClosed
	}
	pc.closing, pc.ended, pc.ending.cause = true, true, reason
	pc.notify()
	unsent := pc.unsent()
	if unsent > 0 {
		pc.log.Warn("connection ended before everything was acknowledged", "bytes", unsent)
		pc.counters.undelivered += unsent
	}
	pc.transport.endAssociation(unsent == 0 && !pc.ending.shutdown)
	pc.channels.end(err, reason)
	pc.ending.by = time.Time{}
	if pc.timer != nil {
		pc.timer.Stop()
	}
	pc.queue.stay(false)
	pc.transport.stop()
	if state == StateClosed {
		pc.closed()
	} else {
		pc.setState(state)
	}
	if pc.transport.ice == nil {
		close(pc.ending.done)
		return
	}
	go func() {
		pc.transport.release()
		close(pc.ending.done)
	}()
}

// closed changes the states to closed.
func (pc *PeerConnection) closed() {
	if pc.transport.ice != nil {
		pc.setICEState(ICEStateClosed)
	}
	pc.setState(StateClosed)
}

// closedByPeer ends the connection because the peer has ended it. inOrder is set if all messages
// that the peer sent have arrived.
func (pc *PeerConnection) closedByPeer(inOrder bool, cause error) {
	if !inOrder {
		pc.ending.reason = abortedByPeer(cause)
	}
	pc.finish(StateClosed, nil)
}

// end closes a channel whose connection has ended for a reason; nil: the peer has closed it in
// order.
func (dc *DataChannel) end(err, reason error) {
	dc.settleCount()
	dc.dropOutbox()
	if dc.ending == nil && !dc.peerReset {
		dc.ending = reason
	}
	dc.closed(err)
}
