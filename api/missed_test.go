package rtc

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recordStates sets the state callbacks of a connection to functions that record.
func (r *recorder) recordStates(pc *PeerConnection) {
	pc.OnStateChange(func(s State) { r.add("state " + s.String()) })
	pc.OnICEStateChange(func(s ICEState) { r.add("ice " + s.String()) })
	pc.OnGatheringStateChange(func(s GatheringState) { r.add("gathering " + s.String()) })
	pc.OnSignalingStateChange(func(s SignalingState) { r.add("signaling " + s.String()) })
}

// State callbacks that are set late are called once with the present state, and then for each
// change.
func TestLateStateCallbacks(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, s *simulation) {
		var fresh recorder
		fresh.recordStates(s.a)
		pause(time.Second)
		require.Empty(t, fresh.all(), "nothing has changed")

		s.connect("x", nil)
		s.settled()
		synctest.Wait()
		var r recorder
		r.recordStates(s.b)
		synctest.Wait()
		require.ElementsMatch(t, []string{"state connected", "ice completed", "gathering complete", "signaling stable"}, r.all())
		r.recordStates(s.b)
		synctest.Wait()
		require.Len(t, r.all(), 4, "once")
		require.NoError(t, s.a.Close())
		_, err := s.b.Wait(t.Context(), StateClosed)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"ice closed", "state closed"}, r.all()[4:])
	})
}

// Setting nil discards the missed events until then, but not later ones.
func TestNilForgetsMissedStates(t *testing.T) {
	inSimulation(t, 2, place{}, func(t *testing.T, s *simulation) {
		s.connect("x", nil)
		synctest.Wait()
		s.b.OnStateChange(nil)
		var r recorder
		s.b.OnStateChange(func(s State) { r.add(s.String()) })
		synctest.Wait()
		require.Empty(t, r.all())
		s.b.OnStateChange(nil)
		require.NoError(t, s.b.Shutdown(t.Context()))
		synctest.Wait()
		s.b.OnStateChange(func(s State) { r.add(s.String()) })
		synctest.Wait()
		require.Equal(t, []string{"closed"}, r.all())
	})
}

// A change whose event is still queued when the callback is set is delivered as usual, and replaces
// the missed one.
func TestLateStateCallbackBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pc := newConnection(t, Configuration{BindAddress: "127.0.0.1"})
		push := func(s ICEState) {
			pc.mu.Lock()
			defer pc.mu.Unlock()
			pc.setICEState(s)
		}
		push(ICEStateChecking)
		synctest.Wait() // the event is missed
		var r recorder
		hold, held := make(chan struct{}), make(chan struct{})
		pc.OnStateChange(func(State) {
			close(held)
			<-hold
		})
		pc.mu.Lock()
		pc.setState(StateConnecting)
		pc.mu.Unlock()
		<-held
		push(ICEStateConnected)
		push(ICEStateCompleted)
		pc.OnICEStateChange(func(s ICEState) { r.add(s.String()) })
		close(hold)
		synctest.Wait()
		require.Equal(t, []string{"connected", "completed"}, r.all())
		require.NoError(t, pc.CloseAndWait())
	})
}

// descriptions and candidates set the callbacks of a connection to functions that record.
func (r *recorder) descriptions(pc *PeerConnection) {
	pc.OnLocalDescription(func(d SessionDescription) {
		r.add(fmt.Sprintf("%v with %d candidates", d.Type, strings.Count(d.SDP, "\na=candidate:")))
	})
}

func (r *recorder) candidates(pc *PeerConnection) {
	pc.OnLocalCandidate(func(c Candidate) {
		_, address, _ := strings.Cut(c.Candidate, " typ ")
		r.add(fmt.Sprintf("%.10s of %s: %.4s", c.Candidate, c.Mid, address))
	})
}

var unconnectedTwice = place{unconnected: true, interfaces: twoInterfaces()}

// A description that is delivered late contains the candidates found by then.
func TestLateDescription(t *testing.T) {
	inSimulation(t, 3, unconnectedTwice, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		pause(time.Second)
		var r recorder
		r.descriptions(s.a)
		r.candidates(s.a)
		synctest.Wait()
		require.Equal(t, []string{"offer with 2 candidates"}, r.all())
		r.descriptions(s.a)
		r.candidates(s.a)
		synctest.Wait()
		require.Len(t, r.all(), 1, "once")
	})
}

// Candidates are delivered late in their order, and after a description that was not missed.
func TestLateCandidates(t *testing.T) {
	candidates := []string{"candidate: of 0: host", "candidate: of 0: host"}
	inSimulation(t, 4, unconnectedTwice, func(t *testing.T, s *simulation) {
		var r recorder
		r.descriptions(s.a)
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		pause(time.Second)
		r.candidates(s.a)
		synctest.Wait()
		require.Equal(t, append([]string{"offer with 0 candidates"}, candidates...), r.all())
	})
	inSimulation(t, 5, unconnectedTwice, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		pause(time.Second)
		var r recorder
		r.candidates(s.a)
		synctest.Wait()
		r.descriptions(s.a)
		synctest.Wait()
		require.Equal(t, append(candidates, "offer with 2 candidates"), r.all())
	})
	// Some of them are queued while a callback runs.
	inSimulation(t, 6, unconnectedTwice, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		pause(time.Second)
		s.a.mu.Lock()
		require.EqualValues(t, 2, s.a.missed.candidates)
		ufrag, _ := s.a.transport.ice.Agent().LocalCredentials()
		require.True(t, s.a.negotiation.machine.AddLocalCandidate(ufrag, "candidate:9 1 udp 1 192.0.2.1 9 typ host"))
		s.a.queue.push(event{target: s.a, kind: eventCandidate, text: "candidate:9 1 udp 1 192.0.2.1 9 typ host", text2: "0"})
		var waiting []event
		s.a.onCandidate = func(Candidate) {}
		waiting = s.a.takeMissed(eventCandidate)
		s.a.mu.Unlock()
		require.Len(t, waiting, 2)
		for _, e := range waiting {
			require.NotContains(t, e.text, "192.0.2.1", "it is delivered by the event that waits")
		}
	})
}

// A description that the other side must have received is not delivered late.
func TestLateDescriptionThatIsOutOfDate(t *testing.T) {
	inSimulation(t, 7, unconnectedTwice, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		offer, err := s.a.GatherComplete(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.b.SetRemoteDescription(offer))
		answer, err := s.b.GatherComplete(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		var a, b recorder
		b.descriptions(s.b)
		synctest.Wait()
		require.Equal(t, []string{"answer with 2 candidates"}, b.all())
		s.b.OnLocalDescription(nil)

		require.NoError(t, s.a.SetRemoteDescription(answer))
		a.descriptions(s.a)
		synctest.Wait()
		require.Empty(t, a.all(), "the offer has been answered")
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.NoError(t, err)

		// The answer to an ICE restart is a new description.
		require.NoError(t, s.a.RestartICE())
		offer, err = s.a.GatherComplete(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.b.SetRemoteDescription(offer))
		_, err = s.b.GatherComplete(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		b.descriptions(s.b)
		synctest.Wait()
		require.Equal(t, []string{"answer with 2 candidates"}, b.all()[1:])
	})
	// After the connection is established, the answer is not delivered late either.
	inSimulation(t, 9, place{unconnected: true}, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		offer, err := s.a.GatherComplete(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.b.SetRemoteDescription(offer))
		answer, err := s.b.GatherComplete(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.a.SetRemoteDescription(answer))
		_, err = s.b.Wait(t.Context(), StateConnected)
		require.NoError(t, err)
		var b recorder
		b.descriptions(s.b)
		synctest.Wait()
		require.Empty(t, b.all())
	})
}
