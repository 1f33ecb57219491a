package ice

import (
	"net/netip"
	"strconv"
)

// CandidateType says how a candidate was obtained
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-4).
type CandidateType uint8

// The four candidate types. The zero value is not a type: a Candidate must name one.
const (
	// CandidateTypeHost is an address of the agent's own interface.
	CandidateTypeHost CandidateType = iota + 1
	// CandidateTypeServerReflexive is the address a STUN server saw: the outside of a NAT.
	CandidateTypeServerReflexive
	// CandidateTypePeerReflexive is an address learned from a connectivity check. It is never signalled.
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

// preference is the recommended type preference
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.2.2).
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

// The transports a candidate can have. The agent checks UDP candidates only; TCP candidates (RFC 6544)
// are parsed and formatted, so that they survive a signalling layer.
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

// TCPType is the direction in which a TCP candidate's connection is opened
// (https://www.rfc-editor.org/rfc/rfc6544.html#section-4.5). It is zero for UDP candidates.
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

// Candidate is a transport address that an agent may be reached at, with what its peer needs to know about it
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1). It is a value and safe to copy.
type Candidate struct {
	// Foundation is equal for candidates of the same type, base, server and transport: 1 to 32 characters
	// out of letters, digits, '+' and '/'. That of a parsed candidate may be none, longer, or have other characters.
	Foundation string
	// Component is 1 for RTP, or for the only component; 2 for RTCP when it is not multiplexed. 1 to 256.
	Component uint16
	// Transport is TransportUDP or TransportTCP.
	Transport Transport
	// Priority orders the candidates of an agent: 1 to 2^31-1, the greater the better. That of a parsed candidate may be
	// above, and counts as 2^31-1 then.
	Priority uint32
	// Addr is the transport address. It is not valid while the candidate has only a Host name.
	Addr netip.AddrPort
	// Host is the name that stands in the place of the address: an mDNS name ("….local", hiding the address from
	// the application) or a domain name. It is empty when the address is known. Port is then in HostPort.
	Host string
	// HostPort is the port that goes with Host; zero without a Host.
	HostPort uint16
	// Type says how the candidate was obtained.
	Type CandidateType
	// Related is the base of a reflexive candidate, or the mapped address of a relayed one. It is for diagnosis
	// only and not valid where it is absent or withheld.
	Related netip.AddrPort
	// TCPType is the direction of a TCP candidate, zero for UDP.
	TCPType TCPType
	// Extensions are the further name-value pairs of the line ("generation", "ufrag", "network-cost"), in order and
	// verbatim.
	Extensions []Extension
}

// Extension is one extension attribute of a candidate line.
type Extension struct {
	Key, Value string
}

// WithAddr returns the candidate with its name replaced by the address it resolves to. Port is HostPort.
func (c Candidate) WithAddr(addr netip.Addr) Candidate {
	c.Addr = netip.AddrPortFrom(addr.Unmap(), c.HostPort)
	c.Host, c.HostPort = "", 0
	return c
}
