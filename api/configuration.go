package rtc

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
)

const (
	// DefaultMTU is the size in bytes of the largest IP packet that a connection sends at first:
	// the minimum MTU of IPv6 links (RFC 8200, section 5), with which RFC 8831, section 5,
	// recommends to begin path MTU discovery.
	DefaultMTU = 1280
	// maxDiscoveredMTU is the size of the largest IP packet that path MTU discovery tries: the MTU
	// of Ethernet.
	maxDiscoveredMTU = 1500
	// minMTU is the size of the IP packet that every host must accept (RFC 791).
	minMTU = 576
	// DefaultMaxMessageSize is the size in bytes of the largest message that a data channel accepts
	// from the peer.
	DefaultMaxMessageSize = 262144
	// defaultRemoteMaxMessageSize is the size of the largest message that the peer accepts if its
	// description does not have one (RFC 8841, section 6.1).
	defaultRemoteMaxMessageSize = 65536
	// DefaultConnectTimeout is the minimum of RFC 8863, 39.5 s, rounded up.
	DefaultConnectTimeout = 40 * time.Second
	// maxICEServers bounds the name resolutions and STUN transactions of one gathering.
	maxICEServers = 32
)

// Configuration configures a PeerConnection. The zero value works: host candidates only, automatic
// negotiation.
type Configuration struct {
	// ICEServers are the URIs of STUN and TURN servers:
	//
	//	[("stun"|"turn"|"turns") (":"|"://")][username ":" password "@"]hostname[":" port]
	//	["?transport=" ("udp"|"tcp"|"tls")]
	//
	// The default scheme is stun, the default port 3478, or 5349 over TLS. Special characters in
	// user name and password are percent-encoded, IPv6 addresses are in brackets.
	ICEServers []string
	// ProxyServer is the URI of the proxy for TURN over TCP and TLS:
	//
	//	[("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"]
	//
	// The default scheme is http, the default port 3128, or 1080 for SOCKS5.
	ProxyServer string
	// BindAddress is the only local IP address to use. Empty: all addresses of the machine, or
	// those of loopback if there is no other.
	BindAddress string

	// CertificateType is the type of the certificate that is generated if none is configured.
	CertificateType CertificateType
	// CertificatePEMFile and KeyPEMFile hold a certificate and its private key in PEM, or the paths
	// of files that do. Either both are set or none. KeyPEMPass decrypts the key.
	CertificatePEMFile, KeyPEMFile, KeyPEMPass string

	// ICETransportPolicy restricts the candidates. TransportPolicyRelay, which permits relayed ones
	// only, is ErrInvalid for now: TURN is not supported yet, so that there would be no candidate.
	ICETransportPolicy TransportPolicy
	// EnableICETCP adds TCP candidates (RFC 6544).
	EnableICETCP bool
	// EnableICEUDPMux makes connections share one UDP port. It is usually combined with a port
	// range.
	EnableICEUDPMux bool
	// DisableAutoNegotiation requires the program to call SetLocalDescription itself, after it has
	// created the first channel and after it has set a remote offer.
	DisableAutoNegotiation bool
	// ForceMediaTransport establishes the media transport even if there is no track yet.
	ForceMediaTransport bool

	// PortRangeBegin and PortRangeEnd, both included, bound the local UDP ports. 0: no bound on
	// that side.
	PortRangeBegin, PortRangeEnd uint16
	// MTU is the size of the largest IP packet in bytes, at least 576. 0: DefaultMTU at first, and
	// later the MTU of the path, up to 1500 bytes, which is discovered when there is much to send
	// (RFC 8899).
	MTU int
	// MaxMessageSize is the size in bytes of the largest message accepted from the peer. 0 or less:
	// DefaultMaxMessageSize.
	MaxMessageSize int
	// ConnectTimeout is the time after which the state becomes failed if the peer is unreachable.
	// It counts from the remote description, and again from each remote candidate; the DTLS
	// handshake after it has the same time. If a user delivers the descriptions by hand, more time
	// than the default is necessary. 0 or less: DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// SCTP are the settings of the data channels of this connection, such as the congestion
	// control. nil: those of SetSCTPSettings.
	SCTP *SCTPSettings
	// Logger is the logger of this connection; nil: that of SetLogger. Its lines have the attribute
	// "pc", the number of the connection in the process.
	Logger *slog.Logger
	// DisableFingerprintVerification accepts any certificate of the peer: the connection is
	// encrypted, but the peer is not authenticated. It is for tests.
	DisableFingerprintVerification bool
}

// settings is a valid Configuration with its defaults applied.
type settings struct {
	Configuration
	maxMTU                   int // the size of the largest IP packet that is tried
	stunServers, turnServers []serverURI
	proxy                    *proxy.Config
	bind                     netip.Addr // not valid: all addresses
}

// validate checks a configuration and applies the defaults. All its errors are ErrInvalid.
func (c Configuration) validate() (settings, error) {
	s := settings{Configuration: c}
	if err := s.parse(); err != nil {
		return s, err
	}
	if err := s.check(); err != nil {
		return s, err
	}
	return s.withDefaults(), nil
}

// parse parses the addresses and URIs of the configuration.
func (s *settings) parse() (err error) {
	if len(s.ICEServers) > maxICEServers {
		return invalidf("%d ICE servers, at most %d", len(s.ICEServers), maxICEServers)
	}
	for _, server := range s.ICEServers {
		u, err := parseICEServer(server)
		if err != nil {
			return err
		}
		if u.scheme == "stun" {
			s.stunServers = append(s.stunServers, u)
		} else {
			s.turnServers = append(s.turnServers, u)
		}
	}
	if s.ProxyServer != "" {
		if s.proxy, err = proxy.Parse(s.ProxyServer); err != nil {
			return wrapError(ErrInvalid, err, "proxy server")
		}
	}
	s.bind, err = parseBindAddress(s.BindAddress)
	return err
}

// check checks the values that need no parsing.
func (s *settings) check() error {
	relay := s.ICETransportPolicy == TransportPolicyRelay
	switch {
	case s.CertificateType < CertificateTypeDefault || s.CertificateType > CertificateTypeRSA:
		return invalidf("certificate type %d", int(s.CertificateType))
	case s.ICETransportPolicy != TransportPolicyAll && !relay:
		return invalidf("ICE transport policy %d", int(s.ICETransportPolicy))
	case relay && len(s.turnServers) == 0:
		return invalidf("ICE transport policy relay without a TURN server: there would be no candidate")
	case relay:
		return invalidf("ICE transport policy relay: TURN is not supported yet, there would be no candidate")
	case s.PortRangeEnd != 0 && s.PortRangeBegin > s.PortRangeEnd:
		return invalidf("port range from %d to %d", s.PortRangeBegin, s.PortRangeEnd)
	case s.MTU != 0 && (s.MTU < minMTU || s.MTU > 65535):
		return invalidf("MTU %d is not 0 or %d to 65535", s.MTU, minMTU)
	case (s.CertificatePEMFile == "") != (s.KeyPEMFile == ""):
		return invalidf("certificate and key: only one of the two is given")
	}
	return nil
}

func (s settings) withDefaults() settings {
	s.maxMTU = s.MTU
	if s.MTU == 0 {
		s.MTU, s.maxMTU = DefaultMTU, maxDiscoveredMTU
	}
	s.MaxMessageSize = cmp.Or(max(s.MaxMessageSize, 0), DefaultMaxMessageSize)
	if s.PortRangeBegin != 0 && s.PortRangeEnd == 0 {
		s.PortRangeEnd = 65535
	}
	s.ConnectTimeout = cmp.Or(max(s.ConnectTimeout, 0), DefaultConnectTimeout)
	return s
}

// parseBindAddress parses an IP address and checks that it belongs to this machine. To bind to it
// is the only portable test. Without the test, a wrong address would look like a failure of the
// network.
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
		return addr, nil // all addresses of a family, and an address that every machine has
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return addr, wrapError(ErrInvalid, err, "bind address %q", s)
	}
	_ = conn.Close()
	return addr, nil
}
