package ice

import "net/netip"

// Local preferences order the addresses of a multihomed or dual-stack host: RFC 8421, section 4.
// They have 16 bits, from the most significant:
//
//	2 bits   scope, see addressScope
//	13 bits  order within the scope and family, counted down
//	1 bit    IPv6
//
// The families alternate, as RFC 8421 asks: the first IPv6 address, the first IPv4 address, the
// second IPv6 address, … Neither family can displace the other's pairs from a full check list or
// delay all of them.
const (
	scopeShift   = 14
	maxAddressNo = 1<<13 - 1
)

// scope is the reach of an address. With a greater one, a check is more likely to succeed.
type scope uint8

const (
	scopeLoopback  scope = iota // this host
	scopeLinkLocal              // one link: pairs only with link-local addresses
	scopeSite                   // unique local and tunnels: below IPv4 in RFC 6724, section 2.1
	scopeGlobal
)

var (
	prefixTeredo = netip.MustParsePrefix("2001::/32")
	prefix6to4   = netip.MustParsePrefix("2002::/16")
)

func addressScope(addr netip.Addr) scope {
	switch {
	case addr.IsLoopback():
		return scopeLoopback
	case addr.IsLinkLocalUnicast():
		return scopeLinkLocal
	case addr.Is6() && (addr.IsPrivate() || prefixTeredo.Contains(addr) || prefix6to4.Contains(addr)):
		return scopeSite
	}
	return scopeGlobal
}

// localPreference returns the preference of the number-th address, from 0, of its scope and family.
func localPreference(addr netip.Addr, number int) uint16 {
	p := uint16(addressScope(addr))<<scopeShift | uint16(maxAddressNo-min(number, maxAddressNo))<<1
	if addr.Is6() {
		p |= 1
	}
	return p
}

// candidatePriority is the formula of RFC 8445, section 5.1.2.1.
func candidatePriority(t CandidateType, localPreference uint16, component uint16) uint32 {
	return t.preference()<<24 | uint32(localPreference)<<8 | uint32(maxComponent-component)
}

// pairPriority is the formula of RFC 8445, section 6.1.2.3. Both agents compute the same value.
// Candidate priorities are at most 2^31-1, so that it does not overflow.
func pairPriority(controlling, controlled uint32) uint64 {
	g, d := uint64(controlling), uint64(controlled)
	p := min(g, d)<<32 + 2*max(g, d)
	if g > d {
		p++
	}
	return p
}
