package rtc

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
)

// rollbackTest is two connected peers. The test delivers their descriptions itself.
type rollbackTest struct {
	*pair
	x, y *DataChannel // the ends of a channel that is open throughout
}

func newRollbackTest(n *network) *rollbackTest {
	t := n.t
	t.Helper()
	s := &rollbackTest{pair: &n.pair(place{a: manual, b: manual, unconnected: true}).pair}
	accepted := make(chan *DataChannel, 1)
	s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
	var err error
	s.x, err = s.a.CreateDataChannel("x", nil)
	require.NoError(t, err)
	s.negotiate(t, s.a, s.b)
	s.y = receive(t, accepted, "channel")
	s.wantPath(t)
	return s
}

// negotiate exchanges an offer and its answer.
func (s *rollbackTest) negotiate(t *testing.T, offerer, answerer *PeerConnection) {
	t.Helper()
	s.offer(t, offerer, answerer)
	require.NoError(t, answerer.SetLocalDescription(DescriptionAnswer))
	require.NoError(t, offerer.SetRemoteDescription(gatheredDescription(t, answerer)))
}

// offer sets an offer on both sides.
func (s *rollbackTest) offer(t *testing.T, offerer, answerer *PeerConnection) {
	t.Helper()
	require.NoError(t, offerer.SetLocalDescription(DescriptionOffer))
	require.NoError(t, answerer.SetRemoteDescription(gatheredDescription(t, offerer)))
}

// gatheredDescription returns the local description with all candidates.
func gatheredDescription(t *testing.T, pc *PeerConnection) SessionDescription {
	t.Helper()
	eventually(t, "gathering is complete", func() bool { return pc.GatheringState() == GatheringStateComplete })
	return must(pc.LocalDescription())
}

// wantTraffic checks that messages pass in both directions.
func (s *rollbackTest) wantTraffic(t *testing.T, when string) {
	t.Helper()
	require.Equal(t, when, string(exchange(t, s.x, s.y, Message{Data: []byte(when)}).Data), when)
	require.Equal(t, when, string(exchange(t, s.y, s.x, Message{Data: []byte(when)}).Data), when)
}

// wantPath waits until both sides have selected a pair of the same generation.
func (s *rollbackTest) wantPath(t *testing.T) {
	t.Helper()
	eventually(t, "both sides have a path", func() bool {
		return agree(s.a, s.b) && s.a.ICEState() == ICEStateCompleted && s.b.ICEState() == ICEStateCompleted &&
			s.a.State() == StateConnected && s.b.State() == StateConnected
	})
}

// agree reports whether the agent of each side has the credentials of the other's.
func agree(a, b *PeerConnection) bool {
	ua, pa, ra := agentUfrags(a)
	ub, pb, rb := agentUfrags(b)
	return ua == rb && ub == ra && !pa && !pb
}

func agentUfrags(pc *PeerConnection) (local string, pending bool, remote string) {
	pc.mu.Lock()
	local, _ = pc.transport.ice.Agent().LocalCredentials()
	pc.mu.Unlock()
	description, err := pc.RemoteDescription()
	if err != nil {
		return local, true, ""
	}
	_, after, _ := strings.Cut(description.SDP, "a=ice-ufrag:")
	remote, _, _ = strings.Cut(after, "\r\n")
	return local, pc.ICEState() != ICEStateCompleted, remote
}

// A restart that is rolled back, in any state and on either side, has no effect: the old path is in
// use throughout, the descriptions are the old ones, late candidates of the generation that was
// rolled back are ignored, and the next restart works.
func TestRollbackOfARestart(t *testing.T) {
	rollback := SessionDescription{Type: DescriptionRollback}
	localRollback := func(pc *PeerConnection) error { return pc.SetLocalDescription(DescriptionRollback) }
	remoteRollback := func(pc *PeerConnection) error { return pc.SetRemoteDescription(rollback) }
	type act = func(*PeerConnection) error
	for _, c := range []struct {
		name              string
		offererState      SignalingState
		answererState     SignalingState
		reach             func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection)
		offerer, answerer act
	}{
		{"have-local-offer that the peer refused", SignalingStateHaveLocalOffer, SignalingStateStable,
			func(t *testing.T, s *rollbackTest, offerer, _ *PeerConnection) {
				require.NoError(t, offerer.SetLocalDescription(DescriptionOffer))
			}, localRollback, nil},
		{"have-local-offer and have-remote-offer", SignalingStateHaveLocalOffer, SignalingStateHaveRemoteOffer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
			}, localRollback, remoteRollback},
		{"have-remote-offer with an answer made", SignalingStateHaveLocalOffer, SignalingStateHaveRemoteOffer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
				must(answerer.CreateAnswer())
			}, localRollback, remoteRollback},
		{"have-local-pranswer, rolled back by the answerer", SignalingStateHaveLocalOffer, SignalingStateHaveLocalPranswer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
				require.NoError(t, answerer.SetLocalDescription(DescriptionPranswer))
			}, localRollback, localRollback},
		{"have-local-pranswer, rolled back by the offerer", SignalingStateHaveLocalOffer, SignalingStateHaveLocalPranswer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
				require.NoError(t, answerer.SetLocalDescription(DescriptionPranswer))
			}, localRollback, remoteRollback},
		{"have-remote-pranswer, rolled back by the answerer", SignalingStateHaveRemotePranswer, SignalingStateHaveLocalPranswer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
				require.NoError(t, answerer.SetLocalDescription(DescriptionPranswer))
				require.NoError(t, offerer.SetRemoteDescription(gatheredDescription(t, answerer)))
			}, remoteRollback, localRollback},
		{"have-remote-pranswer, rolled back by the offerer", SignalingStateHaveRemotePranswer, SignalingStateHaveLocalPranswer,
			func(t *testing.T, s *rollbackTest, offerer, answerer *PeerConnection) {
				s.offer(t, offerer, answerer)
				require.NoError(t, answerer.SetLocalDescription(DescriptionPranswer))
				require.NoError(t, offerer.SetRemoteDescription(gatheredDescription(t, answerer)))
			}, localRollback, remoteRollback},
	} {
		for _, side := range []string{"a offers", "b offers"} {
			t.Run(c.name+", "+side, func(t *testing.T) {
				inNetwork(t, 1, func(t *testing.T, n *network) {
					s := newRollbackTest(n)
					offerer, answerer := s.a, s.b
					if side == "b offers" {
						offerer, answerer = s.b, s.a
					}
					before := [2]SessionDescription{must(offerer.LocalDescription()), must(answerer.LocalDescription())}
					require.NoError(t, offerer.RestartICE())
					c.reach(t, s, offerer, answerer)
					require.Equal(t, c.offererState, offerer.SignalingState())
					require.Equal(t, c.answererState, answerer.SignalingState())
					require.NotEqual(t, credentials(t, before[0]), credentials(t, must(offerer.LocalDescription())))
					late := [2][]string{candidatesOf(must(offerer.LocalDescription())), candidatesOf(must(answerer.LocalDescription()))}
					s.wantTraffic(t, "before the rollback")

					require.NoError(t, c.offerer(offerer))
					if c.answerer != nil {
						require.NoError(t, c.answerer(answerer))
					}
					for i, pc := range []*PeerConnection{offerer, answerer} {
						require.Equal(t, SignalingStateStable, pc.SignalingState())
						require.Equal(t, before[i], must(pc.LocalDescription()))
						require.Equal(t, GatheringStateComplete, pc.GatheringState())
						require.Equal(t, before[1-i].SDP, must(pc.RemoteDescription()).SDP)
						for _, text := range late[1-i] {
							other := strings.Replace(text, " 198.51.100.", " 203.0.113.", 1)
							if strings.Contains(text, credentials(t, before[1-i])) {
								continue // this side has not restarted
							}
							require.NotEqual(t, text, other)
							require.NoError(t, pc.AddRemoteCandidate(Candidate{Candidate: other, Mid: "0"}))
						}
						require.Equal(t, before[1-i].SDP, must(pc.RemoteDescription()).SDP, "late candidates are ignored")
					}
					s.wantTraffic(t, "after the rollback")
					s.wantPath(t)

					// This side answers an offer of the peer with the old credentials while its own
					// restart is still wanted.
					s.negotiate(t, answerer, offerer)
					require.Equal(t, credentials(t, before[0]), credentials(t, must(offerer.LocalDescription())))
					require.Equal(t, credentials(t, before[1]), credentials(t, must(answerer.LocalDescription())))
					s.wantTraffic(t, "after an offer of the peer")

					require.NoError(t, offerer.RestartICE())
					s.negotiate(t, offerer, answerer)
					require.NotEqual(t, credentials(t, before[0]), credentials(t, must(offerer.LocalDescription())))
					require.NotEqual(t, credentials(t, before[1]), credentials(t, must(answerer.LocalDescription())))
					s.wantPath(t)
					s.wantTraffic(t, "after the next restart")
					require.False(t, offerer.NegotiationNeeded())
				})
			})
		}
	}
}

// candidatesOf returns the candidates in a description.
func candidatesOf(d SessionDescription) (candidates []string) {
	for line := range strings.Lines(d.SDP) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "a=candidate:"); ok {
			candidates = append(candidates, "candidate:"+text)
		}
	}
	return candidates
}

// A restart that was not offered yet, or whose offer was created but not set, does not change the
// answer to another offer.
func TestOfferOfThePeerBeforeTheRestartIsOffered(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		for _, made := range []bool{false, true} {
			s := newRollbackTest(n)
			before := credentials(t, must(s.a.LocalDescription()))
			require.NoError(t, s.a.RestartICE())
			var offer SessionDescription
			if made {
				offer = must(s.a.CreateOffer())
			}
			s.negotiate(t, s.b, s.a)
			require.Equal(t, before, credentials(t, must(s.a.LocalDescription())))
			s.wantTraffic(t, "after the answer")
			require.True(t, s.a.NegotiationNeeded())
			s.negotiate(t, s.a, s.b)
			if made {
				require.Equal(t, credentials(t, offer), credentials(t, must(s.a.LocalDescription())), "the created offer is set")
			}
			s.wantPath(t)
		}
	})
}

// RFC 8839, section 4.4.2.1: "it MUST change the SDP ice-pwd and ice-ufrag attribute values". A
// peer that answers a restart without a change does not support it. The offer remains pending, so
// that it can be rolled back, and the old path remains in use.
func TestAnswerThatDoesNotRestart(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		s := newRollbackTest(n)
		old := must(s.b.LocalDescription())
		require.NoError(t, s.a.RestartICE())
		require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
		for _, kind := range []DescriptionType{DescriptionAnswer, DescriptionPranswer} {
			require.ErrorIs(t, s.a.SetRemoteDescription(SessionDescription{Type: kind, SDP: old.SDP}), ErrInvalid)
			require.Equal(t, SignalingStateHaveLocalOffer, s.a.SignalingState())
		}
		s.wantTraffic(t, "in have-local-offer")
		require.NoError(t, s.a.SetLocalDescription(DescriptionRollback))
		s.negotiate(t, s.a, s.b)
		s.wantPath(t)
	})
}

// After an answer was refused, an offer of the peer rolls the local offer back. No further answer
// to that is then expected: the answer to the next offer is applied.
func TestAnswerThatDoesNotRestartBeforeAnOfferOfThePeer(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		s := newRollbackTest(n)
		old := must(s.b.LocalDescription())
		require.NoError(t, s.a.RestartICE())
		for range 3 {
			require.NoError(t, s.a.SetLocalDescription(DescriptionOffer))
			require.ErrorIs(t, s.a.SetRemoteDescription(SessionDescription{Type: DescriptionAnswer, SDP: old.SDP}), ErrInvalid)
			s.negotiate(t, s.b, s.a)
			s.wantTraffic(t, "after an offer of the peer")
		}
		s.negotiate(t, s.a, s.b)
		s.wantPath(t)
	})
}

// Credentials that the program chooses are used for the restart, even if an offer with others was
// created before.
func TestCredentialsOfARestartCanBeChosen(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		s := newRollbackTest(n)
		chosen := LocalDescriptionInit{ICEUfrag: "chosen", ICEPwd: strings.Repeat("p", 22)}
		require.NoError(t, s.a.RestartICE())
		must(s.a.CreateOffer())
		require.NoError(t, s.a.SetLocalDescriptionInit(DescriptionOffer, chosen))
		require.Equal(t, "chosen", credentials(t, must(s.a.LocalDescription())))
		require.NoError(t, s.b.SetRemoteDescription(gatheredDescription(t, s.a)))
		require.NoError(t, s.b.SetLocalDescription(DescriptionPranswer))
		require.ErrorIs(t, s.b.SetLocalDescriptionInit(DescriptionAnswer, chosen), ErrFailure)
		require.NoError(t, s.b.SetLocalDescription(DescriptionAnswer))
		require.NoError(t, s.a.SetRemoteDescription(gatheredDescription(t, s.b)))
		s.wantPath(t)
	})
}

// signalling delivers the descriptions and candidates of two connections with automatic
// negotiation, in order for each direction, one at each call.
type signalling struct {
	t       *testing.T
	pcs     [2]*PeerConnection
	queues  [2]chan func() error // to the other side
	refuses func(to int, d SessionDescription) bool
}

func newSignalling(t *testing.T, p *pair) *signalling {
	s := &signalling{t: t, pcs: [2]*PeerConnection{p.a, p.b}}
	for i, from := range s.pcs {
		to := s.pcs[1-i]
		queue := make(chan func() error, 1000)
		s.queues[i] = queue
		from.OnLocalDescription(func(d SessionDescription) {
			queue <- func() error {
				if s.refuses != nil && s.refuses(1-i, d) {
					return nil
				}
				return to.SetRemoteDescription(d)
			}
		})
		from.OnLocalCandidate(func(c Candidate) { queue <- func() error { return to.AddRemoteCandidate(c) } })
	}
	return s
}

// settle waits until all callbacks have returned.
func (s *signalling) settle() {
	s.t.Helper()
	synctest.Wait()
}

// deliver delivers the next signal of one side, and reports whether there was one.
func (s *signalling) deliver(from int) bool {
	s.t.Helper()
	s.settle()
	select {
	case f := <-s.queues[from]:
		require.NoError(s.t, f())
		return true
	default:
		return false
	}
}

// drain delivers all signals, in a random order of the directions.
func (s *signalling) drain(r *rand.Rand) {
	s.t.Helper()
	for {
		first := r.IntN(2)
		if !s.deliver(first) && !s.deliver(1-first) {
			s.settle()
			if len(s.queues[0]) == 0 && len(s.queues[1]) == 0 {
				return
			}
		}
	}
}

// Both sides restart and renegotiate at random moments, so that their offers cross in every way. In
// the end both have the credentials of the same generation and a path, and messages pass
// throughout.
func TestRestartsThatCross(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				r := rand.New(rand.NewPCG(seed, 0))
				s := &rollbackTest{pair: &n.pair(place{}).pair}
				s.x, s.y = s.connect("x", nil)
				wire := newSignalling(t, s.pair)
				s.wantPath(t)
				for range 2 + r.IntN(6) {
					pc := wire.pcs[r.IntN(2)]
					switch r.IntN(4) {
					case 0:
						require.NoError(t, pc.RestartICE())
					case 1:
						if pc.SignalingState() == SignalingStateStable {
							require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
						}
					default:
						for range r.IntN(4) {
							wire.deliver(r.IntN(2))
						}
					}
					s.wantTraffic(t, "meanwhile")
				}
				wire.drain(r)
				for _, pc := range wire.pcs {
					require.Equal(t, SignalingStateStable, pc.SignalingState())
					require.False(t, pc.NegotiationNeeded())
				}
				s.wantPath(t)
				s.wantTraffic(t, "in the end")
			})
		})
	}
}

// The peer rolls its restart back for that of this side, as browsers do, while this side does the
// same for the peer's. The peer's answer has new credentials, and a further restart is necessary.
func TestRestartsThatCrossWithAPeerThatChoosesNewCredentials(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		s := newRollbackTest(n)
		for _, pc := range []*PeerConnection{s.a, s.b} {
			require.NoError(t, pc.RestartICE())
			require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
		}
		offers := [2]SessionDescription{gatheredDescription(t, s.a), gatheredDescription(t, s.b)}
		require.NoError(t, s.b.SetLocalDescription(DescriptionRollback)) // discards the offered credentials
		require.NoError(t, s.b.SetRemoteDescription(offers[0]))
		require.NoError(t, s.b.SetLocalDescription(DescriptionAnswer))
		require.NoError(t, s.a.SetRemoteDescription(offers[1]))
		require.NoError(t, s.a.SetLocalDescription(DescriptionAnswer))
		require.False(t, s.a.NegotiationNeeded())
		require.NoError(t, s.a.SetRemoteDescription(gatheredDescription(t, s.b)))
		require.ErrorIs(t, s.b.SetRemoteDescription(gatheredDescription(t, s.a)), ErrFailure)
		require.False(t, agree(s.a, s.b))
		require.True(t, s.a.NegotiationNeeded())
		s.negotiate(t, s.a, s.b)
		s.wantPath(t)
		s.wantTraffic(t, "in the end")
	})
}

// The peer refuses every restart, like libraries that do not support it. The connection that wants
// one stays in use: messages pass, it can roll the restart back, it answers offers of the peer, and
// it restarts when the peer accepts a restart.
func TestPeerThatRefusesRestarts(t *testing.T) {
	for _, way := range []string{"rolled back by the program", "rolled back by the peer's offer"} {
		t.Run(way, func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				s := &rollbackTest{pair: &n.pair(place{}).pair}
				s.x, s.y = s.connect("x", nil)
				wire := newSignalling(t, s.pair)
				s.wantPath(t)
				r := rand.New(rand.NewPCG(1, 0))
				before := credentials(t, must(s.a.LocalDescription()))
				refused := 0
				wire.refuses = func(to int, d SessionDescription) bool {
					refuse := to == 1 && d.Type == DescriptionOffer && credentials(t, d) != before
					if refuse {
						refused++
					}
					return refuse
				}
				require.NoError(t, s.a.RestartICE())
				wire.drain(r)
				require.Equal(t, SignalingStateHaveLocalOffer, s.a.SignalingState())
				require.Equal(t, 1, refused)
				s.wantTraffic(t, "in have-local-offer")
				for range 3 {
					if way == "rolled back by the program" {
						require.NoError(t, s.a.SetLocalDescription(DescriptionRollback))
						require.Equal(t, SignalingStateStable, s.a.SignalingState())
						s.wantTraffic(t, "after the rollback")
					}
					require.NoError(t, s.b.SetLocalDescription(DescriptionOffer))
					wire.drain(r)
					require.Equal(t, SignalingStateStable, s.b.SignalingState(), "its offer was answered")
					require.True(t, agree(s.a, s.b) || s.a.SignalingState() == SignalingStateHaveLocalOffer)
					s.wantTraffic(t, "after an offer of the peer")
				}
				wire.refuses = nil
				if s.a.SignalingState() == SignalingStateHaveLocalOffer {
					require.NoError(t, s.a.SetLocalDescription(DescriptionRollback))
				}
				require.NoError(t, s.a.RestartICE())
				wire.drain(r)
				s.wantPath(t)
				require.NotEqual(t, before, credentials(t, must(s.a.LocalDescription())))
				s.wantTraffic(t, "in the end")
			})
		})
	}
}

// RFC 8838, section 9: the candidates of a connection contain its ufrag, so that the peer can tell
// to which generation a late candidate belongs.
func TestCandidatesNameTheirGeneration(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		found := make(chan Candidate, 10)
		pc.OnLocalCandidate(func(c Candidate) { found <- c })
		_, err := pc.CreateDataChannel("x", nil)
		require.NoError(t, err)
		c, err := ice.ParseCandidate(receive(t, found, "candidate").Candidate)
		require.NoError(t, err)
		require.Contains(t, c.Extensions, ice.Extension{Key: "ufrag", Value: credentials(t, must(pc.LocalDescription()))})
	})
}
