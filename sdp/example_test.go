package sdp_test

import (
	"fmt"
	"strings"

	"github.com/rtcstack/rtcstack/sdp"
)

func ExampleParseDescription() {
	const text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
		"a=candidate:1 1 udp 2113937151 192.0.2.1 62189 typ host\r\n" +
		"a=ice-ufrag:+lKv\r\na=ice-pwd:H9gnSA7N/gydRr6CruQSOayu\r\na=ice-options:trickle\r\n" +
		"a=fingerprint:sha-256 34:98:D3:B3:F2:21:48:27:F4:C2:16:E4:DE:B9:39:EA:CF:E0:D3:15:E8:E4:A5:CE:B8:C4:EC:D3:95:5D:EB:A0\r\n" +
		"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

	d, err := sdp.ParseDescription(text)
	if err == nil {
		err = d.Validate()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	m := d.Application()
	t := d.TransportOf(m)
	fmt.Println(t.ICEUfrag, t.Setup, t.Fingerprints[0].Algorithm, m.EffectiveSCTPPort(), m.MessageLimit())
	fmt.Println(m.Candidates[0])
	// Output:
	// +lKv actpass sha-256 5000 262144
	// candidate:1 1 udp 2113937151 192.0.2.1 62189 typ host
}

func ExampleDescription_Append() {
	certificate := []byte("the DER bytes of a certificate")
	fingerprint, _ := sdp.NewFingerprint(sdp.SHA256, certificate)
	offer := sdp.Description{
		SessionID:      4611731400430051336,
		SessionVersion: 1,
		Groups:         []sdp.Group{{Semantics: sdp.SemanticsBundle, Mids: []string{"0"}}},
		Attributes:     sdp.Attributes{{Key: "msid-semantic", Value: " WMS"}},
		Media: []sdp.MediaDescription{{
			Kind: sdp.KindApplication,
			Mid:  "0",
			Transport: sdp.Transport{
				ICEUfrag:     "+lKv",
				ICEPwd:       "H9gnSA7N/gydRr6CruQSOayu",
				ICEOptions:   []string{"trickle"},
				Fingerprints: []sdp.Fingerprint{fingerprint},
				Setup:        sdp.SetupActpass,
			},
			SCTPPort:          sdp.DefaultSCTPPort,
			MaxMessageSize:    262144,
			HasMaxMessageSize: true,
		}},
	}
	fmt.Println(strings.ReplaceAll(offer.String(), "\r\n", "\n"))
	// Output:
	// v=0
	// o=- 4611731400430051336 1 IN IP4 0.0.0.0
	// s=-
	// t=0 0
	// a=group:BUNDLE 0
	// a=msid-semantic: WMS
	// m=application 9 UDP/DTLS/SCTP webrtc-datachannel
	// c=IN IP4 0.0.0.0
	// a=ice-ufrag:+lKv
	// a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu
	// a=ice-options:trickle
	// a=fingerprint:sha-256 66:78:81:08:55:47:94:43:E4:60:56:E5:18:CD:25:BF:20:D7:37:6F:4C:38:62:0C:3D:CE:F6:02:84:41:12:6A
	// a=setup:actpass
	// a=mid:0
	// a=sctp-port:5000
	// a=max-message-size:262144
}

// The codecs of a section, each with its parameters and its feedback messages.
func ExampleMediaDescription_Codecs() {
	m, err := sdp.ParseMedia("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" +
		"a=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n" +
		"a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n" +
		"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, codec := range m.Codecs() {
		profile, _ := codec.Parameter("profile-level-id")
		fmt.Printf("%d %s/%d %q %q\n", codec.PayloadType, codec.Name, codec.ClockRate, profile, codec.Feedback)
		if of, ok := codec.Retransmits(); ok {
			fmt.Println("retransmits", of)
		}
	}
	// Output:
	// 96 H264/90000 "42e01f" ["nack" "nack pli"]
	// 97 rtx/90000 "" []
	// retransmits 96
}

// A program that does not want VP8 removes it from a description before it is applied. The
// retransmission format 97 is removed with it.
func ExampleMediaDescription_RemoveCodec() {
	m, err := sdp.ParseMedia("m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=sendrecv\r\n" +
		"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
		"a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, codec := range m.Codecs() {
		if strings.EqualFold(codec.Name, "VP8") {
			m.RemoveCodec(codec.PayloadType)
		}
	}
	fmt.Println(strings.ReplaceAll(m.String(), "\r\n", "\n"))
	// Output:
	// m=video 9 UDP/TLS/RTP/SAVPF 98
	// c=IN IP4 0.0.0.0
	// a=sendrecv
	// a=rtpmap:98 VP9/90000
	// a=rtcp-fb:98 nack
}

func ExampleMediaDescription_AddCodec() {
	m := sdp.MediaDescription{Kind: sdp.KindAudio, Mid: "0"}
	m.AddCodec(sdp.Codec{
		PayloadType: 111, Name: "opus", ClockRate: 48000, Channels: 2,
		Parameters: "minptime=10;useinbandfec=1", Feedback: []string{"transport-cc"},
	})
	fmt.Println(strings.ReplaceAll(m.String(), "\r\n", "\n"))
	// Output:
	// m=audio 9 UDP/TLS/RTP/SAVPF 111
	// c=IN IP4 0.0.0.0
	// a=mid:0
	// a=rtpmap:111 opus/48000/2
	// a=rtcp-fb:111 transport-cc
	// a=fmtp:111 minptime=10;useinbandfec=1
}

// Attributes without a field of their own are set and deleted by name, in the session part and in
// the sections.
func ExampleAttributes_Set() {
	d := sdp.Description{Media: []sdp.MediaDescription{{Kind: sdp.KindAudio, Formats: []string{"0"}}}}
	d.Attributes.Set("msid-semantic", " WMS *")
	audio := &d.Media[0]
	audio.Attributes.Add("rtcp-mux", "")
	audio.Attributes.Set("ptime", "20")
	audio.Attributes.Set("ptime", "60")
	audio.Attributes.Delete("rtcp-mux")
	fmt.Println(strings.ReplaceAll(d.String(), "\r\n", "\n"))
	// Output:
	// v=0
	// o=- 0 0 IN IP4 0.0.0.0
	// s=-
	// t=0 0
	// a=msid-semantic: WMS *
	// m=audio 9 UDP/TLS/RTP/SAVPF 0
	// c=IN IP4 0.0.0.0
	// a=ptime:60
}

// An answer that takes the data channels of an offer and declines the rest.
func ExampleDescription_Answer() {
	offer, err := sdp.ParseDescription("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=setup:actpass\r\na=sctp-port:5000\r\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := offer.Answer(func(offered *sdp.MediaDescription) (section sdp.MediaDescription, ok bool) {
		if !offered.IsDataChannel() {
			return section, false
		}
		setup, err := sdp.AnswerSetup(offer.TransportOf(offered).Setup)
		if err != nil {
			return section, false
		}
		section.Transport = sdp.Transport{ICEUfrag: "+lKv", ICEPwd: "H9gnSA7N/gydRr6CruQSOayu", Setup: setup}
		section.SCTPPort = sdp.DefaultSCTPPort
		return section, true
	})
	answer.SessionID, answer.SessionVersion = 4611731400430051336, 1
	fmt.Println(strings.ReplaceAll(answer.String(), "\r\n", "\n"))
	// Output:
	// v=0
	// o=- 4611731400430051336 1 IN IP4 0.0.0.0
	// s=-
	// t=0 0
	// a=group:BUNDLE 1
	// m=audio 0 UDP/TLS/RTP/SAVPF 0
	// c=IN IP4 0.0.0.0
	// a=mid:0
	// m=application 9 UDP/DTLS/SCTP webrtc-datachannel
	// c=IN IP4 0.0.0.0
	// a=ice-ufrag:+lKv
	// a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu
	// a=setup:active
	// a=mid:1
	// a=sctp-port:5000
}

func ExampleDescription_Clone() {
	d := &sdp.Description{Media: []sdp.MediaDescription{{Kind: sdp.KindAudio, Formats: []string{"0", "8"}}}}
	c := d.Clone()
	c.Media[0].RemoveCodec(8)
	fmt.Println(d.Media[0].Formats, c.Media[0].Formats)
	// Output: [0 8] [0]
}

// The two a=setup values decide which side begins the DTLS handshake.
func ExampleAnswererIsClient() {
	offer := sdp.SetupActpass
	answer, err := sdp.AnswerSetup(offer)
	if err != nil {
		fmt.Println(err)
		return
	}
	answerer, err := sdp.AnswererIsClient(offer, answer)
	fmt.Println(answer, answerer, err)
	// Output: active true <nil>
}

// The certificate of a DTLS handshake is checked against the fingerprints of the description.
func ExampleVerifyCertificate() {
	certificate := []byte("the DER bytes of a certificate")
	fingerprint, _ := sdp.NewFingerprint(sdp.SHA256, certificate)
	fmt.Println(sdp.VerifyCertificate(certificate, []sdp.Fingerprint{fingerprint}))
	fmt.Println(sdp.VerifyCertificate([]byte("another one"), []sdp.Fingerprint{fingerprint}))
	// Output:
	// <nil>
	// sdp: certificate does not match the fingerprint
}
