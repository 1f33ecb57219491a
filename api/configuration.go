package rtc

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
)

const (
	// DefaultMTU is the largest IP packet that a connection sends: the minimum that every IPv6 link carries
	// (RFC 8200 section 5), which RFC 8831 section 5 recommends as the start of path MTU discovery.
	DefaultMTU = 1280
	// maxDiscoveredMTU is the largest IP packet that path MTU discovery tries: an Ethernet's.
	maxDiscoveredMTU = 1500
	// minMTU is the smallest IP packet that every host must accept (RFC 791).
	minMTU = 576
	// DefaultMaxMessageSize is the largest message, in bytes, that a data channel accepts from the peer.
	DefaultMaxMessageSize = 262144
	// defaultRemoteMaxMessageSize is what the peer accepts when its description does not say
	// (https://www.rfc-editor.org/rfc/rfc8841.html#section-6.1-4).
	defaultRemoteMaxMessageSize = 65536
	// DefaultConnectTimeout is the patience that RFC 8863 asks for, 39.5 s, rounded up.
	DefaultConnectTimeout = 40 * time.Second
	// maxICEServers bounds the name resolutions and STUN transactions of one gathering.
	maxICEServers = 32
)

// Configuration sets up a PeerConnection. The zero value works: host candidates only, automatic negotiation.
type Configuration struct {
	// ICEServers are STUN and TURN servers:
	// [("stun"|"turn"|"turns") (":"|"://")][username ":" password "@"]hostname[":" port]["?transport=" ("udp"|"tcp"|"tls")].
	// The scheme is stun when there is none, the port 3478, or 5349 over TLS. Special characters in user name and
	// password are percent-encoded, IPv6 addresses stand in brackets.
	ICEServers []string
	// ProxyServer is the proxy for TURN over TCP and TLS: [("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"].
	// The scheme is http when there is none, the port 3128, or 1080 for SOCKS5.
	ProxyServer string
	// BindAddress is the only local IP address to use. Empty: all addresses of the machine, loopback only when
	// there is no other.
	BindAddress string

	// CertificateType is the kind of certificate made when none is given.
	CertificateType CertificateType
	// CertificatePEMFile and KeyPEMFile hold a certificate and its private key in PEM, or the path of a file that
	// does; both or none. KeyPEMPass decrypts the key.
	CertificatePEMFile, KeyPEMFile, KeyPEMPass string

	// ICETransportPolicy limits the candidates. TransportPolicyRelay, which allows relayed ones only, is ErrInvalid for now:
	// TURN is not supported yet, so that no candidate would be found.
	ICETransportPolicy TransportPolicy
	// EnableICETCP adds TCP candidates (RFC 6544).
	EnableICETCP bool
	// EnableICEUDPMux lets connections share one UDP port, best together with a port range.
	EnableICEUDPMux bool
	// DisableAutoNegotiation leaves it to the program to call SetLocalDescription after creating the first channel
	// and after setting a remote offer.
	DisableAutoNegotiation bool
	// ForceMediaTransport sets media transport up even if there is no track yet.
	ForceMediaTransport bool

	// PortRangeBegin and PortRangeEnd, both included, bound the local UDP ports. 0: no bound on that side.
	PortRangeBegin, PortRangeEnd uint16
	// MTU is the largest IP packet in bytes, at least 576. 0: DefaultMTU at first, and what the path turns out to take,
	// up to 1500 bytes, once there is much to send (RFC 8899).
	MTU int
	// MaxMessageSize is the largest message accepted from the peer, in bytes. 0 or less: DefaultMaxMessageSize.
	MaxMessageSize int
	// ConnectTimeout is how long an unreachable peer is tried before the state becomes failed: more than the default
	// where a person carries the descriptions. It counts from the remote description, and anew from each remote
	// candidate; the DTLS handshake after it has as long. 0 or less: DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// SCTP tunes the data channels of this connection, the choice of the congestion control included. nil: what
	// SetSCTPSettings has set for all.
	SCTP *SCTPSettings
	// Logger is the logger of this connection; nil: that of SetLogger. Its lines have the attribute "pc", the number of
	// the connection in the process.
	Logger *slog.Logger
	// DisableFingerprintVerification accepts any certificate of the peer: the connection is then encrypted, but
	// with nobody in particular. For tests.
	DisableFingerprintVerification bool
}

// settings is a validated Configuration with its defaults filled in.
type settings struct {
	Configuration
	maxMTU                   int // the largest IP packet that is tried
	stunServers, turnServers []serverURI
	proxy                    *proxy.Config
	bind                     netip.Addr // not valid: every address
}

// validate checks a configuration. All its errors are ErrInvalid.
func (c Configuration) validate() (settings, error) {
	s := settings{Configuration: c}
	if len(c.ICEServers) > maxICEServers {
		return s, invalidf("%d ICE servers, at most %d", len(c.ICEServers), maxICEServers)
	}
	for _, server := range c.ICEServers {
		u, err := parseICEServer(server)
		if err != nil {
			return s, err
		}
		if u.scheme == "stun" {
			s.stunServers = append(s.stunServers, u)
		} else {
			s.turnServers = append(s.turnServers, u)
		}
	}
	var err error
	if c.ProxyServer != "" {
		if s.proxy, err = proxy.Parse(c.ProxyServer); err != nil {
			return s, wrapError(ErrInvalid, err, "proxy server")
		}
	}
	if s.bind, err = parseBindAddress(c.BindAddress); err != nil {
		return s, err
	}
	switch {
	case c.CertificateType < CertificateTypeDefault || c.CertificateType > CertificateTypeRSA:
		return s, invalidf("certificate type %d", int(c.CertificateType))
	case c.ICETransportPolicy != TransportPolicyAll && c.ICETransportPolicy != TransportPolicyRelay:
		return s, invalidf("ICE transport policy %d", int(c.ICETransportPolicy))
	case c.ICETransportPolicy == TransportPolicyRelay && len(s.turnServers) == 0:
		return s, invalidf("ICE transport policy relay without a TURN server: there would be no candidate")
	case c.ICETransportPolicy == TransportPolicyRelay:
		return s, invalidf("ICE transport policy relay: TURN is not supported yet, so that there would be no candidate")
	case c.PortRangeEnd != 0 && c.PortRangeBegin > c.PortRangeEnd:
		return s, invalidf("port range from %d to %d", c.PortRangeBegin, c.PortRangeEnd)
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > 65535):
		return s, invalidf("MTU %d is not 0 or %d to 65535", c.MTU, minMTU)
	case (c.CertificatePEMFile == "") != (c.KeyPEMFile == ""):
		return s, invalidf("certificate and key: only one of the two is given")
	}
	s.maxMTU = s.MTU
	if s.MTU == 0 {
		s.MTU, s.maxMTU = DefaultMTU, maxDiscoveredMTU
	}
	if s.MaxMessageSize <= 0 {
		s.MaxMessageSize = DefaultMaxMessageSize
	}
	if s.PortRangeBegin != 0 && s.PortRangeEnd == 0 {
		s.PortRangeEnd = 65535
	}
	if c.ConnectTimeout <= 0 {
		s.ConnectTimeout = DefaultConnectTimeout
	}
	return s, nil
}

// parseBindAddress checks that the address is one, and that it is an address of this machine: binding to it is the
// only portable test, and finding out later would look like a network that does not work.
func parseBindAddress(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return addr, wrapError(ErrInvalid, err, "bind address %q", s)
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return addr, nil // the wildcard, which is all addresses of its family, and one that every machine has
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return addr, wrapError(ErrInvalid, err, "bind address %q", s)
	}
	_ = conn.Close()
	return addr, nil
}
