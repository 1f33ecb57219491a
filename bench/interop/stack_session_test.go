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

// stack is another implementation, and what it can and cannot do.
type stack struct {
	// start runs the program that has a connection of it, with host candidates of the given addresses. With whole its
	// descriptions have all candidates, and it tells of none.
	start func(t *testing.T, o stackStart) *stackPeer

	// whole says that the stack wants descriptions with all candidates.
	whole bool
	// maxMessage is the largest message in bytes that it can send and receive.
	maxMessage int
	// ascii says that it cannot open channels with labels and protocols outside of ASCII.
	ascii bool
	// blind says that the interface of the stack does not tell how reliable the channels are that we opened.
	blind bool
	// unreliableIsOrdered says that channels which it opens as unordered and unreliable arrive as ordered.
	unreliableIsOrdered bool
	// noEmpty says that it cannot send an empty message.
	noEmpty bool
	// emptySwapped says that it takes an empty text message for a binary one, and an empty binary message for text.
	emptySwapped bool
	// restart is what it does with an offer of ours that restarts ICE; restarts says that it can make one itself.
	restart  stackRestart
	restarts bool
	// silent says that it ends without a word, missesEnd that its program does not learn of our end.
	silent    bool
	missesEnd bool
	// forgets says that it drops messages that its SCTP has acknowledged and its program has not seen yet, when the peer
	// closes the connection.
	forgets bool
}

// stackStart says how to start the program.
type stackStart struct {
	addresses   []string
	whole       bool
	onCandidate func(candidate, mid string)
}

// stackOptions says how to set up a stackSession. The zero value is one address, the loopback one.
type stackOptions struct {
	theyOffer bool
	whole     bool // both sides send descriptions with their candidates, rather than trickle ICE
	ours      rtc.Configuration
	paths     *stackPaths // what lies between the two; nil: nothing
}

// stackSession is a connection between ours and another stack, with its signalling.
type stackSession struct {
	signalling
	stack  *stack
	o      stackOptions
	ours   *rtc.PeerConnection
	theirs *stackPeer

	accepted chan *rtc.DataChannel
	pending  map[string]*rtc.DataChannel // accepted and not yet asked for
	kept     *rtc.DataChannel            // a channel that the side opened which offers
	agreed   *rtc.DataChannel            // a channel that both sides created, with nothing sent to open it
	refused  chan error                  // why there was no restart
}

// agreedStream is the stream of the channel that both sides create.
const agreedStream = 100

// newStackSession connects, with two channels that are open on both sides.
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
	s.wire()
	var done sync.WaitGroup
	done.Go(s.signal)
	t.Cleanup(func() {
		close(s.ended) // first: a candidate that comes late is no error
		done.Wait()
		stats := s.ours.Stats()
		_ = s.ours.CloseAndWait()
		// Whatever the test was about, we must have understood all that the other stack sent.
		require.Zero(t, stats.SCTP.ChecksumErrors, "SCTP checksums that we found wrong")
		require.Zero(t, stats.SCTP.PacketsInvalid, "SCTP packets that we could not read")
		require.Zero(t, stats.SCTP.ChunksInvalid, "SCTP chunks that we could not read")
		require.Zero(t, stats.SCTP.ErrorsReceived, "SCTP errors that the peer reported")
		require.Zero(t, stats.UnknownDropped, "datagrams of no known protocol")
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

// wire sets the callbacks of our side.
func (s *stackSession) wire() {
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

// toTheirs brings our description to the other stack, and, if it is an offer, the answer back.
func (s *stackSession) toTheirs(d rtc.SessionDescription) error {
	answer, err := s.theirs.ask("remote", command{"type": d.Type.String(), "sdp": s.rewriteSDP(ourSide, d.SDP)})
	switch {
	case d.Type == rtc.DescriptionAnswer:
		return err
	case err == nil:
		err = s.fromTheirs(answer)
	}
	if err != nil && s.stack.restart != restartTaken && s.ours.State() == rtc.StateConnected {
		select {
		case s.refused <- err:
			return nil
		default:
		}
	}
	return err
}

// takeOffer sets an offer of the other stack.
func (s *stackSession) takeOffer() error {
	offer, err := s.theirs.ask("offer", nil)
	if err != nil {
		return err
	}
	return s.fromTheirs(offer)
}

// fromTheirs sets a description of the other stack.
func (s *stackSession) fromTheirs(l stackLine) error {
	kind := rtc.DescriptionOffer
	if l.Type == "answer" {
		kind = rtc.DescriptionAnswer
	}
	if err := s.ours.SetRemoteDescription(rtc.SessionDescription{Type: kind, SDP: s.rewriteSDP(theirSide, l.SDP)}); err != nil {
		return fmt.Errorf("we take their %s: %w\n%s", l.Type, err, l.SDP)
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

// rewrite changes a candidate of one side so that the other one sends to what lies between; not ok: it is to be left out.
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

// reach waits for a milestone, as long as the other stack is there.
func (s *stackSession) reach(m *milestone) {
	s.t.Helper()
	select {
	case <-m.done:
	case <-s.theirs.life.Done():
		s.t.Fatalf("not reached: %s: %v", m.what, context.Cause(s.theirs.life))
	case <-time.After(stackPatience):
		s.t.Fatalf("not within %v: %s; ours is %v", stackPatience, m.what, s.ours.State())
	}
}

// accept waits for a channel that the other side opens.
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
			s.t.Fatalf("not within %v: channel %q of the other stack; ours is %v", stackPatience, label, s.ours.State())
		}
	}
	dc := s.pending[label]
	delete(s.pending, label)
	return dc
}

// bothRoles runs a test with either side offering: that side controls ICE, and is the server of DTLS.
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
