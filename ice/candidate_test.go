package ice

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseCandidate(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Candidate
		canonical  string // what String makes of it, if not text
	}{
		{
			name: "host", text: "candidate:1 1 udp 2130706431 203.0.113.141 8998 typ host",
			want: Candidate{Foundation: "1", Component: 1, Priority: 2130706431, Type: Host,
				Addr: netip.MustParseAddrPort("203.0.113.141:8998")},
		},
		{
			name: "RFC 8839's example", text: "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n",
			want: Candidate{Foundation: "2", Component: 1, Priority: 1694498815, Type: ServerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.3:45664"), Related: netip.MustParseAddrPort("203.0.113.141:8998")},
			canonical: "candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
		},
		{
			name: "IPv6 relay", text: "candidate:abc+/XYZ 256 udp 1 2001:db8::1 1 typ relay raddr 2001:db8::2 rport 65535",
			want: Candidate{Foundation: "abc+/XYZ", Component: 256, Priority: 1, Type: Relayed,
				Addr: netip.MustParseAddrPort("[2001:db8::1]:1"), Related: netip.MustParseAddrPort("[2001:db8::2]:65535")},
		},
		{
			name: "extensions of a browser",
			text: "candidate:842163049 1 udp 1677729535 192.0.2.5 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-id 1 network-cost 10",
			want: Candidate{Foundation: "842163049", Component: 1, Priority: 1677729535, Type: ServerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.5:46154"), Related: netip.MustParseAddrPort("0.0.0.0:0"),
				Extensions: []Extension{{"generation", "0"}, {"ufrag", "EsAw"}, {"network-id", "1"}, {"network-cost", "10"}}},
		},
		{
			name: "mDNS name", text: "candidate:1 1 udp 2122260223 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 55000 typ host",
			want: Candidate{Foundation: "1", Component: 1, Priority: 2122260223, Type: Host,
				Host: "9b36eaac-bb2e-49bb-bb78-21c41c499900.local", HostPort: 55000},
		},
		{
			name: "TCP", text: "candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0",
			want: Candidate{Foundation: "1", Component: 1, Transport: TCP, Priority: 1518280447, Type: Host,
				Addr: netip.MustParseAddrPort("192.0.2.1:9"), TCPType: TCPActive, Extensions: []Extension{{"generation", "0"}}},
		},
		{
			name: "TCP, extension first", text: "candidate:1 1 TCP 1 192.0.2.1 9 typ host generation 0 tcptype so",
			want: Candidate{Foundation: "1", Component: 1, Transport: TCP, Priority: 1, Type: Host,
				Addr: netip.MustParseAddrPort("192.0.2.1:9"), TCPType: TCPSimultaneousOpen, Extensions: []Extension{{"generation", "0"}}},
			canonical: "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype so generation 0",
		},
		{
			name: "IPv4 in IPv6, and too many spaces", text: "candidate:1  1 udp 5 ::ffff:192.0.2.1 9  typ prflx raddr host.example rport 7",
			want: Candidate{Foundation: "1", Component: 1, Priority: 5, Type: PeerReflexive,
				Addr: netip.MustParseAddrPort("192.0.2.1:9")},
			canonical: "candidate:1 1 udp 5 192.0.2.1 9 typ prflx",
		},
		{
			name: "an extension without value at the end", text: "candidate:1 1 udp 5 192.0.2.1 9 typ host x",
			want: Candidate{Foundation: "1", Component: 1, Priority: 5, Type: Host,
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
		"candidate:" + strings.Repeat("1", 33) + " 1 udp 5 192.0.2.1 9 typ host":  ErrCandidateFoundation,
		"candidate:1 0 udp 5 192.0.2.1 9 typ host":                                ErrCandidateComponent,
		"candidate:1 257 udp 5 192.0.2.1 9 typ host":                              ErrCandidateComponent,
		"candidate:1 -1 udp 5 192.0.2.1 9 typ host":                               ErrCandidateComponent,
		"candidate:1 1 sctp 5 192.0.2.1 9 typ host":                               ErrCandidateTransport,
		"candidate:1 1 udp 0 192.0.2.1 9 typ host":                                ErrCandidatePriority,
		"candidate:1 1 udp 2147483648 192.0.2.1 9 typ host":                       ErrCandidatePriority,
		"candidate:1 1 udp 99999999999999999999 192.0.2.1 9 typ host":             ErrCandidatePriority,
		"candidate:1 1 udp 5":                                                     ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1":                                           ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.256 9 typ host":                              ErrCandidateAddress,
		"candidate:1 1 udp 5 fe80::1%eth0 9 typ host":                             ErrCandidateAddress,
		"candidate:1 1 udp 5 a_b!c 9 typ host":                                    ErrCandidateAddress,
		"candidate:1 1 udp 5 " + strings.Repeat("a", 254) + " 9 typ host":         ErrCandidateAddress,
		"candidate:1 1 udp 5 192.0.2.1 65536 typ host":                            ErrCandidatePort,
		"candidate:1 1 udp 5 192.0.2.1 +9 typ host":                               ErrCandidatePort,
		"candidate:1 1 udp 5 192.0.2.1 9":                                         ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ":                                     ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 type host":                               ErrCandidateTruncated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ teleport":                            ErrCandidateType,
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 1.2.3.4.5 rport 1":       ErrCandidateRelated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 192.0.2.2 rport 65536":   ErrCandidateRelated,
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr":                         ErrCandidateRelated,
		"candidate:1 1 tcp 5 192.0.2.1 9 typ host":                                ErrCandidateTCPType,
		"candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype sideways":               ErrCandidateTCPType,
		"candidate:1 1 udp 5 192.0.2.1 9 typ host tcptype active":                 ErrCandidateTCPType,
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
		strings.Join([]string{Host.String(), ServerReflexive.String(), PeerReflexive.String(), Relayed.String(), CandidateType(0).String()}, " "))
	var states []string
	for s := StateNew; s <= StateClosed+1; s++ {
		states = append(states, s.String())
	}
	require.Equal(t, "new checking connected completed disconnected failed closed State(7)", strings.Join(states, " "))
	require.Equal(t, "udp tcp Transport(2)", UDP.String()+" "+TCP.String()+" "+Transport(2).String())
	require.Equal(t, "active passive so TCPType(4)",
		strings.Join([]string{TCPActive.String(), TCPPassive.String(), TCPSimultaneousOpen.String(), TCPType(4).String()}, " "))
	require.Equal(t, "frozen waiting in-progress succeeded failed pairState(9)", strings.Join([]string{pairFrozen.String(),
		pairWaiting.String(), pairInProgress.String(), pairSucceeded.String(), pairFailed.String(), pairState(9).String()}, " "))
}
