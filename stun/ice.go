package stun

import "encoding/binary"

// Priority returns PRIORITY: the priority a peer-reflexive candidate learnt from this check would
// have (RFC 8445, section 7.1.1). It returns ErrAttributeNotFound or a *ParseError.
func (m Message) Priority() (uint32, error) { return m.Uint32(AttributePriority) }

// UseCandidate reports whether USE-CANDIDATE is there: the controlling agent nominates the pair
// (RFC 8445, section 7.1.2).
func (m Message) UseCandidate() bool {
	_, ok := m.Get(AttributeUseCandidate)
	return ok
}

// ICEControlling returns the tie-breaker of ICE-CONTROLLING: the sender believes to be the
// controlling agent (RFC 8445, section 7.1.3). It returns ErrAttributeNotFound or a *ParseError.
func (m Message) ICEControlling() (tieBreaker uint64, err error) {
	return m.Uint64(AttributeICEControlling)
}

// ICEControlled returns the tie-breaker of ICE-CONTROLLED: the sender believes to be the controlled
// agent. It returns ErrAttributeNotFound or a *ParseError.
func (m Message) ICEControlled() (tieBreaker uint64, err error) {
	return m.Uint64(AttributeICEControlled)
}

// Uint32 returns the value of an attribute that is a 32-bit number. It returns ErrAttributeNotFound
// or a *ParseError.
func (m Message) Uint32(t AttributeType) (uint32, error) {
	value, err := m.sized(t, 4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(value), nil
}

// Uint64 returns the value of an attribute that is a 64-bit number. It returns ErrAttributeNotFound
// or a *ParseError.
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
