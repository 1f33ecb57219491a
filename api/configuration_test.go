package rtc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/proxy"
)

func TestICEServerURIs(t *testing.T) {
	for _, c := range []struct {
		uri  string
		want serverURI
	}{
		// The default scheme is stun, the default port is 3478 (5349 over TLS), and the default
		// transport is UDP.
		{"mystunserver.org", serverURI{scheme: "stun", host: "mystunserver.org", port: 3478, transport: "udp"}},
		{"stun:host", serverURI{scheme: "stun", host: "host", port: 3478, transport: "udp"}},
		{"stun://host:19302", serverURI{scheme: "stun", host: "host", port: 19302, transport: "udp"}},
		{"STUN:host", serverURI{scheme: "stun", host: "host", port: 3478, transport: "udp"}},
		{"192.0.2.1:1234", serverURI{scheme: "stun", host: "192.0.2.1", port: 1234, transport: "udp"}},
		{"stun:[2001:db8::1]", serverURI{scheme: "stun", host: "2001:db8::1", port: 3478, transport: "udp"}},
		{"[2001:db8::1]:99", serverURI{scheme: "stun", host: "2001:db8::1", port: 99, transport: "udp"}},
		{"turn:myuser:12345678@turnserver.org", serverURI{scheme: "turn", username: "myuser", password: "12345678",
			hasCredentials: true, host: "turnserver.org", port: 3478, transport: "udp"}},
		{"turn://u:p@h:1?transport=tcp", serverURI{scheme: "turn", username: "u", password: "p", hasCredentials: true,
			host: "h", port: 1, transport: "tcp"}},
		{"turn:h?transport=tls", serverURI{scheme: "turn", host: "h", port: 5349, transport: "tls"}},
		{"turns:h", serverURI{scheme: "turns", host: "h", port: 5349, transport: "tls"}},
		{"turns:h?transport=tcp", serverURI{scheme: "turns", host: "h", port: 5349, transport: "tls"}},
		{"turns:u:p@[::1]:7", serverURI{scheme: "turns", username: "u", password: "p", hasCredentials: true,
			host: "::1", port: 7, transport: "tls"}},
		// In the user name and the password, ':' is encoded as %3A and '@' as %40.
		{"turn:a%3Ab:c%40d%25@h", serverURI{scheme: "turn", username: "a:b", password: "c@d%", hasCredentials: true,
			host: "h", port: 3478, transport: "udp"}},
	} {
		got, err := parseICEServer(c.uri)
		require.NoError(t, err, c.uri)
		require.Equal(t, c.want, got, c.uri)
	}
	for _, uri := range []string{
		"", "stun:", "stun://", ":", "http:host", "stuns:host", "stun:host:", "stun:host:0", "stun:host:65536", "stun:host:x",
		"turn:user@host", "turn::pass@host", "turn:a:b:c@host", "turn:a@b:c@host", "turn:a%zz:b@host", "turn:a:%g0@host",
		"turn:host?transport=sctp", "turn:host?transport=", "turn:host?foo=udp", "turn:host?",
		"stun:[::1", "stun:[host]", "stun:[::1]x", "stun:[::1]:", "stun:[192.0.2.1]", "stun:2001:db8::1",
		"stun:ho st", "stun:host/path", "stun:a..b", "stun:-a",
	} {
		_, err := parseICEServer(uri)
		require.ErrorIs(t, err, ErrInvalid, "%q", uri)
	}
}

func TestProxyURIs(t *testing.T) {
	for _, uri := range []string{"proxy", "http:proxy", "http://u:p@proxy:8080", "socks5://proxy", "socks5:[::1]", "u@proxy", "socks5h://proxy/"} {
		_, err := Configuration{ProxyServer: uri}.validate()
		require.NoError(t, err, "%q", uri)
	}
	for _, uri := range []string{"http:", "https://proxy", "socks4:proxy", "proxy:", "@proxy"} {
		_, err := NewPeerConnection(Configuration{ProxyServer: uri})
		require.ErrorIs(t, err, ErrInvalid, "%q", uri)
		require.ErrorIs(t, err, proxy.ErrInvalidProxy, "%q", uri)
	}
}

func TestErrorsDoNotSpreadPasswords(t *testing.T) {
	_, err := parseICEServer("turn:user:secret@host:port")
	require.ErrorIs(t, err, ErrInvalid)
	require.NotContains(t, err.Error(), "secret")
}

func TestConfigurationThatCannotBeRight(t *testing.T) {
	many := make([]string, maxICEServers+1)
	for i := range many {
		many[i] = "stun:host"
	}
	for name, c := range map[string]Configuration{
		"MTU 1":                {MTU: 1},
		"MTU 575":              {MTU: 575},
		"MTU negative":         {MTU: -1},
		"MTU 65536":            {MTU: 65536},
		"port range":           {PortRangeBegin: 2, PortRangeEnd: 1},
		"certificate, no key":  {CertificatePEMFile: "x"},
		"key, no certificate":  {KeyPEMFile: "x"},
		"bad PEM":              {CertificatePEMFile: "-----BEGIN x", KeyPEMFile: "y"},
		"no such file":         {CertificatePEMFile: "/nonexistent/a", KeyPEMFile: "/nonexistent/b"},
		"ICE server":           {ICEServers: []string{"stun:ok", "stun:"}},
		"too many ICE servers": {ICEServers: many},
		"proxy":                {ProxyServer: "ftp://x"},
		"bind address":         {BindAddress: "nonsense"},
		"foreign bind address": {BindAddress: "192.0.2.77"},
		"certificate type":     {CertificateType: 3},
		"transport policy":     {ICETransportPolicy: -1},
		"relayed candidates only, and no TURN server": {ICETransportPolicy: TransportPolicyRelay, ICEServers: []string{"stun:host"}},
		"relayed candidates only, as long as TURN is not supported": {ICETransportPolicy: TransportPolicyRelay,
			ICEServers: []string{"turn:u:p@host"}},
	} {
		_, err := NewPeerConnection(c)
		require.ErrorIs(t, err, ErrInvalid, name)
		require.Equal(t, CodeInvalid, ErrorCode(err), name)
	}
}

func TestConfigurationDefaults(t *testing.T) {
	s, err := Configuration{MaxMessageSize: -1, PortRangeBegin: 5}.validate()
	require.NoError(t, err)
	require.Equal(t, DefaultMTU, s.MTU)
	require.Equal(t, DefaultMaxMessageSize, s.MaxMessageSize) // a negative size means the default
	require.Equal(t, uint16(65535), s.PortRangeEnd)
	for _, bind := range []string{"", "127.0.0.1", "0.0.0.0", "::"} {
		_, err := Configuration{BindAddress: bind, MTU: 576}.validate()
		require.NoError(t, err, bind)
	}
}

func TestTURNServersAreAcceptedForNow(t *testing.T) {
	pc, err := NewPeerConnection(Configuration{
		ICEServers: []string{"turn:u:p@192.0.2.1?transport=tcp"}, ProxyServer: "socks5:host",
		EnableICETCP: true, EnableICEUDPMux: true, ForceMediaTransport: true,
	})
	require.NoError(t, err)
	require.NoError(t, pc.CloseAndWait())
}

func TestEveryErrorHasOneClass(t *testing.T) {
	classes := []error{ErrInvalid, ErrFailure, ErrNotAvailable, ErrTooSmall}
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{invalidf("x"), -1},
		{failuref("x"), -2},
		{notAvailablef("x"), -3},
		{&classError{class: ErrTooSmall, text: "x"}, -4},
		{wrapError(ErrFailure, invalidf("x"), "y"), -1}, // the first class stays
		{wrapError(ErrInvalid, io.EOF, "y"), -1},
		{io.EOF, -2},
		{fmt.Errorf("more: %w", notAvailablef("x")), -3},
	} {
		require.Equal(t, c.code, ErrorCode(c.err), "%v", c.err)
		if matches := 0; c.err != nil && c.err != io.EOF {
			for _, class := range classes {
				if errors.Is(c.err, class) {
					matches++
				}
			}
			require.Equal(t, 1, matches, "%v", c.err)
		}
	}
	require.ErrorIs(t, wrapError(ErrInvalid, io.EOF, "y"), io.EOF)
}

func TestWordsAreThoseOfTheW3C(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"new": StateNew, "connecting": StateConnecting, "connected": StateConnected, "disconnected": StateDisconnected,
		"failed": StateFailed, "closed": StateClosed, "checking": ICEStateChecking, "completed": ICEStateCompleted,
		"gathering": GatheringStateInProgress, "complete": GatheringStateComplete, "stable": SignalingStateStable,
		"have-local-offer": SignalingStateHaveLocalOffer, "have-remote-offer": SignalingStateHaveRemoteOffer,
		"have-local-pranswer": SignalingStateHaveLocalPranswer, "have-remote-pranswer": SignalingStateHaveRemotePranswer,
		"offer": DescriptionOffer, "answer": DescriptionAnswer, "pranswer": DescriptionPranswer, "rollback": DescriptionRollback,
		"": DescriptionAuto, "default": CertificateTypeDefault, "ecdsa": CertificateTypeECDSA, "rsa": CertificateTypeRSA,
		"all": TransportPolicyAll, "relay": TransportPolicyRelay, "unknown": DirectionUnknown, "sendonly": DirectionSendOnly,
		"recvonly": DirectionRecvOnly, "sendrecv": DirectionSendRecv, "inactive": DirectionInactive, "unknown(9)": State(9),
	} {
		require.Equal(t, want, got.String())
	}
	for i, word := range descriptionWords {
		parsed, err := ParseDescriptionType(word)
		require.NoError(t, err)
		require.Equal(t, DescriptionType(i), parsed)
	}
	_, err := ParseDescriptionType("nonsense")
	require.ErrorIs(t, err, ErrInvalid)
	// The values are those of the C API.
	require.EqualValues(t, 5, StateClosed)
	require.EqualValues(t, 4, ICEStateFailed)
	require.EqualValues(t, 5, ICEStateDisconnected)
	require.EqualValues(t, 4, SignalingStateHaveRemotePranswer)
}

func TestDescriptionsAndCandidatesInJSON(t *testing.T) {
	text, err := json.Marshal(SessionDescription{Type: DescriptionOffer, SDP: "v=0\r\n"})
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"offer","sdp":"v=0\r\n"}`, string(text))
	var d SessionDescription
	require.NoError(t, json.Unmarshal([]byte(`{"type":"answer","sdp":"x"}`), &d))
	require.Equal(t, SessionDescription{Type: DescriptionAnswer, SDP: "x"}, d)
	require.ErrorIs(t, json.Unmarshal([]byte(`{"type":"offre"}`), &d), ErrInvalid)
	var c Candidate
	require.NoError(t, json.Unmarshal([]byte(`{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}`), &c))
	require.Equal(t, Candidate{Candidate: "candidate:1", Mid: "0"}, c)
}

func TestPreload(t *testing.T) {
	Cleanup()
	require.True(t, Preload())
	require.False(t, Preload())
	Cleanup()
	require.True(t, Preload())
}
