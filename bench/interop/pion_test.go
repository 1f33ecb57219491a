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
	// pionPatience is how long a test waits for what should happen at once: much longer than a busy machine needs.
	pionPatience = 20 * time.Second
	// pionMaxMessageSize is what the pion side accepts: above what we do, as its limit excludes the size itself.
	pionMaxMessageSize = 1 << 20
)

// pionSession is a connection between the two implementations, with its signalling.
type pionSession struct {
	signalling
	ours    *rtc.PeerConnection
	pion    *webrtc.PeerConnection
	trickle bool
	forge   bool // falsify the fingerprint in pion's descriptions

	negotiations atomic.Int32 // offers that were answered

	oursConnected, oursClosed *milestone
	pionConnected, pionClosed *milestone
}

// pionOptions says how to set up a pionSession. The zero value is one address, the loopback one, and the defaults.
type pionOptions struct {
	whole        bool // descriptions with their candidates, rather than trickle ICE
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
	s.wire()
	var done sync.WaitGroup
	done.Go(s.signal)
	t.Cleanup(func() {
		close(s.ended) // first: a candidate that comes late is no error
		done.Wait()
		stats := s.ours.Stats()
		_ = s.pion.Close()
		_ = s.ours.CloseAndWait()
		// Whatever the test was about, neither side may have sent what the other cannot read.
		require.Zero(t, stats.SCTP.ChecksumErrors, "SCTP checksums that we found wrong")
		require.Zero(t, stats.SCTP.PacketsInvalid, "SCTP packets that we could not read")
		require.Zero(t, stats.SCTP.ChunksInvalid, "SCTP chunks that we could not read")
		require.Zero(t, stats.SCTP.ErrorsReceived, "SCTP errors that the peer reported")
		require.Zero(t, stats.UnknownDropped, "datagrams of no known protocol")
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

// wire sets the callbacks of both sides.
func (s *pionSession) wire() {
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
					return s.ours.AddRemoteCandidate(rtc.Candidate{Candidate: init.Candidate, Mid: *init.SDPMid})
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

// toPion brings our description to pion, and, if it is an offer, pion's answer back.
func (s *pionSession) toPion(d rtc.SessionDescription) error {
	if d.Type == rtc.DescriptionAnswer {
		err := s.pion.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: d.SDP})
		s.negotiations.Add(1)
		return err
	}
	defer s.negotiations.Add(1)
	if err := s.pion.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: d.SDP}); err != nil {
		return fmt.Errorf("pion takes our offer: %w", err)
	}
	answer, err := s.pion.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return s.fromPion(answer, rtc.DescriptionAnswer)
}

// offerFromPion makes pion offer. Its data channels must exist by then.
func (s *pionSession) offerFromPion() {
	s.do(func() error {
		offer, err := s.pion.CreateOffer(nil)
		if err != nil {
			return err
		}
		return s.fromPion(offer, rtc.DescriptionOffer)
	})
}

// fromPion sets pion's description and brings it to our side.
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
		return fmt.Errorf("we take pion's %v: %w\n%s", kind, err, d.SDP)
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

// connected waits until both sides say so.
func (s *pionSession) connected() {
	s.t.Helper()
	s.oursConnected.wait(s.t)
	s.pionConnected.wait(s.t)
}

// milestone is something that happens at most once in a test.
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

// next takes the next value of a channel, and fails with what was expected when there is none in time.
func next[T any](t testing.TB, c <-chan T, format string, args ...any) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(pionPatience):
		t.Fatalf("not within %v: %s", pionPatience, fmt.Sprintf(format, args...))
	}
	return v
}
