package rtc

import (
	"context"
	"slices"
)

// Wait blocks until the connection is in one of the states, and returns that state. It returns at once if it is in one
// already. A state that it was in only for a moment may be missed.
//
// The error is ErrFailure and says why, when none of the states can be reached any more: when the connection is closing
// or closed, and when it is in StateFailed and no negotiation is under way that could find another path (the error
// matches ErrPathLost then). StateClosed can always be reached. The error matches io.EOF when the peer has closed the
// connection, net.ErrClosed when this side has, and ctx.Err and context.Cause(ctx) when ctx has ended, even if the
// connection is in one of the states. Without states it is ErrInvalid.
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

// unreachable returns why the connection, which is in none of the states, will be in none of them; nil if it may be.
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

// endedError returns why a closing connection is of no use any more.
func (pc *PeerConnection) endedError() error {
	switch {
	case !pc.ended:
		return errClosed
	case pc.ending.cause == nil:
		return errClosedByPeer
	}
	return pc.ending.cause
}

// GatherComplete waits until all candidates of the local description are known, and returns the description with them.
// Programs without trickle ICE send that to the other side, instead of what OnLocalDescription and OnLocalCandidate are
// called with. It waits for the description, too, if none is set yet: CreateDataChannel makes an offer and
// SetRemoteDescription an answer, unless DisableAutoNegotiation is set.
//
// The error is ErrFailure. It matches io.EOF or net.ErrClosed when the connection was closed, by the peer or by this
// side, and ctx.Err and context.Cause(ctx) when ctx has ended. A STUN server that does not answer delays the end of
// gathering by seconds.
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

// await calls look, with the mutex held, at first and after each change of a state, until it reports the end of the wait or
// returns an error.
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

// notify wakes all who wait for a state. It is called with the mutex held.
func (pc *PeerConnection) notify() {
	if pc.changed != nil {
		close(pc.changed)
		pc.changed = nil
	}
}
