package sdp

import "strings"

// Descriptions written by various implementations, with LF for readability. The function crlf
// restores the line ends.

const fingerprintText = "34:98:D3:B3:F2:21:48:27:F4:C2:16:E4:DE:B9:39:EA:CF:E0:D3:15:E8:E4:A5:CE:B8:C4:EC:D3:95:5D:EB:A0"

const chromeData = `v=0
o=- 3299318957091646788 5 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS
m=application 49028 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 198.51.100.77
a=candidate:2570622895 1 udp 2113937151 68b118a2-6d46-43fb-a144-aabe6d76f04e.local 62189 typ host generation 0 network-cost 999
a=candidate:4197075383 1 udp 1677729535 203.0.113.221 25539 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999
a=candidate:1426892169 1 udp 33562623 198.51.100.77 49028 typ relay raddr 203.0.113.221 rport 25539 generation 0 network-cost 999
a=ice-ufrag:+lKv
a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu
a=ice-options:trickle
a=fingerprint:sha-256 ` + fingerprintText + `
a=setup:actpass
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
`

// Video and a data channel; the video section is Chrome's with fewer codecs.
const chromeVideo = `v=0
o=- 7129205267550789806 3 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS zHLenxRoEy5ss3jwu5u3sUKWJQOy5m6SwAsY
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:XAAr
a=ice-pwd:Dnm1QoFhgWUX3RURw+i2gUQA
a=ice-options:trickle
a=fingerprint:sha-256 ` + fingerprintText + `
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=sendrecv
a=msid:zHLenxRoEy5ss3jwu5u3sUKWJQOy5m6SwAsY 232980e5-e725-458a-a346-4730420f58ff
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=ssrc-group:FID 1412078074 1853322751
a=ssrc:1412078074 cname:/nX1r0P1oSOr0ktw
a=ssrc:1853322751 cname:/nX1r0P1oSOr0ktw
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
b=AS:30
a=ice-ufrag:XAAr
a=ice-pwd:Dnm1QoFhgWUX3RURw+i2gUQA
a=ice-options:trickle
a=fingerprint:sha-256 ` + fingerprintText + `
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
`

const firefoxData = `v=0
o=mozilla...THIS_IS_SDPARTA-99.0 4189360314203899506 0 IN IP4 0.0.0.0
s=-
t=0 0
a=sendrecv
a=fingerprint:sha-256 ` + fingerprintText + `
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=candidate:0 1 UDP 2122252543 192.0.2.14 44440 typ host
a=candidate:2 1 TCP 2105524479 192.0.2.14 9 typ host tcptype active
a=sendrecv
a=end-of-candidates
a=ice-pwd:7d6fa8fd92707c1f8b62be23c447ffc2
a=ice-ufrag:25549086
a=mid:0
a=setup:actpass
a=sctp-port:5000
a=max-message-size:1073741823
`

// Safari uses the same library as Chrome; this is a version with named mids and the ICE option
// renomination.
const safariData = `v=0
o=- 8148572839875102105 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE data
a=msid-semantic: WMS
m=application 61015 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP6 2001:db8::c
b=AS:30
a=candidate:3103151263 1 udp 2113939711 2001:db8::c 61015 typ host generation 0 network-cost 999
a=ice-ufrag:XSmV
a=ice-pwd:Ss5xY4RMFEJASRvK5TIPgLN9
a=ice-options:trickle renomination
a=fingerprint:sha-256 ` + fingerprintText + `
a=setup:actpass
a=mid:data
a=sctp-port:5000
a=max-message-size:65536
`

const pionData = `v=0
o=- 5851704821468498358 1754304708 IN IP4 0.0.0.0
s=-
t=0 0
a=msid-semantic:WMS*
a=fingerprint:sha-256 ` + fingerprintText + `
a=extmap-allow-mixed
a=group:BUNDLE 0

m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=setup:active
a=mid:0
a=sendrecv
a=sctp-port:5000
a=max-message-size:1073741823
a=ice-ufrag:QkyBopRWKSkGtmVn
a=ice-pwd:wiVCIrmssQNJnwUsCuqDqzfHJPfxDvHF
a=candidate:1966762133 1 udp 2130706431 192.0.2.7 50522 typ host ufrag QkyBopRWKSkGtmVn
a=end-of-candidates
`

// All attributes of the transport in the session part, options separated by commas, and bundle-only
// without port 0.
const libdatachannelData = `v=0
o=rtc 2883761294 0 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=group:LS 0
a=msid-semantic:WMS *
a=setup:actpass
a=ice-ufrag:hc5W
a=ice-pwd:dSLMuaA13zQ+CNtMpSqFh8
a=ice-options:ice2,trickle
a=fingerprint:sha-256 ` + fingerprintText + `
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=bundle-only
a=mid:0
a=sendrecv
a=sctp-port:5000
a=max-message-size:262144
`

// Before RFC 8841.
const oldChromeData = `v=0
o=- 6575128786484314789 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE data
a=msid-semantic: WMS
m=application 9 DTLS/SCTP 5000
c=IN IP4 0.0.0.0
b=AS:30
a=ice-ufrag:oZF1
a=ice-pwd:8+qEgoDOiFd49nDG9oNSYYaz
a=ice-options:trickle
a=fingerprint:sha-256 ` + fingerprintText + `
a=setup:actpass
a=mid:data
a=sctpmap:5000 webrtc-datachannel 1024
`

var descriptions = map[string]string{
	"Chrome data":     chromeData,
	"Chrome video":    chromeVideo,
	"Firefox":         firefoxData,
	"Safari":          safariData,
	"pion":            pionData,
	"libdatachannel":  libdatachannelData,
	"Chrome up to 75": oldChromeData,
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
