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
