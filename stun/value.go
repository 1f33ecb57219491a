package stun

import "encoding/binary"

// Uint32 returns the value of an attribute that is a 32-bit number. The error is
// ErrAttributeNotFound or a *ParseError.
func (m Message) Uint32(t AttributeType) (uint32, error) {
	value, err := m.sized(t, 4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(value), nil
}

// Uint64 returns the value of an attribute that is a 64-bit number. The error is
// ErrAttributeNotFound or a *ParseError.
func (m Message) Uint64(t AttributeType) (uint64, error) {
	value, err := m.sized(t, 8)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

// sized returns the value of an attribute that always has n bytes.
func (m Message) sized(t AttributeType, n int) ([]byte, error) {
	value, offset, ok := m.find(t)
	if !ok {
		return nil, ErrAttributeNotFound
	}
	if len(value) != n {
		return nil, &ParseError{t, offset, ErrValueLength}
	}
	return value, nil
}

// bytes returns the value of an attribute of any length.
func (m Message) bytes(t AttributeType) ([]byte, error) {
	value, ok := m.Get(t)
	if !ok {
		return nil, ErrAttributeNotFound
	}
	return value, nil
}
