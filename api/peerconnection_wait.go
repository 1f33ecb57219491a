package rtc

import (
	"context"
	"slices"
)

// Wait blocks until the connection is in one of the states, and returns that state. If it is in one
// of them already, Wait returns at once. Wait may miss a state that lasts only for a moment.
//
// The error is ErrFailure if none of the states can be reached any more, and wraps the reason:
//   - io.EOF if the peer has closed the connection, net.ErrClosed if this side has, or the cause of
//     the failure that has ended the connection; StateClosed can still be reached then;
//   - ErrPathLost if the connection is in StateFailed and no negotiation is under way that may find
//     another path.
//
// If ctx has ended, the error matches ctx.Err and context.Cause(ctx), even if the connection is in
// one of the states. Without states the error is ErrInvalid.
func (pc *PeerConnection) Wait(ctx context.Context, states ...State) (State, error) {
	if len(states) == 0 {
		return pc.State(), invalidf("wait: no state is given")
	}
	if pc.isZero() {
		if slices.Contains(states, StateClosed) {
			return StateClosed, nil
		}
		return StateClosed, errZero
	}
	var now State
	err := pc.await(ctx, func() (bool, error) {
		now = pc.state
		if slices.Contains(states, now) {
			return true, nil
		}
		return false, pc.unreachable(states)
	})
	return now, err
}

// unreachable returns the reason that the connection, which is in none of the states, cannot reach
// any of them; nil if it may reach one.
func (pc *PeerConnection) unreachable(states []State) error {
	negotiating := pc.signalingState != SignalingStateStable || pc.negotiation.machine.NegotiationNeeded()
	switch {
	case slices.Contains(states, StateClosed):
		return nil
	case pc.closing:
		return pc.endedError()
	case pc.state == StateFailed && !negotiating:
		return ErrPathLost
	}
	return nil
}

// endedError returns the reason that the connection is closing or closed.
func (pc *PeerConnection) endedError() error {
	switch {
	case !pc.ended:
		return errClosed
	case pc.ending.cause == nil:
		return errClosedByPeer
	}
	return pc.ending.cause
}

// GatherComplete waits until all candidates of the local description are gathered, and returns the
// description with them. A program without trickle ICE delivers that to the other side, instead of
// setting OnSignal. If no local description is set yet, GatherComplete also waits for that:
// CreateDataChannel makes an offer and SetRemoteDescription an answer, unless
// DisableAutoNegotiation is set. A STUN server that does not answer delays the end of gathering by
// seconds.
//
// The error is ErrFailure. It matches io.EOF if the peer has closed the connection, net.ErrClosed
// if this side has, and ctx.Err and context.Cause(ctx) if ctx has ended.
func (pc *PeerConnection) GatherComplete(ctx context.Context) (d SessionDescription, err error) {
	if pc.isZero() {
		return d, errZero
	}
	err = pc.await(ctx, func() (bool, error) {
		if pc.closing {
			return false, pc.endedError()
		}
		if pc.gatheringState != GatheringStateComplete {
			return false, nil
		}
		local, ok := pc.negotiation.machine.Local() // none after a rollback
		d, _ = described(local, ok)
		return ok, nil
	})
	return d, err
}

// await calls look, with the mutex held, at first and after each change of a state, until it
// reports done or returns an error.
func (pc *PeerConnection) await(ctx context.Context, look func() (done bool, err error)) error {
	for {
		if isDone(ctx.Done()) {
			return contextError(ctx, "wait")
		}
		pc.mu.Lock()
		done, err := look()
		if done || err != nil {
			pc.mu.Unlock()
			if err != nil {
				err = wrapError(ErrFailure, err, "wait")
			}
			return err
		}
		if pc.changed == nil {
			pc.changed = make(chan struct{})
		}
		changed := pc.changed
		pc.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// notify wakes all goroutines that wait for a state. It is called with the mutex held.
func (pc *PeerConnection) notify() {
	if pc.changed != nil {
		close(pc.changed)
		pc.changed = nil
	}
}
