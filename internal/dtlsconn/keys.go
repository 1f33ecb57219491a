package dtlsconn

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
)

// secrets are kept of a finished handshake: enough for the key block (RFC 5246, section 6.3) and
// for exporters (RFC 5705).
type secrets struct {
	suite        uint16
	client       bool
	master       [masterSize]byte
	clientRandom [randomSize]byte
	serverRandom [randomSize]byte
	peer         []byte // the peer's leaf certificate
	srtpProfile  uint16
}

var errState = errors.New("dtls: the keys of the finished handshake are not known")

// checkLabel is the label of an exporter whose only purpose is the check in newSecrets. RFC 5705,
// section 4: labels that begin with EXPERIMENTAL need no registration.
const (
	checkLabel  = "EXPERIMENTAL_rtcstack_check"
	checkLength = 32
)

// newSecrets returns the secrets of the handshake that an attempt has finished.
//
// They come from two sources, the key log and the plaintext of the ServerHello, of which the second
// is not authentic. So they are checked: keying material exported with them must equal what
// pion/dtls exports from the state of the handshake whose Finished messages it has verified. It
// depends on the master secret, both randoms and the PRF's hash function, on which the record keys
// depend.
func newSecrets(at *attempt, client bool) (*secrets, error) {
	state, ok := at.inner.ConnectionState()
	if !ok || len(state.PeerCertificates) == 0 {
		return nil, errState
	}
	s := &secrets{suite: uint16(state.CipherSuiteID), client: client, peer: bytes.Clone(state.PeerCertificates[0])}
	if profile, ok := at.inner.SelectedSRTPProtectionProfile(); ok {
		s.srtpProfile = uint16(profile)
	}
	if s.clientRandom, s.master, ok = at.keyLog.take(); !ok {
		return nil, errState
	}
	want, err := state.ExportKeyingMaterial(checkLabel, nil, checkLength)
	if err != nil {
		return nil, fmt.Errorf("dtls: export keying material: %w", err)
	}
	for _, s.serverRandom = range at.randoms.complete() {
		if got, err := s.export(checkLabel, checkLength); err == nil && bytes.Equal(got, want) {
			return s, nil
		}
	}
	clear(s.master[:])
	return nil, errState
}

// direction is one direction's write key and implicit nonce.
type direction struct {
	aead cipher.AEAD
	iv   []byte
}

// keys derives the keys of both directions from the key block (RFC 5246, section 6.3). There are no
// MAC keys in an AEAD suite.
func (s *secrets) keys(suite suite) (local, remote direction, err error) {
	k, err := prf.GenerateEncryptionKeys(s.master[:], s.clientRandom[:], s.serverRandom[:], 0, suite.keySize, suite.ivSize, suite.hash)
	if err != nil {
		return direction{}, direction{}, fmt.Errorf("dtls: derive the record keys: %w", err)
	}
	// The AEADs have their own copies, or key schedules.
	defer clear(k.ClientWriteKey)
	defer clear(k.ServerWriteKey)
	client, err := suite.aead(k.ClientWriteKey)
	if err != nil {
		return direction{}, direction{}, fmt.Errorf("dtls: set up record protection: %w", err)
	}
	server, err := suite.aead(k.ServerWriteKey)
	if err != nil {
		return direction{}, direction{}, fmt.Errorf("dtls: set up record protection: %w", err)
	}
	local, remote = direction{client, k.ClientWriteIV}, direction{server, k.ServerWriteIV}
	if !s.client {
		local, remote = remote, local
	}
	return local, remote, nil
}

// maxExport is the largest number of bytes that export derives; no protocol needs more.
const maxExport = 1 << 10

// export derives keying material for another protocol, without a context value (RFC 5705, section
// 4).
func (s *secrets) export(label string, length int) ([]byte, error) {
	if length < 0 || length > maxExport {
		return nil, fmt.Errorf("dtls: export %d bytes: out of range", length)
	}
	// RFC 5705, section 4: the labels of TLS itself are reserved. Their output are keys of the
	// handshake.
	switch label {
	case "client finished", "server finished", "master secret", "extended master secret", "key expansion":
		return nil, fmt.Errorf("dtls: export %q: reserved label", label)
	}
	prfHash := sha256.New
	if f, ok := fastSuite(s.suite); ok {
		prfHash = f.hash
	}
	seed := make([]byte, 0, len(label)+64)
	seed = append(seed, label...)
	seed = append(seed, s.clientRandom[:]...)
	seed = append(seed, s.serverRandom[:]...)
	return prf.PHash(s.master[:], seed, length, prfHash)
}
