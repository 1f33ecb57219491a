package stun

// Priority returns PRIORITY, the priority of a peer-reflexive candidate that is discovered by this
// check (RFC 8445, section 7.1.1). The error is ErrAttributeNotFound or a *ParseError.
func (m Message) Priority() (uint32, error) { return m.Uint32(AttributePriority) }

// UseCandidate reports whether the message has USE-CANDIDATE, by which the controlling agent
// nominates the pair (RFC 8445, section 7.1.2).
func (m Message) UseCandidate() bool {
	_, ok := m.Get(AttributeUseCandidate)
	return ok
}

// ICEControlling returns the tie-breaker in ICE-CONTROLLING, which an agent in the controlling role
// sends (RFC 8445, section 7.1.3). The error is ErrAttributeNotFound or a *ParseError.
func (m Message) ICEControlling() (tieBreaker uint64, err error) {
	return m.Uint64(AttributeICEControlling)
}

// ICEControlled returns the tie-breaker in ICE-CONTROLLED, which an agent in the controlled role
// sends. The error is ErrAttributeNotFound or a *ParseError.
func (m Message) ICEControlled() (tieBreaker uint64, err error) {
	return m.Uint64(AttributeICEControlled)
}
