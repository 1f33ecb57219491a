package interop_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/stretchr/testify/require"
)

const (
	// pionPatience is the limit of a wait for an event without delay: much longer than a busy machine needs.
	pionPatience = 20 * time.Second
	// pionMaxMessageSize is larger than our max-message-size, because pion's limit excludes the size itself.
	pionMaxMessageSize = 1 << 20
)

// pionSession is a connection between our implementation and pion, with its signalling.
type pionSession struct {
	signalling
	ours    *rtc.PeerConnection
	pion    *webrtc.PeerConnection
	trickle bool
	forge   bool // falsify the fingerprint in pion's descriptions

	negotiations atomic.Int32 // the number of answered offers

	oursConnected, oursClosed *milestone
	pionConnected, pionClosed *milestone
}

// pionOptions configures a pionSession. The zero value uses the loopback address only, and the defaults.
type pionOptions struct {
	whole        bool // all candidates are in the descriptions
	allAddresses bool
	ours         rtc.Configuration
	pion         webrtc.Configuration
	engine       func(*webrtc.SettingEngine)
}

func newPionSession(t *testing.T, o pionOptions) *pionSession {
	s := &pionSession{
		signalling: newSignalling(t), trickle: !o.whole,
		oursConnected: newMilestone("our side connected"), oursClosed: newMilestone("our side closed"),
		pionConnected: newMilestone("pion connected"), pionClosed: newMilestone("pion closed"),
	}
	if !o.allAddresses {
		o.ours.BindAddress = "127.0.0.1"
	}
	var err error
	s.ours, err = rtc.NewPeerConnection(o.ours)
	require.NoError(t, err)
	s.pion, err = newPionAPI(o).NewPeerConnection(o.pion)
	require.NoError(t, err)
	s.setCallbacks()
	var done sync.WaitGroup
	done.Go(s.signal)
	t.Cleanup(func() {
		close(s.ended) // before the connections close, since candidates after that would be errors
		done.Wait()
		stats := s.ours.Stats()
		_ = s.pion.Close()
		_ = s.ours.CloseAndWait()
		// In all tests, neither side sends packets that the other considers invalid.
		require.Zero(t, stats.SCTP.ChecksumErrors, "received SCTP packets with wrong checksums")
		require.Zero(t, stats.SCTP.PacketsInvalid, "received invalid SCTP packets")
		require.Zero(t, stats.SCTP.ChunksInvalid, "received invalid SCTP chunks")
		require.Zero(t, stats.SCTP.ErrorsReceived, "received SCTP ERROR chunks")
		require.Zero(t, stats.UnknownDropped, "received datagrams of an unknown protocol")
	})
	return s
}

func newPionAPI(o pionOptions) *webrtc.API {
	var engine webrtc.SettingEngine
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	engine.SetSCTPMaxMessageSize(pionMaxMessageSize)
	if !o.allAddresses {
		engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
		engine.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	}
	if o.engine != nil {
		o.engine(&engine)
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(engine))
}

// setCallbacks sets the callbacks of both sides.
func (s *pionSession) setCallbacks() {
	s.ours.OnStateChange(func(state rtc.State) {
		switch state {
		case rtc.StateConnected:
			s.oursConnected.reach()
		case rtc.StateClosed:
			s.oursClosed.reach()
		case rtc.StateFailed:
			s.t.Error("our side failed")
		}
	})
	s.pion.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			s.pionConnected.reach()
		case webrtc.PeerConnectionStateClosed:
			s.pionClosed.reach()
		case webrtc.PeerConnectionStateFailed:
			s.t.Error("pion failed")
		}
	})
	if s.trickle {
		s.ours.OnLocalDescription(func(d rtc.SessionDescription) { s.do(func() error { return s.toPion(d) }) })
		s.ours.OnLocalCandidate(func(c rtc.Candidate) {
			s.do(func() error {
				return s.pion.AddICECandidate(webrtc.ICECandidateInit{Candidate: c.Candidate, SDPMid: &c.Mid})
			})
		})
		s.pion.OnICECandidate(func(c *webrtc.ICECandidate) {
			if c != nil { // nil: there are no more
				init := c.ToJSON()
				s.do(func() error {
					err := s.ours.AddRemoteCandidate(rtc.Candidate{Candidate: init.Candidate, Mid: *init.SDPMid})
					if s.forge && s.ours.State() == rtc.StateFailed {
						return nil // it was late: the certificate is refused over the first path
					}
					return err
				})
			}
		})
		return
	}
	s.ours.OnGatheringStateChange(func(state rtc.GatheringState) {
		if state == rtc.GatheringStateComplete {
			s.do(func() error {
				d, err := s.ours.LocalDescription()
				if err != nil {
					return err
				}
				return s.toPion(d)
			})
		}
	})
}

// toPion sets our description at pion, and, if it is an offer, pion's answer at our side.
func (s *pionSession) toPion(d rtc.SessionDescription) error {
	if d.Type == rtc.DescriptionAnswer {
		err := s.pion.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: d.SDP})
		s.negotiations.Add(1)
		return err
	}
	defer s.negotiations.Add(1)
	if err := s.pion.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: d.SDP}); err != nil {
		return fmt.Errorf("set our offer at pion: %w", err)
	}
	answer, err := s.pion.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return s.fromPion(answer, rtc.DescriptionAnswer)
}

// offerFromPion makes pion offer. Its first data channel must have been created.
func (s *pionSession) offerFromPion() {
	s.do(func() error {
		offer, err := s.pion.CreateOffer(nil)
		if err != nil {
			return err
		}
		return s.fromPion(offer, rtc.DescriptionOffer)
	})
}

// fromPion sets pion's description at both sides.
func (s *pionSession) fromPion(d webrtc.SessionDescription, kind rtc.DescriptionType) error {
	gathered := webrtc.GatheringCompletePromise(s.pion)
	if err := s.pion.SetLocalDescription(d); err != nil {
		return err
	}
	if !s.trickle {
		<-gathered
		d = *s.pion.LocalDescription()
	}
	if s.forge {
		d.SDP = forgeFingerprint(d.SDP)
	}
	if err := s.ours.SetRemoteDescription(rtc.SessionDescription{Type: kind, SDP: d.SDP}); err != nil {
		return fmt.Errorf("set pion's %v: %w\n%s", kind, err, d.SDP)
	}
	return nil
}

// forgeFingerprint changes one digit of the fingerprint.
func forgeFingerprint(description string) string {
	before, after, _ := strings.Cut(description, "a=fingerprint:sha-256 ")
	digit := "0"
	if strings.HasPrefix(after, digit) {
		digit = "1"
	}
	return before + "a=fingerprint:sha-256 " + digit + after[1:]
}

// connected waits until both sides are connected.
func (s *pionSession) connected() {
	s.t.Helper()
	s.oursConnected.wait(s.t)
	s.pionConnected.wait(s.t)
}

// milestone is an event that happens at most once in a test.
type milestone struct {
	what string
	once sync.Once
	done chan struct{}
}

func newMilestone(format string, args ...any) *milestone {
	return &milestone{what: fmt.Sprintf(format, args...), done: make(chan struct{})}
}

func (m *milestone) reach() { m.once.Do(func() { close(m.done) }) }

func (m *milestone) wait(t testing.TB) {
	t.Helper()
	m.within(t, pionPatience)
}

func (m *milestone) within(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-m.done:
	case <-time.After(limit):
		t.Fatalf("not within %v: %s", limit, m.what)
	}
}

// next waits for the next value of a Go channel, and fails with the formatted text if there is none in time.
func next[T any](t testing.TB, c <-chan T, format string, args ...any) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(pionPatience):
		t.Fatalf("not within %v: %s", pionPatience, fmt.Sprintf(format, args...))
	}
	return v
}
