package stun

import (
	"crypto/sha256"
	"encoding/binary"
)

// UserHashSize is the length of USERHASH's value in bytes.
const UserHashSize = sha256.Size

// Username returns USERNAME as a view. The error of this and the other getters of text is
// ErrAttributeNotFound.
func (m Message) Username() ([]byte, error) { return m.bytes(AttributeUsername) }

// Realm returns REALM as a view.
func (m Message) Realm() ([]byte, error) { return m.bytes(AttributeRealm) }

// Nonce returns NONCE as a view. ParseNonce returns the security features that it announces.
func (m Message) Nonce() ([]byte, error) { return m.bytes(AttributeNonce) }

// Software returns SOFTWARE as a view: the name of the sender's software, for humans.
func (m Message) Software() ([]byte, error) { return m.bytes(AttributeSoftware) }

// AlternateDomain returns ALTERNATE-DOMAIN as a view: the domain name to verify the certificate of
// the ALTERNATE-SERVER against.
func (m Message) AlternateDomain() ([]byte, error) { return m.bytes(AttributeAlternateDomain) }

// UserHash returns USERHASH, the result of the function UserHash, which replaces USERNAME. The
// error is ErrAttributeNotFound or a *ParseError.
func (m Message) UserHash() ([UserHashSize]byte, error) {
	value, err := m.sized(AttributeUserHash, UserHashSize)
	if err != nil {
		return [UserHashSize]byte{}, err
	}
	return [UserHashSize]byte(value), nil
}

// UserHash returns SHA-256(username ":" realm). A client that sends it names itself to the server
// without revealing its user name to others (RFC 8489, section 14.4). The arguments are hashed
// unchanged: see OpaqueString.
func UserHash(username, realm string) [UserHashSize]byte {
	return [UserHashSize]byte(hashCredential(sha256.New(), username, realm))
}

// Password algorithms (RFC 8489, section 18.5), which make the key of a long-term credential: those
// of NewLongTermKey and NewLongTermKeySHA256.
const (
	PasswordAlgorithmMD5    uint16 = 0x0001
	PasswordAlgorithmSHA256 uint16 = 0x0002
)

// PasswordAlgorithm is the value of PASSWORD-ALGORITHM, or one of the values in
// PASSWORD-ALGORITHMS. Neither of the two algorithms that exist has parameters.
type PasswordAlgorithm struct {
	Algorithm  uint16
	Parameters []byte
}

// PasswordAlgorithm returns PASSWORD-ALGORITHM, the algorithm that a client has chosen. Parameters
// is a view. The error is ErrAttributeNotFound or a *ParseError.
func (m Message) PasswordAlgorithm() (PasswordAlgorithm, error) {
	value, offset, ok := m.find(AttributePasswordAlgorithm)
	if !ok {
		return PasswordAlgorithm{}, ErrAttributeNotFound
	}
	algorithm, rest, ok := nextPasswordAlgorithm(value)
	if !ok || len(rest) != 0 {
		return PasswordAlgorithm{}, &ParseError{AttributePasswordAlgorithm, offset, ErrValueLength}
	}
	return algorithm, nil
}

// PasswordAlgorithms appends to dst the algorithms in PASSWORD-ALGORITHMS, which a server offers in
// the order of its preference. Parameters are views. The error is ErrAttributeNotFound or a
// *ParseError.
func (m Message) PasswordAlgorithms(dst []PasswordAlgorithm) ([]PasswordAlgorithm, error) {
	value, offset, ok := m.find(AttributePasswordAlgorithms)
	if !ok {
		return dst, ErrAttributeNotFound
	}
	for n := len(value); len(value) > 0; {
		algorithm, rest, ok := nextPasswordAlgorithm(value)
		if !ok {
			return dst, &ParseError{AttributePasswordAlgorithms, offset + n - len(value), ErrValueLength}
		}
		dst = append(dst, algorithm)
		value = rest
	}
	return dst, nil
}

// passwordAlgorithmHeaderSize is the size in bytes of an algorithm's number and the length of its
// parameters.
const passwordAlgorithmHeaderSize = 4

// nextPasswordAlgorithm returns the first algorithm of value and the bytes behind its padding.
func nextPasswordAlgorithm(value []byte) (algorithm PasswordAlgorithm, rest []byte, ok bool) {
	if len(value) < passwordAlgorithmHeaderSize {
		return PasswordAlgorithm{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(value[2:]))
	algorithm.Algorithm = binary.BigEndian.Uint16(value)
	value = value[passwordAlgorithmHeaderSize:]
	if n > len(value) {
		return PasswordAlgorithm{}, nil, false
	}
	algorithm.Parameters = value[:n:n]
	// The padding of the last parameters is that of the attribute, which value does not include.
	return algorithm, value[min(padded(n), len(value)):], true
}

// AddPasswordAlgorithm appends PASSWORD-ALGORITHM.
func (b *Builder) AddPasswordAlgorithm(algorithm PasswordAlgorithm) {
	b.addPasswordAlgorithms(AttributePasswordAlgorithm, algorithm)
}

// AddPasswordAlgorithms appends PASSWORD-ALGORITHMS. A client must return a server's list
// unchanged: with Get and Add.
func (b *Builder) AddPasswordAlgorithms(algorithms ...PasswordAlgorithm) {
	b.addPasswordAlgorithms(AttributePasswordAlgorithms, algorithms...)
}

func (b *Builder) addPasswordAlgorithms(t AttributeType, algorithms ...PasswordAlgorithm) {
	size := 0
	for i, a := range algorithms {
		if size += passwordAlgorithmHeaderSize + len(a.Parameters); i < len(algorithms)-1 {
			size = padded(size)
		}
	}
	if !b.open(t, size) {
		return
	}
	for _, a := range algorithms {
		b.buf = binary.BigEndian.AppendUint16(b.buf, a.Algorithm)
		b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(len(a.Parameters)))
		b.buf = append(b.buf, a.Parameters...)
		b.close() // pads
	}
	if len(algorithms) == 0 {
		b.close()
	}
}
