package interop_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// stack is another implementation, with its limitations.
type stack struct {
	// start starts the program that runs a connection of the stack. The connection has host candidates of the given
	// addresses. With whole its descriptions have all candidates, and it does not trickle any.
	start func(t *testing.T, o stackStart) *stackPeer

	// whole is true if the stack needs descriptions with all candidates.
	whole bool
	// maxMessage is the size in bytes of the largest message that the stack can send and receive.
	maxMessage int
	// asciiOnly is true if the stack cannot open channels with labels and protocols that are not ASCII.
	asciiOnly bool
	// hidesReliability is true if the stack does not report the reliability of the channels that we opened.
	hidesReliability bool
	// unreliableIsOrdered is true if the stack requests an ordered channel instead of an unordered unreliable one.
	unreliableIsOrdered bool
	// noEmpty is true if the stack cannot send an empty message.
	noEmpty bool
	// emptySwapped is true if the stack reports an empty text message as a binary one, and an empty binary message as text.
	emptySwapped bool
	// restart is the stack's response to our offer that restarts ICE.
	restart stackRestart
	// restarts is true if the stack can create an offer that restarts ICE.
	restarts bool
	// closesSilently is true if the stack sends nothing when it closes a connection.
	closesSilently bool
	// missesClose is true if the stack's program gets no event when we close the connection.
	missesClose bool
	// losesLastMessages is true if the stack, when the peer closes the connection, drops messages that its SCTP has
	// acknowledged and its program has not received yet.
	losesLastMessages bool
}

// stackStart has the parameters of stack.start.
type stackStart struct {
	addresses   []string
	whole       bool
	onCandidate func(candidate, mid string)
}

// stackOptions are the parameters of a stackSession. By default the only address is the IPv4 loopback address.
type stackOptions struct {
	theyOffer bool
	whole     bool // both sides send descriptions with their candidates, rather than trickle ICE
	ours      rtc.Configuration
	paths     *stackPaths // between the two sides; nil: a direct path
}

// stackSession is a connection between our stack and another one, with its signalling.
type stackSession struct {
	signalling
	stack  *stack
	o      stackOptions
	ours   *rtc.PeerConnection
	theirs *stackPeer

	accepted chan *rtc.DataChannel
	pending  map[string]*rtc.DataChannel // channels that accept has received and not yet returned
	kept     *rtc.DataChannel            // a channel that the offerer opened
	agreed   *rtc.DataChannel            // a channel that was negotiated by the test: both sides created it
	refused  chan error                  // the reasons why an ICE restart failed
}

// agreedStream is the stream of the channel that both sides create.
const agreedStream = 100

// newStackSession connects the two stacks and opens two channels.
func newStackSession(t *testing.T, k *stack, o stackOptions) *stackSession {
	t.Helper()
	o.whole = o.whole || k.whole
	s := &stackSession{
		signalling: newSignalling(t), stack: k, o: o,
		accepted: make(chan *rtc.DataChannel, 64), pending: make(map[string]*rtc.DataChannel), refused: make(chan error, 1),
	}
	addresses := []string{"127.0.0.1"}
	if o.paths != nil {
		addresses = []string{"127.0.0.1", "::1"}
	} else {
		o.ours.BindAddress = addresses[0]
	}
	s.theirs = k.start(t, stackStart{addresses: addresses, whole: o.whole, onCandidate: func(candidate, mid string) {
		s.do(func() error {
			candidate, ok := s.rewrite(theirSide, candidate)
			if !ok {
				return nil
			}
			return s.ours.AddRemoteCandidate(rtc.Candidate{Candidate: candidate, Mid: mid})
		})
	}})
	var err error
	s.ours, err = rtc.NewPeerConnection(o.ours)
	require.NoError(t, err)
	s.setCallbacks()
	var done sync.WaitGroup
	done.Go(s.signal)
	t.Cleanup(func() {
		close(s.ended) // first, so that a late candidate is not an error
		done.Wait()
		stats := s.ours.Stats()
		_ = s.ours.CloseAndWait()
		// In every test all packets of the other stack must have been valid.
		require.Zero(t, stats.SCTP.ChecksumErrors, "received SCTP packets with a wrong checksum")
		require.Zero(t, stats.SCTP.PacketsInvalid, "received invalid SCTP packets")
		require.Zero(t, stats.SCTP.ChunksInvalid, "received invalid SCTP chunks")
		require.Zero(t, stats.SCTP.ErrorsReceived, "SCTP errors that the peer reported")
		require.Zero(t, stats.UnknownDropped, "datagrams of an unknown protocol")
	})
	s.theirs.do("open", command{"label": "agreed", "negotiated": true, "stream": agreedStream})
	if o.theyOffer {
		s.theirs.do("open", command{"label": "kept"})
		s.do(s.takeOffer)
		s.kept = s.accept("kept")
	} else {
		s.kept = s.openOurs("kept", nil)
		s.theirs.await("channel", "kept")
	}
	s.agreed = s.openOurs("agreed", &rtc.DataChannelInit{Negotiated: true, ManualStream: true, Stream: agreedStream})
	s.theirs.await("open", "kept")
	s.theirs.await("open", "agreed")
	s.theirs.awaitState("connected")
	return s
}

// setCallbacks sets the callbacks of our side.
func (s *stackSession) setCallbacks() {
	s.ours.OnDataChannel(func(dc *rtc.DataChannel) { s.accepted <- dc })
	if !s.o.whole {
		s.ours.OnLocalDescription(func(d rtc.SessionDescription) { s.do(func() error { return s.toTheirs(d) }) })
		s.ours.OnLocalCandidate(func(c rtc.Candidate) {
			s.do(func() error {
				candidate, ok := s.rewrite(ourSide, c.Candidate)
				if !ok {
					return nil
				}
				_, err := s.theirs.ask("candidate", command{"candidate": candidate, "mid": c.Mid})
				return err
			})
		})
		return
	}
	incomplete := false // the last description lacks candidates
	s.ours.OnLocalDescription(func(d rtc.SessionDescription) {
		incomplete = !strings.Contains(d.SDP, "a=end-of-candidates")
		if !incomplete {
			s.do(func() error { return s.toTheirs(d) })
		}
	})
	s.ours.OnGatheringStateChange(func(state rtc.GatheringState) {
		if state == rtc.GatheringStateComplete && incomplete {
			incomplete = false
			s.do(func() error {
				d, err := s.ours.LocalDescription()
				if err != nil {
					return err
				}
				return s.toTheirs(d)
			})
		}
	})
}

// toTheirs sets our description at the other stack. If it is an offer, toTheirs also sets the answer at our side.
func (s *stackSession) toTheirs(d rtc.SessionDescription) error {
	answer, err := s.theirs.ask("remote", command{"type": d.Type.String(), "sdp": s.rewriteSDP(ourSide, d.SDP)})
	switch {
	case d.Type == rtc.DescriptionAnswer:
		return err
	case err == nil:
		err = s.fromTheirs(answer)
	}
	if err != nil && s.stack.restart != restartAccepted && s.ours.State() == rtc.StateConnected {
		select {
		case s.refused <- err:
			return nil
		default:
		}
	}
	return err
}

// takeOffer creates an offer at the other stack and sets it at our side.
func (s *stackSession) takeOffer() error {
	offer, err := s.theirs.ask("offer", nil)
	if err != nil {
		return err
	}
	return s.fromTheirs(offer)
}

// fromTheirs sets a description of the other stack at our side.
func (s *stackSession) fromTheirs(l stackLine) error {
	kind := rtc.DescriptionOffer
	if l.Type == "answer" {
		kind = rtc.DescriptionAnswer
	}
	if err := s.ours.SetRemoteDescription(rtc.SessionDescription{Type: kind, SDP: s.rewriteSDP(theirSide, l.SDP)}); err != nil {
		return fmt.Errorf("set their %s: %w\n%s", l.Type, err, l.SDP)
	}
	return nil
}

// rewriteSDP rewrites the candidates of a description.
func (s *stackSession) rewriteSDP(side int, description string) string {
	if s.o.paths == nil {
		return description
	}
	var lines []string
	for line := range strings.SplitSeq(description, "\r\n") {
		if candidate, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			if candidate, ok = s.rewrite(side, "candidate:"+candidate); !ok {
				continue
			}
			line = "a=" + candidate
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\r\n")
}

// rewrite changes a candidate of one side so that the other side sends to the relay. If ok is false, the candidate is to
// be omitted.
func (s *stackSession) rewrite(side int, candidate string) (rewritten string, ok bool) {
	if s.o.paths == nil || candidate == "" {
		return candidate, true
	}
	return s.o.paths.rewrite(side, candidate)
}

// openOurs opens a channel and waits until it is open.
func (s *stackSession) openOurs(label string, init *rtc.DataChannelInit) *rtc.DataChannel {
	s.t.Helper()
	dc, err := s.ours.CreateDataChannel(label, init)
	require.NoError(s.t, err)
	open := newMilestone("our channel %q is open", label)
	dc.OnOpen(open.reach)
	s.reach(open)
	return dc
}

// reach waits for a milestone. It fails if the other stack's program ends.
func (s *stackSession) reach(m *milestone) {
	s.t.Helper()
	select {
	case <-m.done:
	case <-s.theirs.life.Done():
		s.t.Fatalf("not reached: %s: %v", m.what, context.Cause(s.theirs.life))
	case <-time.After(stackPatience):
		s.t.Fatalf("not within %v: %s; ours: %s", stackPatience, m.what, s.ourState())
	}
}

// ourState describes our connection, to show which layer does not progress.
func (s *stackSession) ourState() string {
	stats := s.ours.Stats()
	return fmt.Sprintf("%v, ICE %v, datagrams sent %d, received %d, dropped %d\nICE: %+v\nSCTP: %+v", s.ours.State(),
		s.ours.ICEState(), stats.DatagramsSent, stats.DatagramsReceived, stats.StrangersDropped, stats.ICE, stats.SCTP)
}

// accept waits for a channel that the other side opens, and returns it.
func (s *stackSession) accept(label string) *rtc.DataChannel {
	s.t.Helper()
	limit := time.After(stackPatience)
	for s.pending[label] == nil {
		select {
		case dc := <-s.accepted:
			s.pending[dc.Label()] = dc
		case <-s.theirs.life.Done():
			s.t.Fatalf("no channel %q: %v", label, context.Cause(s.theirs.life))
		case <-limit:
			s.t.Fatalf("not within %v: channel %q of the other stack; ours: %s", stackPatience, label, s.ourState())
		}
	}
	dc := s.pending[label]
	delete(s.pending, label)
	return dc
}

// bothRoles runs a test twice, with an offer of each side. The offerer is the ICE controlling agent and the DTLS server.
func bothRoles(t *testing.T, test func(t *testing.T, theyOffer bool)) {
	for _, theyOffer := range []bool{false, true} {
		name := "we offer"
		if theyOffer {
			name = "they offer"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, theyOffer)
		})
	}
}
