package rtc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// channelEnd records the end of a channel.
type channelEnd struct {
	recorder
	dc *DataChannel
}

// recordEnding sets the callbacks for the end of a channel.
func recordEnding(dc *DataChannel) *channelEnd {
	e := &channelEnd{dc: dc}
	dc.OnError(func(err error) { e.add(err.Error()) })
	dc.OnClosed(func() { e.add("closed") })
	return e
}

// wantReplaced checks that the channel has closed because its association was replaced.
func (e *channelEnd) wantReplaced(t *testing.T) {
	t.Helper()
	e.want(t, errReplaced)
}

// want checks that the channel has closed for a reason.
func (e *channelEnd) want(t *testing.T, reason error) {
	t.Helper()
	require.Equal(t, []string{reason.Error(), "closed"}, e.all())
	require.True(t, e.dc.IsClosed())
	require.ErrorIs(t, e.dc.SendText("late"), reason)
	_, err := e.dc.ReadMessage(t.Context())
	require.ErrorIs(t, err, reason)
	require.ErrorIs(t, err, ErrFailure)
}

// connectManually opens a channel from a to b. Both make no descriptions by themselves.
func (s *simulation) connectManually(edit func(SessionDescription) SessionDescription) *DataChannel {
	s.t.Helper()
	accepted := make(chan *DataChannel, 1)
	s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
	x, err := s.a.CreateDataChannel("x", nil)
	require.NoError(s.t, err)
	s.negotiate(edit)
	wantTraffic(s.t, x, receive(s.t, accepted, "channel"))
	return x
}

// negotiate delivers an offer of a and the answer of b, each as edit returns it.
func (s *simulation) negotiate(edit func(SessionDescription) SessionDescription) {
	s.t.Helper()
	if edit == nil {
		edit = func(d SessionDescription) SessionDescription { return d }
	}
	require.NoError(s.t, s.a.SetLocalDescription(DescriptionOffer))
	require.NoError(s.t, s.b.SetRemoteDescription(edit(gatheredDescription(s.net.t, s.a))))
	require.NoError(s.t, s.b.SetLocalDescription(DescriptionAnswer))
	require.NoError(s.t, s.a.SetRemoteDescription(edit(gatheredDescription(s.net.t, s.b))))
}

// wantNewChannels checks that two connections open channels to each other in both directions, and
// that these carry messages.
func wantNewChannels(t *testing.T, pcs ...*PeerConnection) {
	t.Helper()
	for i, from := range pcs {
		p := &pair{t: t, a: from, b: pcs[1-i]}
		x, y := p.connect([]string{"from the first", "from the second"}[i], nil)
		wantTraffic(t, x, y)
	}
}

// The peer's program is started again, and its offer has another certificate. The connection
// connects to the new program without further calls, also if the path to the old one was lost. Its
// channels close with an error, and new ones open in both directions.
func TestPeerIsStartedAgain(t *testing.T) {
	for _, state := range []State{StateConnected, StateDisconnected, StateFailed} {
		for side := range 2 {
			netsim.Seeds(t, 3, func(t *testing.T, seed uint64) {
				inSimulation(t, seed, place{}, func(t *testing.T, s *simulation) {
					a, b := s.connect("x", nil)
					s.settled()
					wantTraffic(t, a, b)
					pause(time.Second) // all messages are acknowledged
					pc, dc, host := []*PeerConnection{s.a, s.b}[side], []*DataChannel{a, b}[side], s.hosts[1-side]
					s.hosts[1-side].Detach(0, true)
					host.Attach(netsim.Interface{Addr: address(1 - side), Up: hostLink, Down: hostLink})
					s.await(time.Minute, state.String(), func() bool { return pc.State() == state })
					if state != StateFailed {
						require.NoError(t, dc.SendText("never arrives"))
					}
					h, e := recordStates(pc), recordEnding(dc)

					anew := s.net.connectionOn(host, Configuration{}, tuning{})
					s.wires[0].carry(t, pc, anew)
					s.wires[1].carry(t, anew, pc)
					wantNewChannels(t, anew, pc)
					e.wantReplaced(t)
					require.Equal(t, []State{StateConnecting, StateConnected}, h.all())
					require.Equal(t, 1, pc.Stats().Channels-1)
					if state != StateFailed {
						require.Equal(t, len("never arrives"), pc.Stats().Undelivered)
					}
					require.Equal(t, anew.transport.identity.certificate.Certificate[0], pc.transport.dtls.PeerCertificate())

					// A restart and the end work with the new peer, too.
					require.NoError(t, pc.RestartICE())
					pause(time.Second)
					require.True(t, agree(pc, anew))
					require.NoError(t, anew.Close())
					s.await(10*time.Second, "closed", func() bool { return pc.State() == StateClosed && anew.State() == StateClosed })
				})
			})
		}
	}
}

// A program that was started again answers an offer to the old one, and the offer does not restart
// ICE. The connection connects to the new program as long as its ICE session continues. In
// StateFailed the answer is an error that changes nothing, and an ICE restart helps.
func TestNewPeerAnswersAnOfferWithoutARestart(t *testing.T) {
	for _, state := range []State{StateConnected, StateDisconnected, StateFailed} {
		netsim.Seeds(t, 3, func(t *testing.T, seed uint64) {
			inSimulation(t, seed, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
				x := s.connectManually(nil)
				pause(time.Second) // all messages are acknowledged
				s.hosts[1].Detach(0, true)
				s.hosts[1].Attach(netsim.Interface{Addr: address(1), Up: hostLink, Down: hostLink})
				s.await(time.Minute, state.String(), func() bool { return s.a.State() == state })
				require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
				c := s.net.connectionOn(s.hosts[1], manual, tuning{})
				h, e := recordStates(s.a), recordEnding(x)
				if state == StateFailed {
					require.NoError(t, c.SetRemoteDescription(must(s.a.LocalDescription())))
					require.NoError(t, c.SetLocalDescription(DescriptionAnswer))
					answer, before := gatheredDescription(t, c), must(s.a.RemoteDescription())
					err := s.a.SetRemoteDescription(answer)
					wantClass(t, err, ErrFailure)
					require.ErrorContains(t, err, "restarts ICE")
					pause(time.Second)
					require.Equal(t, StateFailed, s.a.State())
					require.Equal(t, SignalingStateHaveLocalOffer, s.a.SignalingState())
					require.Equal(t, before, must(s.a.RemoteDescription()))
					require.Empty(t, h.all())
					require.Empty(t, e.all())
					require.ErrorIs(t, x.SendText("lost"), ErrPathLost)

					require.NoError(t, s.a.SetLocalDescription(DescriptionRollback))
					require.NoError(t, s.a.RestartICE())
					require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
				}
				require.NoError(t, c.SetRemoteDescription(gatheredDescription(t, s.a)))
				require.NoError(t, c.SetLocalDescription(DescriptionAnswer))
				require.NoError(t, s.a.SetRemoteDescription(gatheredDescription(t, c)))
				wantNewChannels(t, s.a, c)
				e.wantReplaced(t)
				require.Equal(t, []State{StateConnecting, StateConnected}, h.all())
				require.Equal(t, c.transport.identity.certificate.Certificate[0], s.a.transport.dtls.PeerCertificate())
			})
		})
	}
}

// Two peers receive one offer. The first one answers it provisionally and is connected; then the
// second one answers it finally, with another certificate. The connection connects to the second
// one.
func TestAnotherPeerAnswersAfterAProvisionalOne(t *testing.T) {
	netsim.Seeds(t, 5, func(t *testing.T, seed uint64) {
		inSimulation(t, seed, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
			c := s.net.connection(manual)
			accepted, later := make(chan *DataChannel, 1), make(chan *DataChannel, 1)
			s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
			c.OnDataChannel(func(dc *DataChannel) { later <- dc })
			x, err := s.a.CreateDataChannel("x", nil)
			require.NoError(t, err)
			require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
			offer := gatheredDescription(t, s.a)
			require.NoError(t, s.b.SetRemoteDescription(offer))
			require.NoError(t, s.b.SetLocalDescription(DescriptionPranswer))
			require.NoError(t, s.a.SetRemoteDescription(gatheredDescription(t, s.b)))
			wantTraffic(t, x, receive(t, accepted, "channel at the first peer"))
			require.Equal(t, SignalingStateHaveRemotePranswer, s.a.SignalingState())
			h, e := recordStates(s.a), recordEnding(x)

			require.NoError(t, c.SetRemoteDescription(offer))
			require.NoError(t, c.SetLocalDescription(DescriptionAnswer))
			require.NoError(t, s.a.SetRemoteDescription(gatheredDescription(t, c)))
			require.Equal(t, SignalingStateStable, s.a.SignalingState())
			pause(time.Second)
			e.wantReplaced(t)
			require.Equal(t, []State{StateConnecting, StateConnected}, h.all())
			require.Empty(t, later, "x was a channel to the first peer")
			wantNewChannels(t, s.a, c)
			require.Equal(t, c.transport.identity.certificate.Certificate[0], s.a.transport.dtls.PeerCertificate())
			require.Equal(t, must(c.LocalAddr()), must(s.a.RemoteAddr()))
		})
	})
}
