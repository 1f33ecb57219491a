package stun

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Family is the address family byte of the address attributes, of REQUESTED-ADDRESS-FAMILY and of
// ADDITIONAL-ADDRESS-FAMILY (RFC 8489, section 14.1).
type Family uint8

// The address families.
const (
	FamilyIPv4 Family = 1
	FamilyIPv6 Family = 2
)

// String returns "IPv4", "IPv6", or the number of another family in hexadecimal.
func (f Family) String() string {
	switch f {
	case FamilyIPv4:
		return "IPv4"
	case FamilyIPv6:
		return "IPv6"
	}
	return fmt.Sprintf("0x%02X", uint8(f))
}

// FamilyOf returns the family of an address; an IPv4 address mapped into IPv6 counts as IPv4.
func FamilyOf(addr netip.Addr) Family {
	if addr.Unmap().Is4() {
		return FamilyIPv4
	}
	return FamilyIPv6
}

// Lengths of an address attribute's value: a reserved byte, the family, the port and the address.
const (
	addressPrefixSize = 4
	addressSizeIPv4   = addressPrefixSize + 4
	addressSizeIPv6   = addressPrefixSize + 16
)

// XORMappedAddress returns XOR-MAPPED-ADDRESS, the address and port from which the server received
// the request. This and the other address getters return an IPv4 address mapped into IPv6 as an
// IPv4 address. Their errors are ErrAttributeNotFound or a *ParseError.
func (m Message) XORMappedAddress() (netip.AddrPort, error) {
	return m.XORAddress(AttributeXORMappedAddress)
}

// XORPeerAddress returns the first XOR-PEER-ADDRESS (TURN).
func (m Message) XORPeerAddress() (netip.AddrPort, error) {
	return m.XORAddress(AttributeXORPeerAddress)
}

// XORRelayedAddress returns the first XOR-RELAYED-ADDRESS (TURN).
func (m Message) XORRelayedAddress() (netip.AddrPort, error) {
	return m.XORAddress(AttributeXORRelayedAddress)
}

// MappedAddress returns MAPPED-ADDRESS, which only servers of RFC 3489 send instead of
// XOR-MAPPED-ADDRESS.
func (m Message) MappedAddress() (netip.AddrPort, error) {
	return m.Address(AttributeMappedAddress)
}

// AlternateServer returns ALTERNATE-SERVER, the server that a client shall try after
// CodeTryAlternate.
func (m Message) AlternateServer() (netip.AddrPort, error) {
	return m.Address(AttributeAlternateServer)
}

// ResponseOrigin returns RESPONSE-ORIGIN (RFC 5780), the address and port from which the response
// was sent.
func (m Message) ResponseOrigin() (netip.AddrPort, error) {
	return m.Address(AttributeResponseOrigin)
}

// OtherAddress returns OTHER-ADDRESS (RFC 5780), the server's other address and port.
func (m Message) OtherAddress() (netip.AddrPort, error) {
	return m.Address(AttributeOtherAddress)
}

// Address returns the value of an attribute that has the form of MAPPED-ADDRESS.
func (m Message) Address(t AttributeType) (netip.AddrPort, error) {
	value, offset, ok := m.find(t)
	if !ok {
		return netip.AddrPort{}, ErrAttributeNotFound
	}
	return decodeAddress(t, value, offset, nil)
}

// XORAddress returns the value of an attribute that has the form of XOR-MAPPED-ADDRESS.
func (m Message) XORAddress(t AttributeType) (netip.AddrPort, error) {
	value, offset, ok := m.find(t)
	if !ok {
		return netip.AddrPort{}, ErrAttributeNotFound
	}
	return decodeAddress(t, value, offset, m.raw[offsetCookie:HeaderSize])
}

// DecodeXORAddress decodes one value of the form of XOR-MAPPED-ADDRESS that Attributes has yielded.
// It serves attributes that may be repeated, such as XOR-PEER-ADDRESS. The Offset of its
// *ParseError counts from the start of the value.
func (m Message) DecodeXORAddress(t AttributeType, value []byte) (netip.AddrPort, error) {
	if len(m.raw) < HeaderSize {
		return netip.AddrPort{}, ErrAttributeNotFound
	}
	return decodeAddress(t, value, 0, m.raw[offsetCookie:HeaderSize])
}

// decodeAddress decodes a value that starts at offset in its message. mask is the magic cookie and
// the transaction identifier, with which address and port are XORed so that a NAT does not take
// them for an address to rewrite (RFC 8489, section 14.2), or nil for a plain address.
func decodeAddress(t AttributeType, value []byte, offset int, mask []byte) (netip.AddrPort, error) {
	if len(value) < addressPrefixSize {
		return netip.AddrPort{}, &ParseError{t, offset, ErrValueLength}
	}
	port := binary.BigEndian.Uint16(value[2:])
	if mask != nil {
		port ^= binary.BigEndian.Uint16(mask)
	}
	switch Family(value[1]) {
	case FamilyIPv4:
		if len(value) != addressSizeIPv4 {
			return netip.AddrPort{}, &ParseError{t, offset, ErrValueLength}
		}
		ip := [4]byte(value[addressPrefixSize:])
		xorBytes(ip[:], mask)
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port), nil
	case FamilyIPv6:
		if len(value) != addressSizeIPv6 {
			return netip.AddrPort{}, &ParseError{t, offset, ErrValueLength}
		}
		ip := [16]byte(value[addressPrefixSize:])
		xorBytes(ip[:], mask)
		return netip.AddrPortFrom(netip.AddrFrom16(ip).Unmap(), port), nil
	}
	return netip.AddrPort{}, &ParseError{t, offset + 1, ErrAddressFamily}
}

// xorBytes XORs b with the start of mask, which is at least as long, or nil.
func xorBytes(b, mask []byte) {
	if mask == nil {
		return
	}
	for i := range b {
		b[i] ^= mask[i]
	}
}

// AddAddress appends an attribute of the form of MAPPED-ADDRESS. An IPv4 address mapped into IPv6
// is sent as an IPv4 address, and a zone is left out. For an invalid address, Err returns
// ErrInvalidValue.
func (b *Builder) AddAddress(t AttributeType, addr netip.AddrPort) {
	b.addAddress(t, addr, false)
}

// AddXORAddress is AddAddress for an attribute of the form of XOR-MAPPED-ADDRESS.
func (b *Builder) AddXORAddress(t AttributeType, addr netip.AddrPort) {
	b.addAddress(t, addr, true)
}

func (b *Builder) addAddress(t AttributeType, addr netip.AddrPort, xor bool) {
	ip := addr.Addr().Unmap()
	if !ip.IsValid() {
		b.fail(ErrInvalidValue)
		return
	}
	n := addressSizeIPv6
	if ip.Is4() {
		n = addressSizeIPv4
	}
	if !b.open(t, n) {
		return
	}
	b.buf = append(b.buf, 0, byte(FamilyOf(ip)))
	b.buf = binary.BigEndian.AppendUint16(b.buf, addr.Port())
	if ip.Is4() {
		v4 := ip.As4()
		b.buf = append(b.buf, v4[:]...)
	} else {
		v6 := ip.As16()
		b.buf = append(b.buf, v6[:]...)
	}
	if xor {
		value := b.buf[len(b.buf)-n:]
		mask := b.message()[offsetCookie:HeaderSize]
		xorBytes(value[2:4], mask)
		xorBytes(value[addressPrefixSize:], mask)
	}
	b.close()
}
