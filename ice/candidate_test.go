package ice

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseCandidate(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Candidate
		canonical  string // the result of String, if not text
	}{
		{
			name: "host", text: "candidate:1 1 udp 2130706431 203.0.113.141 8998 typ host",
			want: Candidate{Foundation: "1", Component: 1, Priority: 2130706431, Type: CandidateTypeHost,
				Addr: netip.MustParseAddrPort("203.0.113.141:8998")},
		},
		{
			name: "RFC 8839's example", text: "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n",
			want: Candidate{Foundation: "2", Component: 1, Priority: 1694498815, Type: CandidateTypeServerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.3:45664"), Related: netip.MustParseAddrPort("203.0.113.141:8998")},
			canonical: "candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
		},
		{
			name: "IPv6 relay", text: "candidate:abc+/XYZ 256 udp 1 2001:db8::1 1 typ relay raddr 2001:db8::2 rport 65535",
			want: Candidate{Foundation: "abc+/XYZ", Component: 256, Priority: 1, Type: CandidateTypeRelayed,
				Addr: netip.MustParseAddrPort("[2001:db8::1]:1"), Related: netip.MustParseAddrPort("[2001:db8::2]:65535")},
		},
		{
			name: "extensions of a browser",
			text: "candidate:842163049 1 udp 1677729535 192.0.2.5 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-id 1 network-cost 10",
			want: Candidate{Foundation: "842163049", Component: 1, Priority: 1677729535, Type: CandidateTypeServerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.5:46154"), Related: netip.MustParseAddrPort("0.0.0.0:0"),
				Extensions: []Extension{{"generation", "0"}, {"ufrag", "EsAw"}, {"network-id", "1"}, {"network-cost", "10"}}},
		},
		{
			name: "mDNS name", text: "candidate:1 1 udp 2122260223 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 55000 typ host",
			want: Candidate{Foundation: "1", Component: 1, Priority: 2122260223, Type: CandidateTypeHost,
				Host: "9b36eaac-bb2e-49bb-bb78-21c41c499900.local", HostPort: 55000},
		},
		{
			name: "TCP", text: "candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0",
			want: Candidate{Foundation: "1", Component: 1, Transport: TransportTCP, Priority: 1518280447, Type: CandidateTypeHost,
				Addr: netip.MustParseAddrPort("192.0.2.1:9"), TCPType: TCPTypeActive, Extensions: []Extension{{"generation", "0"}}},
		},
		{
			name: "TCP, extension first", text: "candidate:1 1 TCP 1 192.0.2.1 9 typ host generation 0 tcptype so",
			want: Candidate{Foundation: "1", Component: 1, Transport: TransportTCP, Priority: 1, Type: CandidateTypeHost,
				Addr: netip.MustParseAddrPort("192.0.2.1:9"), TCPType: TCPTypeSimultaneousOpen, Extensions: []Extension{{"generation", "0"}}},
			canonical: "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype so generation 0",
		},
		{
			name: "IPv4 in IPv6, and too many spaces", text: "candidate:1  1 udp 5 ::ffff:192.0.2.1 9  typ prflx raddr host.example rport 7",
			want: Candidate{Foundation: "1", Component: 1, Priority: 5, Type: CandidateTypePeerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.1:9")},
			canonical: "candidate:1 1 udp 5 192.0.2.1 9 typ prflx",
		},
		{
			name: "an extension without value at the end", text: "candidate:1 1 udp 5 192.0.2.1 9 typ host x",
			want: Candidate{Foundation: "1", Component: 1, Priority: 5, Type: CandidateTypeHost,
				Addr: netip.MustParseAddrPort("192.0.2.1:9"), Extensions: []Extension{{"x", ""}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseCandidate(test.text)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			if test.canonical == "" {
				test.canonical = test.text
			}
			require.Equal(t, test.canonical, got.String())
			again, err := ParseCandidate(got.String())
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}

func TestParseCandidateRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"":            ErrCandidatePrefix,
		"candidate":   ErrCandidatePrefix,
		"a=ice-lite":  ErrCandidatePrefix,
		"candidate:":  ErrCandidateFoundation,
		"candidate:1": ErrCandidateComponent,
		"candidate:é 1 udp 5 192.0.2.1 9 typ host":                                ErrCandidateFoundation,
		"candidate:" + strings.Repeat("1", 257) + " 1 udp 5 192.0.2.1 9 typ host": ErrCandidateFoundation,
		"candidate:a:b 1 udp 5 192.0.2.1 9 typ host":                              ErrCandidateFoundation,
		"candidate:1 udp 5 192.0.2.1 9 typ host":                                  ErrCandidateComponent,
		"candidate: udp 5 192.0.2.1 9 typ host":                                   ErrCandidatePort,
		"candidate: 0 udp 5 192.0.2.1 9 typ host":                                 ErrCandidateComponent,
		"candidate:1 1": ErrCandidateTruncated,
		"candidate:1 1 udp 4294967296 192.0.2.1 9 typ host":         ErrCandidatePriority,
		"candidate:1 1 udp -5 192.0.2.1 9 typ host":                 ErrCandidatePriority,
		"candidate:1 1 udp 5 [2001:db8::1 9 typ host":               ErrCandidateAddress,
		"candidate:1 1 udp 5 2001:db8::1] 9 typ host":               ErrCandidateAddress,
		"candidate:1 1 udp 5 [192.0.2.1] 9 typ host":                ErrCandidateAddress,
		"candidate:1 1 udp 5 192.0.2.1%eth0 9 typ host":             ErrCandidateAddress,
		"candidate:1 1 udp 5 fe80::1%\x00 9 typ host":               ErrCandidateAddress,
		"candidate:1 1 udp 5 [fe80::1%a\r\nb] 9 typ host":           ErrCandidateAddress,
		"candidate:1 1 udp 5 fe80::1%a\tb 9 typ host":               ErrCandidateAddress,
		"candidate:1 1 udp 5 192.0.2.1 9 typ host tcptype sideways": ErrCandidateTCPType,
		// A candidate of an unknown type or transport must be well-formed otherwise.
		"candidate:1 1 sctp 0 192.0.2.1 9 typ host":                               ErrCandidatePriority,
		"candidate:1 1 sctp 5 192.0.2.1 99999 typ host":                           ErrCandidatePort,
		"candidate:1 1 sctp 5 192.0.2.1 9":                                        ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ teleport raddr":                      ErrCandidateRelated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ teleport x y\r\na=evil z":            ErrCandidateExtension,
		"candidate:1 0 udp 5 192.0.2.1 9 typ host":                                ErrCandidateComponent,
		"candidate:1 257 udp 5 192.0.2.1 9 typ host":                              ErrCandidateComponent,
		"candidate:1 -1 udp 5 192.0.2.1 9 typ host":                               ErrCandidateComponent,
		"candidate:1 1 sctp 5 192.0.2.1 9 typ host":                               ErrCandidateTransport,
		"candidate:1 1 udp 0 192.0.2.1 9 typ host":                                ErrCandidatePriority,
		"candidate:1 1 udp 99999999999999999999 192.0.2.1 9 typ host":             ErrCandidatePriority,
		"candidate:1 1 udp 5":                                                     ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1":                                           ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.256 9 typ host":                              ErrCandidateAddress,
		"candidate:1 1 udp 5 a_b!c 9 typ host":                                    ErrCandidateAddress,
		"candidate:1 1 udp 5 " + strings.Repeat("a", 254) + " 9 typ host":         ErrCandidateAddress,
		"candidate:1 1 udp 5 192.0.2.1 65536 typ host":                            ErrCandidatePort,
		"candidate:1 1 udp 5 192.0.2.1 +9 typ host":                               ErrCandidatePort,
		"candidate:1 1 udp 5 192.0.2.1 9":                                         ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ":                                     ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 type host":                               ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ teleport":                            ErrCandidateType,
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 192.0.2.2 rport 65536":   ErrCandidateRelated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr":                         ErrCandidateRelated,
		"candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype sideways":               ErrCandidateTCPType,
		"candidate:1 1 udp 5 192.0.2.1 9 typ host x y\r\na=evil z":                ErrCandidateExtension,
		"candidate:1 1 udp 5 192.0.2.1 9 typ host" + strings.Repeat(" k v", 33):   ErrCandidateExtension,
		"candidate:1 1 udp 5 192.0.2.1 9 typ host x " + strings.Repeat("v", 3000): ErrCandidateTooLong,
	} {
		_, err := ParseCandidate(text)
		require.ErrorIs(t, err, want, "%q", text)
		var ce *CandidateError
		require.ErrorAs(t, err, &ce)
		require.LessOrEqual(t, len(ce.Text), 128)
		require.True(t, strings.HasPrefix(text, ce.Text))
		unsupported := errors.Is(want, ErrCandidateType) || errors.Is(want, ErrCandidateTransport)
		require.Equal(t, unsupported, errors.Is(err, ErrUnsupportedCandidate), "%q", text)
	}
}

// RFC 8839, section 5.1: the caller can recognize candidates of unknown transports and types, which
// it has to ignore.
func TestParseCandidateOfAnotherKind(t *testing.T) {
	for text, want := range map[string]error{
		"candidate:1 1 SCTP 2122252543 192.0.2.16 49760 typ host":                             ErrCandidateTransport,
		"candidate:2113932029 1 ssltcp 2113932029 192.0.2.15 443 typ host generation 0":       ErrCandidateTransport,
		"candidate:1 1 quic 5 quic.example 443 typ host raddr 1 rport 2 tcptype so x y":       ErrCandidateTransport,
		"candidate:1 1 UDP 2122252543 192.0.2.17 49760 typ future":                            ErrCandidateType,
		"candidate:1 1 UDP 2122252543 192.0.2.17 49760 typ token raddr 192.0.2.1 rport 9 x y": ErrCandidateType,
		"candidate:1 1 quic 5 192.0.2.1 9 typ future":                                         ErrCandidateTransport,
	} {
		_, err := ParseCandidate(text)
		require.ErrorIs(t, err, want, text)
		require.ErrorIs(t, err, ErrUnsupportedCandidate, text)
	}
}

// Candidates that deviate from the grammar and are unambiguous.
func TestParseCandidateAcceptsDeviations(t *testing.T) {
	base := Candidate{Foundation: "1", Component: 1, Priority: 5, Type: CandidateTypeHost, Addr: netip.MustParseAddrPort("192.0.2.1:4000")}
	with := func(change func(c *Candidate)) Candidate {
		c := base
		change(&c)
		return c
	}
	long := strings.Repeat("ab12", 64)
	for _, test := range []struct {
		name, text string
		want       Candidate
		canonical  string
	}{
		{"no foundation", "candidate: 1 udp 5 192.0.2.1 4000 typ host", with(func(c *Candidate) { c.Foundation = "" }), ""},
		{"a space before the foundation", "candidate: 1 1 udp 5 192.0.2.1 4000 typ host", base, "candidate:1 1 udp 5 192.0.2.1 4000 typ host"},
		{"foundation with other characters", "candidate:udp_1-a=# 1 udp 5 192.0.2.1 4000 typ host", with(func(c *Candidate) { c.Foundation = "udp_1-a=#" }), ""},
		{"long foundation", "candidate:" + long + " 1 udp 5 192.0.2.1 4000 typ host", with(func(c *Candidate) { c.Foundation = long }), ""},
		{"priority of 2^31", "candidate:1 1 udp 2147483648 192.0.2.1 4000 typ host", with(func(c *Candidate) { c.Priority = 1 << 31 }), ""},
		{"priority of 2^32-1", "candidate:1 1 udp 4294967295 192.0.2.1 4000 typ host", with(func(c *Candidate) { c.Priority = 1<<32 - 1 }), ""},
		{"zone", "candidate:1 1 udp 5 fe80::1%eth0 4000 typ host",
			with(func(c *Candidate) { c.Addr = netip.MustParseAddrPort("[fe80::1]:4000") }), "candidate:1 1 udp 5 fe80::1 4000 typ host"},
		{"brackets", "candidate:1 1 udp 5 [2001:db8::2] 4000 typ host",
			with(func(c *Candidate) { c.Addr = netip.MustParseAddrPort("[2001:db8::2]:4000") }), "candidate:1 1 udp 5 2001:db8::2 4000 typ host"},
		{"brackets and zone", "candidate:1 1 udp 5 [fe80::1%3] 4000 typ host",
			with(func(c *Candidate) { c.Addr = netip.MustParseAddrPort("[fe80::1]:4000") }), "candidate:1 1 udp 5 fe80::1 4000 typ host"},
		// RFC 6544, section 4.5: the port of an active candidate is 9.
		{"TCP of before RFC 6544, active", "candidate:1 1 tcp 5 192.0.2.1 9 typ host generation 0", with(func(c *Candidate) {
			c.Addr, c.Transport, c.TCPType = netip.MustParseAddrPort("192.0.2.1:9"), TransportTCP, TCPTypeActive
			c.Extensions = []Extension{{"generation", "0"}}
		}), "candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype active generation 0"},
		{"TCP of before RFC 6544, passive", "candidate:1 1 tcp 5 192.0.2.1 4000 typ host",
			with(func(c *Candidate) { c.Transport, c.TCPType = TransportTCP, TCPTypePassive }), "candidate:1 1 tcp 5 192.0.2.1 4000 typ host tcptype passive"},
		{"TCP of before RFC 6544, no port", "candidate:1 1 tcp 5 192.0.2.1 0 typ host", with(func(c *Candidate) {
			c.Addr, c.Transport, c.TCPType = netip.MustParseAddrPort("192.0.2.1:0"), TransportTCP, TCPTypePassive
		}), "candidate:1 1 tcp 5 192.0.2.1 0 typ host tcptype passive"},
		{"TCP of before RFC 6544, a name", "candidate:1 1 tcp 5 a.example 9 typ host", with(func(c *Candidate) {
			c.Addr, c.Host, c.HostPort, c.Transport, c.TCPType = netip.AddrPort{}, "a.example", 9, TransportTCP, TCPTypeActive
		}), "candidate:1 1 tcp 5 a.example 9 typ host tcptype active"},
		{"UDP with tcptype", "candidate:1 1 udp 5 192.0.2.1 4000 typ host tcptype passive", base, "candidate:1 1 udp 5 192.0.2.1 4000 typ host"},
		{"related address is none", "candidate:1 1 udp 5 192.0.2.1 4000 typ host raddr 1%92.0 rport 61665", base, "candidate:1 1 udp 5 192.0.2.1 4000 typ host"},
		{"related address has five parts", "candidate:1 1 udp 5 192.0.2.1 4000 typ host raddr 1.2.3.4.5 rport 1", base, "candidate:1 1 udp 5 192.0.2.1 4000 typ host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseCandidate(test.text)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			if test.canonical == "" {
				test.canonical = test.text
			}
			require.Equal(t, test.canonical, got.String())
			again, err := ParseCandidate(got.String())
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}

// RFC 8839, section 5.4: local credentials consist of ice-char. Those of a peer may have the other
// characters that browsers accept.
func TestCredentialsOfOtherAlphabets(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const ufrag, pwd = "abcd", "AbCdEfGhIjKlMnOpQrStUvWx"
	for _, c := range []string{"=", "_", "-", "#"} {
		for _, remote := range []RemoteParameters{{Ufrag: ufrag + c, Pwd: pwd}, {Ufrag: ufrag, Pwd: c + pwd}} {
			_, err := NewAgent(Config{Ufrag: remote.Ufrag, Pwd: remote.Pwd})
			require.ErrorIs(t, err, ErrCredentials, "%v", remote)
			a, err := NewAgent(Config{})
			require.NoError(t, err)
			require.NoError(t, a.SetRemote(now, remote), "%v", remote)
		}
	}
	for _, remote := range []RemoteParameters{{Ufrag: "ab:cd", Pwd: pwd}, {Ufrag: "ab cd", Pwd: pwd}, {Ufrag: ufrag, Pwd: pwd + "\n"}, {Ufrag: "ab=", Pwd: pwd}} {
		a, err := NewAgent(Config{})
		require.NoError(t, err)
		require.ErrorIs(t, a.SetRemote(now, remote), ErrCredentials, "%v", remote)
	}
}

func TestCandidateWithAddr(t *testing.T) {
	c, err := ParseCandidate("candidate:1 1 udp 2122260223 peer.local 55000 typ host")
	require.NoError(t, err)
	require.False(t, c.Addr.IsValid())
	c = c.WithAddr(netip.MustParseAddr("192.168.1.2"))
	require.Equal(t, "candidate:1 1 udp 2122260223 192.168.1.2 55000 typ host", c.String())
}

func TestNames(t *testing.T) {
	require.Equal(t, "host srflx prflx relay CandidateType(0)",
		strings.Join([]string{CandidateTypeHost.String(), CandidateTypeServerReflexive.String(), CandidateTypePeerReflexive.String(), CandidateTypeRelayed.String(), CandidateType(0).String()}, " "))
	var states []string
	for s := StateNew; s <= StateClosed+1; s++ {
		states = append(states, s.String())
	}
	require.Equal(t, "new checking connected completed disconnected failed closed State(7)", strings.Join(states, " "))
	require.Equal(t, "udp tcp Transport(2)", TransportUDP.String()+" "+TransportTCP.String()+" "+Transport(2).String())
	require.Equal(t, "active passive so TCPType(4)",
		strings.Join([]string{TCPTypeActive.String(), TCPTypePassive.String(), TCPTypeSimultaneousOpen.String(), TCPType(4).String()}, " "))
	require.Equal(t, "frozen waiting in-progress succeeded failed pairState(9)", strings.Join([]string{pairFrozen.String(),
		pairWaiting.String(), pairInProgress.String(), pairSucceeded.String(), pairFailed.String(), pairState(9).String()}, " "))
}
