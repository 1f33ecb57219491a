package rtc

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitForAState(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, s *simulation) {
		results := make(chan State)
		for _, states := range [][]State{{StateConnected}, {StateFailed, StateConnected}, {StateConnecting}} {
			go func() {
				state, err := s.a.Wait(t.Context(), states...)
				if err != nil {
					t.Error(err)
				}
				results <- state
			}()
		}
		synctest.Wait()
		state, err := s.a.Wait(t.Context(), StateFailed, StateNew)
		require.NoError(t, err)
		require.Equal(t, StateNew, state)

		_, err = s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		require.Equal(t, []State{StateConnecting, StateConnected, StateConnected}, []State{<-results, <-results, <-results})
		state, err = s.b.Wait(t.Context(), StateConnected)
		require.NoError(t, err)
		require.Equal(t, StateConnected, state)
		require.Nil(t, s.a.changed, "nobody waits")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.a.Wait(ctx, StateFailed)
		require.EqualError(t, err, "rtc: wait: context deadline exceeded")
		require.ErrorIs(t, err, ErrFailure)
		_, err = s.a.Wait(ctx, StateConnected)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the context has ended")
		_, err = s.a.Wait(t.Context())
		require.ErrorIs(t, err, ErrInvalid)
	})
}

// Wait returns when the state cannot be reached any more; the error contains the reason.
func TestWaitForAnUnreachableState(t *testing.T) {
	inSimulation(t, 2, place{}, func(t *testing.T, s *simulation) {
		s.connect("x", nil)
		wait := func(pc *PeerConnection, states ...State) chan error {
			result := make(chan error, 1)
			go func() {
				_, err := pc.Wait(t.Context(), states...)
				result <- err
			}()
			synctest.Wait()
			return result
		}
		failedA, closedA := wait(s.a, StateFailed), wait(s.a, StateClosed)
		failedB, closedB := wait(s.b, StateFailed, StateDisconnected), wait(s.b, StateClosed)
		began := time.Now()
		require.NoError(t, s.a.Close())
		err := <-failedA
		require.Zero(t, time.Since(began), "the end of the wait is the beginning of closing")
		require.ErrorIs(t, err, net.ErrClosed)
		require.EqualError(t, err, "rtc: wait: closed")
		require.NoError(t, <-closedA)
		err = <-failedB
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, err, ErrFailure)
		require.EqualError(t, err, "rtc: wait: closed by the peer")
		require.NoError(t, <-closedB)
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// During an ICE restart Wait waits for a connection in StateFailed whose path was lost.
func TestWaitForARestart(t *testing.T) {
	inSimulation(t, 3, place{}, func(t *testing.T, s *simulation) {
		s.connect("x", nil)
		restore := s.loseAll()
		_, err := s.a.Wait(t.Context(), StateFailed)
		require.NoError(t, err)
		_, err = s.a.Wait(t.Context(), StateConnected, StateConnecting)
		require.ErrorIs(t, err, ErrPathLost)
		restore()
		require.NoError(t, s.a.RestartICE())
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.NoError(t, err)

		s.loseAll()
		_, err = s.a.Wait(t.Context(), StateDisconnected)
		require.NoError(t, err)
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.ErrorIs(t, err, ErrPathLost, "the state became failed meanwhile")

		// The connection ends during a restart; the state remains StateFailed.
		require.NoError(t, s.a.RestartICE())
		result := make(chan error, 1)
		go func() {
			_, err := s.a.Wait(t.Context(), StateConnected)
			result <- err
		}()
		synctest.Wait()
		s.a.lock()
		s.a.finish(StateFailed, failuref("something else"))
		s.a.unlock()
		require.EqualError(t, <-result, "rtc: wait: something else")
	})
}

// Two programs without trickle ICE exchange one description each.
func TestGatherComplete(t *testing.T) {
	inSimulation(t, 4, place{unconnected: true}, func(t *testing.T, s *simulation) {
		early := make(chan SessionDescription, 1)
		go func() {
			d, err := s.a.GatherComplete(t.Context())
			if err != nil {
				t.Error(err)
			}
			early <- d
		}()
		synctest.Wait()
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		offer, err := s.a.GatherComplete(t.Context())
		require.NoError(t, err)
		require.Equal(t, offer, <-early)
		require.Equal(t, DescriptionOffer, offer.Type)
		require.Contains(t, offer.SDP, "a=end-of-candidates")
		require.Equal(t, 1, strings.Count(offer.SDP, "a=candidate:"))
		require.NoError(t, s.b.SetRemoteDescription(offer))
		answer, err := s.b.GatherComplete(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.a.SetRemoteDescription(answer))
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.NoError(t, err)
	})
	inSimulation(t, 5, place{}, func(t *testing.T, s *simulation) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.a.GatherComplete(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.AfterFunc(time.Second, func() { _ = s.a.Close() })
		_, err = s.a.GatherComplete(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
