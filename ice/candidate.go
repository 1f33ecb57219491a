package ice

import (
	"net/netip"
	"strconv"
)

// CandidateType is the way in which a candidate was obtained: RFC 8445, section 4.
type CandidateType uint8

// The candidate types. The zero value is none: a Candidate must have a type.
const (
	// CandidateTypeHost is an address of a local interface.
	CandidateTypeHost CandidateType = iota + 1
	// CandidateTypeServerReflexive is an address as seen by a STUN server: the outside of a NAT.
	CandidateTypeServerReflexive
	// CandidateTypePeerReflexive is an address discovered by a connectivity check. Agents never
	// signal it.
	CandidateTypePeerReflexive
	// CandidateTypeRelayed is an address of a TURN server.
	CandidateTypeRelayed
)

// String returns the word of SDP: "host", "srflx", "prflx" or "relay".
func (t CandidateType) String() string {
	switch t {
	case CandidateTypeHost:
		return "host"
	case CandidateTypeServerReflexive:
		return "srflx"
	case CandidateTypePeerReflexive:
		return "prflx"
	case CandidateTypeRelayed:
		return "relay"
	}
	return "CandidateType(" + strconv.Itoa(int(t)) + ")"
}

// preference returns the recommended type preference: RFC 8445, section 5.1.2.2.
func (t CandidateType) preference() uint32 {
	switch t {
	case CandidateTypeHost:
		return 126
	case CandidateTypePeerReflexive:
		return 110
	case CandidateTypeServerReflexive:
		return 100
	}
	return 0
}

// Transport is the transport protocol of a candidate. The zero value is UDP.
type Transport uint8

// The transports of candidates. The agent checks UDP candidates only. TCP candidates (RFC 6544) are
// parsed and formatted, so that a signalling layer can carry them.
const (
	TransportUDP Transport = iota
	TransportTCP
)

// String returns "udp" or "tcp".
func (t Transport) String() string {
	switch t {
	case TransportUDP:
		return "udp"
	case TransportTCP:
		return "tcp"
	}
	return "Transport(" + strconv.Itoa(int(t)) + ")"
}

// TCPType is the direction in which the connection of a TCP candidate is opened: RFC 6544, section
// 4.5. It is zero for UDP candidates.
type TCPType uint8

// The TCP candidate types.
const (
	TCPTypeActive TCPType = iota + 1
	TCPTypePassive
	TCPTypeSimultaneousOpen
)

// String returns "active", "passive" or "so", and "" for the zero value.
func (t TCPType) String() string {
	switch t {
	case 0:
		return ""
	case TCPTypeActive:
		return "active"
	case TCPTypePassive:
		return "passive"
	case TCPTypeSimultaneousOpen:
		return "so"
	}
	return "TCPType(" + strconv.Itoa(int(t)) + ")"
}

// Candidate is a transport address of an agent, with the attributes that its peer needs: RFC 8839,
// section 5.1. A copy is independent, except that it shares Extensions.
type Candidate struct {
	// Foundation is equal for candidates of the same type, base, server and transport: 1 to 32
	// letters, digits, '+' and '/'. A parsed foundation may be empty, longer, or have other
	// characters.
	Foundation string
	// Component is the component ID, 1 to 256: 1 for RTP or an only component, 2 for RTCP that is
	// not multiplexed.
	Component uint16
	// Transport is TransportUDP or TransportTCP.
	Transport Transport
	// Priority orders the candidates of an agent: 1 to 2^31-1, higher is preferred. A parsed
	// priority may be greater, and counts as 2^31-1.
	Priority uint32
	// Addr is the transport address. It is invalid while the candidate has a Host.
	Addr netip.AddrPort
	// Host is the name in place of an address, or empty: an mDNS name ("….local", which hides the
	// address from the application) or a domain name. Its port is HostPort.
	Host string
	// HostPort is the port of Host, zero without a Host.
	HostPort uint16
	// Type is the way in which the candidate was obtained.
	Type CandidateType
	// Related is the base of a reflexive candidate, or the mapped address of a relayed one. It is
	// for diagnosis only, and invalid if absent or withheld.
	Related netip.AddrPort
	// TCPType is the direction of a TCP candidate, zero for UDP.
	TCPType TCPType
	// Extensions are the other name-value pairs of the line ("generation", "ufrag",
	// "network-cost"), unchanged and in order.
	Extensions []Extension
}

// Extension is one extension attribute of a candidate line.
type Extension struct {
	Key, Value string
}

// WithAddr returns the candidate with an address, to which its Host has been resolved, and the port
// HostPort in place of the Host.
func (c Candidate) WithAddr(addr netip.Addr) Candidate {
	c.Addr = netip.AddrPortFrom(addr.Unmap(), c.HostPort)
	c.Host, c.HostPort = "", 0
	return c
}
