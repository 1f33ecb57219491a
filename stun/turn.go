package stun

import (
	"encoding/binary"
	"time"
)

// Transport protocols of REQUESTED-TRANSPORT, which are protocol numbers of IP (RFC 8656, section
// 18.8).
const (
	ProtocolTCP = 6
	ProtocolUDP = 17
)

// ReservationToken is the value of RESERVATION-TOKEN. It identifies a relayed address that the
// server keeps for a later Allocate request.
type ReservationToken [8]byte

// Lifetime returns LIFETIME, in whole seconds. The error of this and the other getters is
// ErrAttributeNotFound or a *ParseError.
func (m Message) Lifetime() (time.Duration, error) {
	seconds, err := m.Uint32(AttributeLifetime)
	return time.Duration(seconds) * time.Second, err
}

// AddLifetime appends LIFETIME, which is d in whole seconds, rounded down. For a negative d, or
// more than 2^32-1 s, Err returns ErrInvalidValue.
func (b *Builder) AddLifetime(d time.Duration) {
	seconds := int64(d / time.Second)
	if d < 0 || seconds > 0xFFFFFFFF {
		b.fail(ErrInvalidValue)
		return
	}
	b.AddUint32(AttributeLifetime, uint32(seconds))
}

// ChannelNumber returns CHANNEL-NUMBER. It does not check that the number is one that may be bound
// (0x4000 to 0x4FFF).
func (m Message) ChannelNumber() (uint16, error) {
	value, err := m.sized(AttributeChannelNumber, 4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(value), nil
}

// AddChannelNumber appends CHANNEL-NUMBER.
func (b *Builder) AddChannelNumber(number uint16) {
	b.AddUint32(AttributeChannelNumber, uint32(number)<<16)
}

// Data returns DATA, the application's datagram in a Send or Data indication, as a view. The error
// is ErrAttributeNotFound.
func (m Message) Data() ([]byte, error) { return m.bytes(AttributeData) }

// RequestedTransport returns REQUESTED-TRANSPORT: ProtocolUDP or another protocol number.
func (m Message) RequestedTransport() (protocol uint8, err error) {
	return m.firstByte(AttributeRequestedTransport)
}

// AddRequestedTransport appends REQUESTED-TRANSPORT.
func (b *Builder) AddRequestedTransport(protocol uint8) {
	b.AddUint32(AttributeRequestedTransport, uint32(protocol)<<24)
}

// RequestedAddressFamily returns REQUESTED-ADDRESS-FAMILY. It may be neither FamilyIPv4 nor
// FamilyIPv6; a server answers CodeAddressFamilyNotSupported then.
func (m Message) RequestedAddressFamily() (Family, error) {
	family, err := m.firstByte(AttributeRequestedAddressFamily)
	return Family(family), err
}

// AdditionalAddressFamily returns ADDITIONAL-ADDRESS-FAMILY, which may be another family as well.
func (m Message) AdditionalAddressFamily() (Family, error) {
	family, err := m.firstByte(AttributeAdditionalAddressFamily)
	return Family(family), err
}

// AddFamily appends REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY.
func (b *Builder) AddFamily(t AttributeType, family Family) {
	b.AddUint32(t, uint32(family)<<24)
}

// firstByte returns the first byte of a value of four bytes, of which the others are reserved.
func (m Message) firstByte(t AttributeType) (uint8, error) {
	value, err := m.sized(t, 4)
	if err != nil {
		return 0, err
	}
	return value[0], nil
}

// AddressErrorCode returns ADDRESS-ERROR-CODE, the reason why an allocation for two families has no
// address of one of them (RFC 8656, section 18.12).
func (m Message) AddressErrorCode() (family Family, code int, reason string, err error) {
	value, offset, ok := m.find(AttributeAddressErrorCode)
	if !ok {
		return 0, 0, "", ErrAttributeNotFound
	}
	code, reason, err = decodeErrorCode(AttributeAddressErrorCode, value, offset)
	if err != nil {
		return 0, 0, "", err
	}
	return Family(value[0]), code, reason, nil
}

// AddAddressErrorCode appends ADDRESS-ERROR-CODE. For a code outside 300 to 699, Err returns
// ErrInvalidValue.
func (b *Builder) AddAddressErrorCode(family Family, code int, reason string) {
	b.addErrorCode(AttributeAddressErrorCode, byte(family), code, reason)
}

// EvenPort returns EVEN-PORT, a request for an even port. reserve reports whether the next higher
// port shall be kept for a later Allocate request.
func (m Message) EvenPort() (reserve bool, err error) {
	value, err := m.sized(AttributeEvenPort, 1)
	if err != nil {
		return false, err
	}
	return value[0]&0x80 != 0, nil
}

// AddEvenPort appends EVEN-PORT.
func (b *Builder) AddEvenPort(reserve bool) {
	if b.open(AttributeEvenPort, 1) {
		var value byte
		if reserve {
			value = 0x80
		}
		b.buf = append(b.buf, value)
		b.close()
	}
}

// DontFragment reports whether the message has DONT-FRAGMENT, by which the server is asked to set
// the DF bit in its datagrams to the peer.
func (m Message) DontFragment() bool {
	_, ok := m.Get(AttributeDontFragment)
	return ok
}

// ReservationToken returns RESERVATION-TOKEN.
func (m Message) ReservationToken() (ReservationToken, error) {
	value, err := m.sized(AttributeReservationToken, len(ReservationToken{}))
	if err != nil {
		return ReservationToken{}, err
	}
	return ReservationToken(value), nil
}

// AddReservationToken appends RESERVATION-TOKEN.
func (b *Builder) AddReservationToken(token ReservationToken) {
	if b.open(AttributeReservationToken, len(token)) {
		b.buf = append(b.buf, token[:]...)
		b.close()
	}
}

// ICMP is the value of the ICMP attribute, an ICMP message that the server has received for a
// datagram to a peer (RFC 8656, section 18.13).
type ICMP struct {
	Type uint8  // 0 to 127, of ICMPv4 or ICMPv6 according to the address family of the peer
	Code uint16 // 0 to 511
	Data uint32 // the Error Data field: an MTU in bytes, or reserved
}

// ICMP returns the ICMP attribute.
func (m Message) ICMP() (ICMP, error) {
	value, err := m.sized(AttributeICMP, 8)
	if err != nil {
		return ICMP{}, err
	}
	// 16 reserved bits, 7 bits of type and 9 of code.
	return ICMP{Type: value[2] >> 1, Code: binary.BigEndian.Uint16(value[2:]) & 0x1FF, Data: binary.BigEndian.Uint32(value[4:])}, nil
}

// AddICMP appends the ICMP attribute. For a Type or Code out of range, Err returns ErrInvalidValue.
func (b *Builder) AddICMP(icmp ICMP) {
	if icmp.Type > 0x7F || icmp.Code > 0x1FF {
		b.fail(ErrInvalidValue)
		return
	}
	b.AddUint64(AttributeICMP, uint64(icmp.Type)<<41|uint64(icmp.Code)<<32|uint64(icmp.Data))
}
