package ice

import "net/netip"

// Local preferences order the addresses of a multihomed or dual-stack host
// (https://www.rfc-editor.org/rfc/rfc8421.html#section-4). Within the 16 bits, from the most significant:
//
//	2 bits   scope: see addressScope
//	13 bits  order within the scope and family, counted down
//	1 bit    IPv6
//
// which interleaves the families, as RFC 8421 asks: the first IPv6 address, the first IPv4 address, the second IPv6
// address, … Neither family can push the other's pairs out of a full check list, or wait behind all of them.
const (
	scopeShift   = 14
	maxAddressNo = 1<<13 - 1
)

// scope is how far an address reaches; the greater, the likelier a check succeeds.
type scope uint8

const (
	scopeLoopback  scope = iota // this host
	scopeLinkLocal              // one link: only ever pairs with link-local addresses
	scopeSite                   // unique local addresses and tunnels: below IPv4 in https://www.rfc-editor.org/rfc/rfc6724.html#section-2.1
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

// localPreference returns the preference of the number-th address (from 0) of its scope and family.
func localPreference(addr netip.Addr, number int) uint16 {
	p := uint16(addressScope(addr))<<scopeShift | uint16(maxAddressNo-min(number, maxAddressNo))<<1
	if addr.Is6() {
		p |= 1
	}
	return p
}

// candidatePriority is the formula of https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.2.1.
func candidatePriority(t CandidateType, localPreference uint16, component uint16) uint32 {
	return t.preference()<<24 | uint32(localPreference)<<8 | uint32(maxComponent-component)
}

// pairPriority is the formula of https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.3; both agents compute the
// same for the same pair. Priorities are at most 2^31-1, so it does not overflow.
func pairPriority(controlling, controlled uint32) uint64 {
	g, d := uint64(controlling), uint64(controlled)
	p := min(g, d)<<32 + 2*max(g, d)
	if g > d {
		p++
	}
	return p
}
