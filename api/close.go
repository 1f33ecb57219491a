package rtc

import (
	"time"

	"github.com/rtcstack/rtcstack/ice"
)

// Close closes the connection and returns at once; a second Close succeeds. While connected, what is buffered is sent
// first, as long as the peer acknowledges it; then both sides are closed, and OnStateChange says so.
func (pc *PeerConnection) Close() error {
	pc.lock()
	defer pc.unlock()
	pc.beginClosing()
	return nil
}

// CloseAndWait closes the connection at once: what is buffered is dropped, and the peer is told. When it returns no
// callback of the connection or its channels runs or will run, except the one that it is called from, and all
// sockets and goroutines are gone. To send what is buffered first, call Close and wait for StateClosed. Two callbacks of
// two connections that each close the other one with it wait for each other for ever.
func (pc *PeerConnection) CloseAndWait() error {
	pc.lock()
	pc.queue.stop()
	pc.finish(StateClosed, nil)
	pc.closed()
	if dc, ok := pc.queue.target.(*DataChannel); ok {
		dc.revoke() // inside its OnMessage: that is the last one
	}
	pc.unlock()
	<-pc.done
	pc.mu.Lock()
	defer pc.mu.Unlock()
	for pc.queue.running && !pc.queue.inside() {
		pc.queue.changed.Wait()
	}
	return nil
}

func (pc *PeerConnection) beginClosing() {
	switch {
	case pc.ended:
		pc.closed() // it may have failed before
	case pc.closing:
	case pc.channels.up && (pc.iceState == ICEStateConnected || pc.iceState == ICEStateCompleted):
		pc.closing = true
		for _, dc := range pc.channels.byStream {
			if dc.state == channelOpen {
				dc.state = channelClosing
				dc.wake()
			}
			dc.reconsider()
		}
		pc.unacked = pc.unsent()
		pc.closeBy = pc.now.Add(pc.tuning.closeLinger)
	default:
		pc.finish(StateClosed, nil)
	}
}

// unsent is how much the peer has not acknowledged, in bytes.
func (pc *PeerConnection) unsent() int {
	n := pc.sctp.BufferedAmount()
	for _, dc := range pc.channels.byStream {
		n += dc.buffered
	}
	return n
}

// continueClosing waits for what is buffered while the peer takes some of it, then shuts the association down. It
// tells whether it did something.
func (pc *PeerConnection) continueClosing() bool {
	if n := pc.unsent(); n < pc.unacked {
		pc.unacked = n
		pc.closeBy = pc.now.Add(pc.tuning.closeLinger)
	}
	if pc.shutdown {
		return false
	}
	for _, dc := range pc.channels.byStream {
		if dc.outbox.Len() > 0 {
			return false
		}
	}
	pc.shutdown = true
	pc.sctp.Shutdown(pc.now)
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
	pc.closing, pc.ended = true, true
	if pc.sctp != nil {
		pc.sctp.Abort(pc.now, "")
		pc.transmitSCTP() // the end of a shutdown, or the ABORT
	}
	pc.send()
	for _, dc := range pc.channels.byStream {
		dc.end(err)
	}
	for _, dc := range pc.channels.waiting {
		dc.end(err)
	}
	pc.channels.waiting, pc.channels.blocked = nil, nil
	pc.closeBy, pc.releaseAt, pc.completeAt = time.Time{}, time.Time{}, time.Time{}
	if pc.timer != nil {
		pc.timer.Stop()
	}
	pc.agents((*ice.Agent).Close)
	if state == StateClosed {
		pc.closed()
	} else {
		pc.setState(state)
	}
	if pc.agent == nil {
		close(pc.done)
		return
	}
	go pc.release()
}

// closed moves the states to their end.
func (pc *PeerConnection) closed() {
	if pc.agent != nil {
		pc.setICEState(ICEStateClosed)
	}
	pc.setState(StateClosed)
}

// end closes a channel whose connection has ended.
func (dc *DataChannel) end(err error) {
	dc.dropOutbox()
	dc.closed(err)
}

// release lets go of what cannot be let go of under the mutex, because callbacks of it take that.
func (pc *PeerConnection) release() {
	if pc.dtls != nil {
		pc.dtls.Close() // with a close_notify, which tells the peer
		pc.dtls.Wait()
	}
	if pc.gather.cancel != nil {
		pc.gather.cancel()
	}
	for _, s := range pc.gather.sockets {
		_ = s.Close()
	}
	pc.readers.Wait()
	close(pc.done)
}
