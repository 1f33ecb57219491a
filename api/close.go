package rtc

import (
	"cmp"
	"context"
	"time"
)

// closeState is the end of a connection: what Close waits for, and what is left.
type closeState struct {
	linger   *lingering // while closing, until ended
	by       time.Time  // when the peer is not waited for any longer
	shutdown bool       // the association was told to shut down
	patient  bool       // Shutdown was called: there is no closeTimeout
	reason   error      // why the peer's end of the connection was not in order
	cause    error      // after the end: its reason, nil if the peer has closed the connection in order
	done     chan struct{}
}

// lingering is what Close waits by.
type lingering struct {
	began   time.Time
	unacked int       // bytes that the peer has not acknowledged
	acked   time.Time // when it acknowledged some of them last
	open    time.Time // when its receive window was open last
}

// Close closes the connection and returns at once; a second Close succeeds. While connected, what is buffered is sent
// first. Then both sides are closed, and OnStateChange is called with StateClosed. The peer is given up before that when it
// acknowledges nothing for 3 seconds, when it does not read, so that its receive window is closed for 10 seconds, and after 2
// minutes in any case. From then on Stats().Undelivered is the number of bytes that the peer has not acknowledged, 0 if it has
// everything.
func (pc *PeerConnection) Close() error {
	if pc.isZero() {
		return nil
	}
	pc.lock()
	defer pc.unlock()
	pc.beginClosing()
	return nil
}

// CloseAndWait closes the connection at once: it drops what is buffered and notifies the peer. When it returns no
// callback of the connection or its channels runs or will run, except the one that it is called from, and all
// sockets and goroutines are gone. Stats().Undelivered is the number of bytes that were dropped. To send what is buffered
// first, call Close and wait for StateClosed. Two callbacks of two connections that each close the other one with
// CloseAndWait wait for each other for ever.
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
		dc.revoke() // inside its OnMessage: that is the last one
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

// Shutdown closes the connection like Close and returns when it is closed. It returns nil if the peer has acknowledged
// all bytes that were sent, otherwise an [*UndeliveredError] with the number of those that it has not, which is
// Stats().Undelivered. The peer is given up as with Close, but for the limit of 2 minutes: as long as it acknowledges
// data, ctx is the limit. When ctx ends first, the connection is closed at once, what is buffered is dropped, and the
// error matches ctx.Err and context.Cause(ctx), too. All errors are ErrFailure.
//
// Acknowledged means that the peer's SCTP association has the data, not that its program has read it. Callbacks may
// still be called after Shutdown has returned; CloseAndWait ends them. Shutdown may be called from a callback, from
// several goroutines, and after Close; on a connection that has ended it returns the same again.
func (pc *PeerConnection) Shutdown(ctx context.Context) error {
	if pc.isZero() {
		return errZero
	}
	pc.lock()
	pc.ending.patient = true
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

func (pc *PeerConnection) beginClosing() {
	defer pc.notify()
	switch {
	case pc.ended:
		pc.closed() // it may have failed before
	case pc.closing:
	case pc.transport.up && (pc.iceState == ICEStateConnected || pc.iceState == ICEStateCompleted):
		pc.closing = true
		pc.channels.beginClosing()
		pc.ending.linger = &lingering{began: pc.now, unacked: pc.unsent(), acked: pc.now, open: pc.now}
		pc.ending.by = pc.now.Add(pc.tuning.closeLinger)
	default:
		pc.closing = true
		pc.finish(StateClosed, nil)
	}
}

// unsent returns how much the peer has not acknowledged, in bytes.
func (pc *PeerConnection) unsent() int {
	return pc.transport.unacknowledged() + pc.channels.buffered()
}

// continueClosing waits for what is buffered while the peer takes it, then shuts the association down. It reports
// whether it did something.
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
	e.by = earlier(l.acked.Add(tune.closeLinger), l.open.Add(tune.closeStall))
	if !e.patient {
		e.by = earlier(e.by, l.began.Add(tune.closeTimeout))
	}
	if e.shutdown || pc.channels.sending() {
		return false
	}
	e.shutdown = true
	pc.transport.sctp.Shutdown(pc.now)
	return true
}

// finish ends the connection, in StateClosed or StateFailed: the channels close, with an error if there is one, and the
// transports are let go of. It may be called in the middle of any input; its callers look at ended afterwards.
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
	owed := pc.unsent()
	if owed > 0 {
		pc.log.Warn("connection ended before everything was acknowledged", "bytes", owed)
		pc.counters.undelivered += owed
	}
	pc.transport.endAssociation(owed == 0 && !pc.ending.shutdown)
	pc.channels.end(err, reason)
	pc.ending.by = time.Time{}
	if pc.timer != nil {
		pc.timer.Stop()
	}
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

// closed moves the states to their end.
func (pc *PeerConnection) closed() {
	if pc.transport.ice != nil {
		pc.setICEState(ICEStateClosed)
	}
	pc.setState(StateClosed)
}

// closedByPeer ends the connection because the peer has ended it. inOrder says that everything has arrived that the peer sent.
func (pc *PeerConnection) closedByPeer(inOrder bool, cause error) {
	if !inOrder {
		pc.ending.reason = cutByPeer(cause)
	}
	pc.finish(StateClosed, nil)
}

// end closes a channel whose connection has ended for that reason; nil: the peer has closed it in order.
func (dc *DataChannel) end(err, reason error) {
	dc.settleCount()
	dc.dropOutbox()
	if dc.ending == nil && !dc.peerReset {
		dc.ending = reason
	}
	dc.closed(err)
}
