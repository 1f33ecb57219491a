package rtc

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withSCTPPort returns a function that replaces the SCTP port in a description.
func withSCTPPort(port string) func(SessionDescription) SessionDescription {
	return func(d SessionDescription) SessionDescription {
		d.SDP = strings.Replace(d.SDP, "a=sctp-port:5000\r\n", "a=sctp-port:"+port+"\r\n", 1)
		return d
	}
}

// RFC 8841, section 5.2: with a=sctp-port:0 there is no SCTP association. The first agreement has
// port 0, in the offer or only in the answer: ICE and DTLS connect, and the channel ends. The next
// one has a port, and begins an association.
func TestFirstAgreementWithoutSCTP(t *testing.T) {
	for _, onlyAnswer := range []bool{false, true} {
		inSimulation(t, 1, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
			x, err := s.a.CreateDataChannel("x", &DataChannelInit{ManualStream: true, Stream: 6})
			require.NoError(t, err)
			h, e := recordStates(s.a), recordEnding(x)
			s.negotiate(func(d SessionDescription) SessionDescription {
				if onlyAnswer && d.Type == DescriptionOffer {
					return d
				}
				require.Equal(t, !onlyAnswer && d.Type == DescriptionAnswer, strings.Contains(d.SDP, "a=sctp-port:0\r\n"))
				return withSCTPPort("0")(d)
			})
			pause(5 * time.Second)
			e.want(t, errNoAssociation)
			require.Equal(t, []State{StateConnecting, StateConnected}, h.all())
			require.Equal(t, ICEStateCompleted, s.a.ICEState())
			require.NotEmpty(t, s.a.Stats().CipherSuite)
			require.Zero(t, s.a.Stats().SCTP.PacketsSent)
			require.Zero(t, s.a.Stats().SCTP.PacketsReceived)
			require.Zero(t, s.a.Stats().Channels)
			if onlyAnswer {
				return // b waits for an association
			}
			require.Equal(t, StateConnected, s.b.State())

			// The state follows that of ICE.
			restore := s.loseAll()
			s.await(time.Minute, "disconnected", func() bool { return s.a.State() == StateDisconnected })
			restore()
			s.await(time.Minute, "connected", func() bool { return s.a.State() == StateConnected })
			require.NoError(t, s.a.RestartICE())
			s.negotiate(withSCTPPort("0"))
			pause(5 * time.Second)
			require.Equal(t, StateConnected, s.a.State())
			require.Equal(t, StateConnected, s.b.State())

			again, err := s.a.CreateDataChannel("again", &DataChannelInit{ManualStream: true, Stream: 6})
			require.NoError(t, err)
			pause(5 * time.Second)
			require.False(t, again.IsOpen() || again.IsClosed())
			accepted := make(chan *DataChannel, 1)
			s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
			s.negotiate(nil)
			wantTraffic(t, again, receive(t, accepted, "channel"))
			wantNewChannels(t, s.a, s.b)
		})
	}
}

// A connection without an SCTP association is closed by close_notify.
func TestCloseWithoutSCTP(t *testing.T) {
	inSimulation(t, 1, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		s.negotiate(withSCTPPort("0"))
		pause(5 * time.Second)
		require.NoError(t, s.a.Close())
		pause(time.Second)
		require.Equal(t, StateClosed, s.a.State())
		require.Equal(t, StateClosed, s.b.State())
	})
}

// RFC 8841, sections 5.2 and 9.3: a later agreement with port 0 closes the association, and one
// with another port begins another, in the same DTLS association.
func TestLaterAgreementWithAnotherSCTPPort(t *testing.T) {
	for port, reason := range map[string]error{"0": errNoAssociation, "5001": errReplaced} {
		local := map[string]uint16{"5001": 5001}[port]
		inSimulation(t, 1, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
			x := s.connectManually(nil)
			require.NoError(t, x.SendText("never read"))
			s.settled()
			h, states, e := recordStates(s.a), recordStates(s.b), recordEnding(x)
			association := s.a.transport.dtls
			for _, pc := range []*PeerConnection{s.a, s.b} {
				pc.mu.Lock()
				pc.tuning.sctpPort = local
				pc.mu.Unlock()
			}
			s.negotiate(withSCTPPort(port))
			pause(5 * time.Second)
			e.want(t, reason)
			y, err := s.a.CreateDataChannel("y", nil)
			require.NoError(t, err)
			pause(5 * time.Second)
			require.Equal(t, port != "0", y.IsOpen())
			s.negotiate(withSCTPPort(port)) // the same port changes nothing
			pause(5 * time.Second)
			require.Equal(t, port != "0", y.IsOpen())
			require.False(t, y.IsClosed())
			if port == "0" {
				accepted := make(chan *DataChannel, 1)
				s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
				s.negotiate(nil)
				wantTraffic(t, y, receive(t, accepted, "channel"))
			}
			wantNewChannels(t, s.a, s.b)
			pause(5 * time.Minute) // longer than an association without a peer lasts
			require.Empty(t, h.all())
			require.Empty(t, states.all())
			require.Same(t, association, s.a.transport.dtls)
			require.True(t, y.IsOpen())
		})
	}
}
