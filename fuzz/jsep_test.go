package fuzz_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rtcstack/rtcstack/internal/jsep"
	"github.com/rtcstack/rtcstack/sdp"
)

// jsepEnd is a state machine and its owner. An impolite owner ignores an offer that collides with
// its own; a manual owner does not create descriptions by itself.
type jsepEnd struct {
	*jsep.Machine
	impolite, manual bool
	out              []jsep.Description // in flight to the other side, in order
	transport        *jsep.Transport    // the latest one
	associations     int
}

// newJSEPEnd returns an end with numbered credentials.
func newJSEPEnd(t *testing.T, name string, session uint64) *jsepEnd {
	fingerprint, err := sdp.NewFingerprint(sdp.SHA256, []byte(name))
	if err != nil {
		t.Fatal(err)
	}
	drawn := 0
	return &jsepEnd{Machine: jsep.New(jsep.Config{
		SessionID: session,
		Credentials: func() (string, string) {
			drawn++
			ufrag := fmt.Sprintf("%s%05d", name, drawn)
			return ufrag, ufrag + "0123456789abcdef"
		},
		Fingerprints: []sdp.Fingerprint{fingerprint},
	})}
}

// visible returns the results of all getters, which an error must not change.
func (e *jsepEnd) visible() string {
	local, _ := e.Local()
	remote, _ := e.Remote()
	offer, _ := e.CreateOffer()
	answer, _ := e.CreateAnswer()
	credentials, begun, complete := e.Gathered()
	return fmt.Sprint(e.State(), e.NegotiationNeeded(), e.Mid(), e.RemoteMaxMessageSize(), local, remote,
		offer, answer, credentials, begun, complete)
}

// check fails if an error is not of exactly one documented class, or if the call that returned it
// has changed the state.
func (e *jsepEnd) check(t *testing.T, before string, err error) {
	t.Helper()
	if errors.Is(err, jsep.ErrInvalid) == errors.Is(err, jsep.ErrState) {
		t.Fatalf("the error has both classes or none: %v", err)
	}
	if after := e.visible(); after != before {
		t.Fatalf("the call that returned %q has changed\n%s\nto\n%s", err, before, after)
	}
}

func (e *jsepEnd) take(out jsep.Outcome) {
	if out.Announce != nil {
		e.out = append(e.out, *out.Announce)
	}
	if out.Transport != nil {
		e.transport = out.Transport
		if out.Transport.NewAssociation {
			e.associations++
		}
	}
	if out.Ended {
		e.transport = nil
	}
}

func (e *jsepEnd) setLocal(t *testing.T, typ jsep.Type) error {
	t.Helper()
	before := e.visible()
	out, err := e.SetLocal(typ, jsep.LocalInit{})
	if err != nil {
		e.check(t, before, err)
		return err
	}
	e.take(out)
	return e.react(t)
}

func (e *jsepEnd) react(t *testing.T) error {
	t.Helper()
	switch state := e.State(); {
	case e.manual:
		return nil
	case state == jsep.HaveRemoteOffer:
		return e.setLocal(t, jsep.Answer)
	case state == jsep.Stable && e.NegotiationNeeded():
		return e.setLocal(t, jsep.Offer)
	}
	return nil
}

func (e *jsepEnd) receive(t *testing.T, d jsep.Description) error {
	t.Helper()
	if e.impolite && d.Type == jsep.Offer && e.State() != jsep.Stable {
		return nil
	}
	parsed, err := jsep.Parse(d.SDP, nil)
	if err != nil {
		t.Fatalf("the description of a machine cannot be parsed: %v\n%s", err, d.SDP)
	}
	before := e.visible()
	out, err := e.SetRemote(d.Type, parsed)
	if err != nil {
		e.check(t, before, err)
		return err
	}
	e.take(out)
	return e.react(t)
}

// jsepDisagreement describes a difference between two ends after a negotiation. It returns "" if
// they agree.
func jsepDisagreement(a, b *jsepEnd) string {
	switch p, q := a.transport, b.transport; {
	case a.State() != jsep.Stable || b.State() != jsep.Stable:
		return fmt.Sprintf("states %v and %v", a.State(), b.State())
	case a.NegotiationNeeded() || b.NegotiationNeeded():
		return "negotiation is needed"
	case p == nil && q == nil:
	case p == nil || q == nil:
		return "one side has no transport"
	case p.Local != q.Remote || p.Remote != q.Local:
		return fmt.Sprintf("credentials %v and %v", p, q)
	case p.Client == q.Client:
		return "DTLS roles"
	case a.associations != b.associations:
		return fmt.Sprintf("associations %d and %d", a.associations, b.associations)
	}
	return ""
}

// FuzzJSEP runs operations of two machines, and deliveries over two ordered channels, in an
// arbitrary order. Automatic ends must agree at the end, without an error. The errors of manual
// ends must not change their state.
func FuzzJSEP(f *testing.F) {
	for mode := range byte(3) {
		f.Add(mode, []byte{0, 2, 4, 5, 8, 9})
		f.Add(mode, []byte{0, 1, 2, 3, 4, 5, 8, 9, 2, 3, 8, 4, 9, 9, 5, 8})
		f.Add(mode, []byte{4, 8, 6, 9, 10, 2, 12, 14, 5, 9, 7, 8, 11, 9, 8})
	}
	f.Fuzz(func(t *testing.T, mode byte, operations []byte) {
		if len(operations) > 64 {
			return
		}
		ends := [2]*jsepEnd{newJSEPEnd(t, "a", 1000), newJSEPEnd(t, "b", 1001)}
		automatic := mode%3 != 2
		ends[1].impolite = mode%3 == 1
		ends[0].manual, ends[1].manual = !automatic, !automatic
		deliver := func(from int) error {
			d := ends[from].out[0]
			ends[from].out = ends[from].out[1:]
			return ends[1-from].receive(t, d)
		}
		for _, op := range operations {
			side := int(op & 1)
			e := ends[side]
			var err error
			switch op / 2 % 8 {
			case 0:
				e.WantData()
				err = e.react(t)
			case 1:
				e.WantRestart()
				err = e.react(t)
			case 2:
				if e.State() == jsep.Stable {
					if refused := e.setLocal(t, jsep.Offer); refused != nil && !errors.Is(refused, jsep.ErrState) {
						err = refused // ErrState: there is nothing to offer
					}
				}
			case 3:
				if len(e.out) > 0 && !automatic {
					err = ends[1-side].receive(t, e.out[0]) // a duplicate
				}
			case 4:
				if len(e.out) > 0 {
					err = deliver(side)
				}
			default:
				if !automatic {
					err = e.setLocal(t, []jsep.Type{jsep.Answer, jsep.Pranswer, jsep.Rollback}[op/2%8-5])
				}
			}
			if err != nil && automatic {
				t.Fatal(err)
			}
		}
		const most = 200
		for n := 0; len(ends[0].out)+len(ends[1].out) > 0; n++ {
			from := n & 1
			if len(ends[from].out) == 0 {
				from = 1 - from
			}
			if err := deliver(from); err != nil && automatic {
				t.Fatal(err)
			}
			if n > most {
				t.Fatal("the negotiation does not end")
			}
		}
		if problem := jsepDisagreement(ends[0], ends[1]); problem != "" && automatic {
			t.Fatal(problem)
		}
	})
}

// FuzzJSEPRemote sets arbitrary descriptions, as offer or as answer. The machine must be able to
// answer an offer that it accepts, and the answer must be parsed without an error.
func FuzzJSEPRemote(f *testing.F) {
	const head = "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
	const transport = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=fingerprint:sha-1 " +
		"AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB\r\n"
	const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n" + transport + "a=sctp-port:5000\r\n"
	const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n" + transport + "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
	for _, seed := range []string{head + data, head + audio + data, head + data + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n", ""} {
		f.Add(seed, head+data, "candidate:1 1 UDP 5 127.0.0.1 4001 typ host ufrag abcd", "0")
	}
	f.Fuzz(func(t *testing.T, first, second, candidate, mid string) {
		for _, offering := range []bool{false, true} {
			e := newJSEPEnd(t, "a", 1000)
			e.manual = true
			e.WantData()
			if offering {
				if err := e.setLocal(t, jsep.Offer); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range []string{first, second, first} {
				parsed, err := jsep.Parse(text, nil)
				if err != nil {
					if !errors.Is(err, jsep.ErrInvalid) {
						t.Fatal(err)
					}
					continue
				}
				before := e.visible()
				out, err := e.SetRemote(jsep.Auto, parsed)
				if err != nil {
					e.check(t, before, err)
					continue
				}
				e.take(out)
				before = e.visible()
				if use, _, err := e.AddRemoteCandidate(candidate, mid); err != nil {
					e.check(t, before, err)
				} else if use == jsep.CandidateIgnored && e.visible() != before {
					t.Fatal("an ignored candidate has changed the state")
				}
				if e.State() != jsep.HaveRemoteOffer {
					continue
				}
				made, err := e.CreateAnswer()
				if err != nil {
					t.Fatalf("an accepted offer cannot be answered: %v\n%s", err, text)
				}
				if err := e.setLocal(t, jsep.Answer); err != nil {
					t.Fatalf("the created answer cannot be set: %v\n%s", err, text)
				}
				if _, err := jsep.Parse(made.SDP, nil); err != nil {
					t.Fatalf("the answer to\n%s\nis\n%s: %v", text, made.SDP, err)
				}
			}
		}
	})
}
