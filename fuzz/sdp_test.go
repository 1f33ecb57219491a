package fuzz_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/rtcstack/rtcstack/sdp"
)

var sdpSeeds = []string{
	"",
	"v=0\r\n",
	"v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to John Smith\r\ni=SDP Offer #1\r\n" +
		"u=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011\r\n" +
		"c=IN IP4 198.51.100.1\r\nb=AS:1\r\nt=0 0\r\nr=7d 1h 0 25h\r\nz=1 -1h\r\nk=prompt\r\na=x\r\na=y:\r\n" +
		"m=audio 49170/2 RTP/AVP 0 8\r\ni=title\r\nc=IN IP4 233.252.0.1/127/3\r\nc=IN IP6 ::\r\nb=TIAS:1\r\nm=video 51372 RTP/AVP 99\r\n",
	"v=0\no=- 3299318957091646788 5 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0 1\na=group:LS 0\na=extmap-allow-mixed\na=ice-lite\n" +
		"a=msid-semantic: WMS\na=sendrecv\na=end-of-candidates\na=setup:actpass\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\nc=IN IP4 0.0.0.0\nb=AS:30\n" +
		"a=candidate:1 1 udp 2113937151 192.0.2.1 62189 typ host\na=end-of-candidates\na=ice-ufrag:+lKv\n" +
		"a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu\na=ice-options:ice2,trickle\na=fingerprint:sha-1 " +
		"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\na=tls-id:abc\na=mid:0\na=sctp-port:5000\n" +
		"a=sctpmap:5000 webrtc-datachannel 1024\na=max-message-size:262144\n" +
		"m=audio 0 UDP/TLS/RTP/SAVPF 111\na=bundle-only\na=mid:1\na=recvonly\na=rtpmap:111 opus/48000/2\n",
	"m=application 9 DTLS/SCTP 5000 5001\na=sctpmap:5001 bfcp 2\na=sctpmap:5000 webrtc-datachannel 16\na=sctpmap:5000 webrtc-datachannel\n",
	"m=application 0 UDP/DTLS/SCTP 0\na=sctp-port:0\na=sctpmap:1 webrtc-datachannel 1\n",
	"v=0\no=Some Body -1 0x1 IN IP4 \ns=\nc=IN c=IN IP4 0.0.0.0\nc=IN IP4\nt=now-\nt=0\na=\ny=1\nm=video 9 RTP/AVP\nc=\nc=IN 1\na=inactive \ny=0100000001\nf=\n",
	"v=0\no=- 1 2 IN IP4 192.0.2.1:5060\ns=-\nt=0 0\na=group:BUNDLE gone a d\nm=audio 0 UDP/TLS/RTP/SAVPF 111 0\na=mid:a\na=bundle-only \na=rtcp-mux\n" +
		"a=rtpmap:111 opus/48000/2\na=candidate: 1 udp 5 192.0.2.1 4000 typ host\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\n" +
		"a=ice-ufrag:rBIAAW1gbWA=_1\na=ice-pwd:AbCdEfGhIjKlMnOpQrS-tUvW_x#=\na=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\n",
}

// wantSyntaxError fails unless err is nil or names a line of text.
func wantSyntaxError(t *testing.T, text string, err error) {
	t.Helper()
	var syntax *sdp.SyntaxError
	if err != nil && (!errors.As(err, &syntax) || syntax.Line < 1 || syntax.Line > 1+strings.Count(text, "\n")) {
		t.Fatalf("%q: %v", text, err)
	}
}

// FuzzSDPSession checks that a session, written and parsed again, is the same, and that strict
// parsing accepts the written form of a session that it accepts.
func FuzzSDPSession(f *testing.F) {
	for _, seed := range sdpSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := sdp.Parse(text)
		wantSyntaxError(t, text, err)
		if err != nil {
			return
		}
		written := s.String()
		again, err := sdp.Parse(written)
		if err != nil {
			if errors.Is(err, sdp.ErrLimit) {
				return // the required lines made it too long
			}
			t.Fatalf("%q, written as %q: %v", text, written, err)
		}
		if rewritten := again.String(); rewritten != written {
			t.Fatalf("%q, written as %q, then as %q", text, written, rewritten)
		}
		if !reflect.DeepEqual(s.Attributes, again.Attributes) || len(s.Media) != len(again.Media) {
			t.Fatalf("%q: %+v became %+v", text, s, again)
		}
		for i := range s.Media {
			if !reflect.DeepEqual(s.Media[i], again.Media[i]) {
				t.Fatalf("%q: %+v became %+v", text, s.Media[i], again.Media[i])
			}
		}
		if !reflect.DeepEqual(s.Others, again.Others) || s.Connection != again.Connection {
			t.Fatalf("%q: %+v became %+v", text, s, again)
		}
		if s.Origin != again.Origin && s.Origin != (sdp.Origin{}) || len(s.Times) > 0 && !reflect.DeepEqual(s.Times, again.Times) {
			t.Fatalf("%q: %+v became %+v", text, s, again)
		}
		// Strict parsing returns the same session, or an error.
		strict := sdp.ParseOptions{Strict: true}
		strictly, err := strict.Parse(text)
		wantSyntaxError(t, text, err)
		if err != nil {
			return
		}
		if !reflect.DeepEqual(s, strictly) {
			t.Fatalf("%q: %+v, strictly %+v", text, s, strictly)
		}
		if _, err := strict.Parse(written); err != nil && !errors.Is(err, sdp.ErrLimit) {
			t.Fatalf("%q, written as %q: %v", text, written, err)
		}
	})
}

// FuzzSDPDescription checks that a description, written and parsed again, is the same, and that
// none of its methods fails.
func FuzzSDPDescription(f *testing.F) {
	for _, seed := range sdpSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sdp.ParseDescription(text)
		wantSyntaxError(t, text, err)
		if err != nil {
			return
		}
		valid := d.Validate()
		var invalid *sdp.ValidationError
		if valid != nil && !errors.As(valid, &invalid) {
			t.Fatalf("%q: %v", text, valid)
		}
		d.Application()
		for i := range d.Media {
			m := &d.Media[i]
			transport := d.TransportOf(m)
			_ = sdp.VerifyCertificate(nil, transport.Fingerprints)
			if valid == nil && !m.Rejected && (transport.ICEUfrag == "" || transport.ICEPwd == "" || len(transport.Fingerprints) == 0) {
				t.Fatalf("%q: valid without a transport", text)
			}
			_, _ = d.CandidatesOf(m)
			if tagged := d.TaggedOf(m); tagged != m && (tagged.Rejected || m.Rejected) {
				t.Fatalf("%q: the tagged section of %q is %q", text, m.Mid, tagged.Mid)
			}
			inactive := m.Inactive(sdp.Transport{})
			if again, err := sdp.ParseMedia(inactive.String()); err != nil || again.Mid != m.Mid {
				t.Fatalf("%q: inactive %q: %v", text, inactive.String(), err)
			}
			rejection := m.Rejection()
			rejected, err := sdp.ParseMedia(rejection.String())
			if err != nil || !rejected.Rejected || rejected.Mid != m.Mid {
				t.Fatalf("%q: rejection %q: %v", text, rejection.String(), err)
			}
		}
		checkSDPAnswer(t, text, d)
		checkSDPCodecs(t, text, d)
		written := d.String()
		again, err := sdp.ParseDescription(written)
		if err != nil {
			if errors.Is(err, sdp.ErrLimit) {
				return
			}
			t.Fatalf("%q, written as %q: %v", text, written, err)
		}
		if rewritten := again.String(); rewritten != written {
			t.Fatalf("%q, written as %q, then as %q", text, written, rewritten)
		}
		if (again.Validate() == nil) != (valid == nil) {
			t.Fatalf("%q: %v became %v", text, valid, again.Validate())
		}
	})
}

// checkSDPAnswer checks that an answer has the sections of the offer d in the same order, and can
// be parsed.
func checkSDPAnswer(t *testing.T, text string, d *sdp.Description) {
	answer := d.Answer(func(m *sdp.MediaDescription) (sdp.MediaDescription, bool) {
		return m.Inactive(sdp.Transport{}), len(m.Mid)%2 == 0
	})
	again, err := sdp.ParseDescription(answer.String())
	if err != nil || len(again.Media) != len(d.Media) {
		t.Fatalf("%q: answer %q: %v", text, answer, err)
	}
	for i := range d.Media {
		m := &again.Media[i]
		if m.Mid != d.Media[i].Mid || m.Kind != d.Media[i].Kind || m.Rejected != (d.Media[i].Rejected || len(m.Mid)%2 != 0) {
			t.Fatalf("%q: section %d of the answer %q", text, i, answer)
		}
	}
}

// checkSDPCodecs removes the codecs of a copy of d one after the other, which must not change d.
func checkSDPCodecs(t *testing.T, text string, d *sdp.Description) {
	written := d.String()
	clone := d.Clone()
	if clone.String() != written {
		t.Fatalf("%q: the copy %q of %q", text, clone, written)
	}
	for i := range clone.Media {
		m := &clone.Media[i]
		for codecs := m.Codecs(); len(codecs) > 0; {
			if !m.RemoveCodec(codecs[0].PayloadType) {
				t.Fatalf("%q: section %d: %d is not removed", text, i, codecs[0].PayloadType)
			}
			left := m.Codecs()
			if len(left) >= len(codecs) {
				t.Fatalf("%q: section %d: %v became %v", text, i, codecs, left)
			}
			codecs = left
		}
	}
	if again := d.String(); again != written {
		t.Fatalf("%q: %q became %q", text, written, again)
	}
}

// FuzzSDPValidate checks that a description that Validate accepts can be written and parsed again,
// with any values that a program has set.
func FuzzSDPValidate(f *testing.F) {
	for _, seed := range sdpSeeds {
		f.Add(seed, "sendonly", "", uint16(0), byte(3))
		f.Add(seed, "candidate:1 1 udp 1 192.0.2.1 9 typ host", "x\r\na=y", uint16(1), byte('y'))
		f.Add(seed, "BUNDLE", "0", uint16(5000), byte(1))
	}
	f.Fuzz(func(t *testing.T, text, key, value string, field uint16, small byte) {
		d, err := sdp.ParseDescription(text)
		if err != nil || len(d.Media) == 0 {
			return
		}
		m := &d.Media[0]
		for bit, change := range []func(){
			func() { d.Attributes = append(d.Attributes, sdp.Attribute{Key: key, Value: value}) },
			func() { m.Attributes = append(m.Attributes, sdp.Attribute{Key: key, Value: value}) },
			func() { m.Direction, d.Direction = sdp.Direction(small), sdp.Direction(small) },
			func() { m.Candidates = append(m.Candidates, key) },
			func() { d.Groups = append(d.Groups, sdp.Group{Semantics: key, Mids: []string{value, m.Mid}}) },
			func() { m.Formats = nil },
			func() { m.Rejected = !m.Rejected },
			func() { m.SCTPPort, m.SCTPStreams, m.SCTPClosed = uint16(small), uint16(small), !m.SCTPClosed },
			func() { d.OriginText, d.Connection.Raw = key, value },
			func() { m.Others = append(m.Others, sdp.Line{Type: small, Value: value}) },
			func() { d.Transport.ICEUfrag, m.Transport.ICEPwd, m.TLSID = key, value, value },
			func() { m.Kind, m.Protocol = key, value },
			func() { m.Formats = append(m.Formats, value) },
			func() { m.ICEOptions = append(m.ICEOptions, key) },
			func() { d.Times = append(d.Times, sdp.Time{Raw: value, Zones: key}) },
			func() { m.Mid, m.Title = key, value },
		} {
			if field>>bit&1 != 0 {
				change()
			}
		}
		if d.Validate() != nil {
			return
		}
		written := d.String()
		again, err := sdp.ParseDescription(written)
		if err != nil {
			t.Fatalf("%+v, written as %q: %v", d, written, err)
		}
		if err := again.Validate(); err != nil {
			t.Fatalf("%+v, written as %q: %v", d, written, err)
		}
		if rewritten := again.String(); rewritten != written {
			t.Fatalf("%+v, written as %q, then as %q", d, written, rewritten)
		}
	})
}

// FuzzSDPMedia checks that a section, written and parsed again, is the same.
func FuzzSDPMedia(f *testing.F) {
	f.Add("m=video 9 UDP/TLS/RTP/SAVPF\r\na=mid:video\r\na=rtpmap:96 H264/90000\r\n")
	f.Add("audio 9 UDP/TLS/RTP/SAVPF 111\na=sendonly\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := sdp.ParseMedia(text)
		wantSyntaxError(t, text, err)
		if err != nil {
			return
		}
		written := m.String()
		again, err := sdp.ParseMedia(written)
		if err != nil && !errors.Is(err, sdp.ErrLimit) {
			t.Fatalf("%q, written as %q: %v", text, written, err)
		}
		if err == nil && again.String() != written {
			t.Fatalf("%q, written as %q, then as %q", text, written, again.String())
		}
	})
}
