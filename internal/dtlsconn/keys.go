package dtlsconn

import (
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
)

// secrets are what remains of a finished handshake: enough for the key block (RFC 5246, section 6.3) and for
// exporters (RFC 5705).
type secrets struct {
	suite        uint16
	client       bool
	master       []byte
	clientRandom [32]byte
	serverRandom [32]byte
	peer         []byte // the peer's leaf certificate
	srtpProfile  uint16
	connectionID bool
}

var states stateDecoder

var errState = errors.New("dtls: the finished handshake has no complete state")

// newSecrets takes the secrets out of the state of a finished handshake.
func newSecrets(state *dtls.State) (*secrets, error) {
	serialized, err := state.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("dtls: export the connection state: %w", err)
	}
	exported, err := states.decode(serialized)
	if err != nil {
		return nil, fmt.Errorf("dtls: read the connection state: %w", err)
	}
	clear(serialized)
	if len(exported.MasterSecret) != 48 || exported.LocalEpoch != epochApplication || len(exported.PeerCertificates) == 0 {
		return nil, errState
	}
	s := &secrets{
		suite:        exported.CipherSuiteID,
		client:       exported.IsClient,
		master:       exported.MasterSecret,
		clientRandom: exported.RemoteRandom,
		serverRandom: exported.LocalRandom,
		peer:         exported.PeerCertificates[0],
		srtpProfile:  exported.SRTPProtectionProfile,
		connectionID: len(exported.LocalConnectionID) > 0 || len(exported.RemoteConnectionID) > 0,
	}
	if s.client {
		s.clientRandom, s.serverRandom = s.serverRandom, s.clientRandom
	}
	return s, nil
}

// direction is one direction's write key and implicit nonce.
type direction struct {
	aead cipher.AEAD
	iv   []byte
}

// keys derives the keys of both directions: key block = PRF(master_secret, "key expansion", server_random +
// client_random), with no MAC keys in an AEAD suite.
// https://www.rfc-editor.org/rfc/rfc5246.html#section-6.3
func (s *secrets) keys(suite suite) (local, remote direction, err error) {
	k, err := prf.GenerateEncryptionKeys(s.master, s.clientRandom[:], s.serverRandom[:], 0, suite.keySize, suite.ivSize, suite.hash)
	if err != nil {
		return direction{}, direction{}, fmt.Errorf("dtls: derive the record keys: %w", err)
	}
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

// maxExport bounds what export computes: no protocol wants kilobytes.
const maxExport = 1 << 10

// export computes keying material for another protocol, without a context value (RFC 5705, section 4).
func (s *secrets) export(label string, length int) ([]byte, error) {
	if length < 0 || length > maxExport {
		return nil, fmt.Errorf("dtls: export %d bytes: out of range", length)
	}
	// The labels of the handshake itself would give away its keys.
	// https://www.rfc-editor.org/rfc/rfc5705.html#section-4
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
	return prf.PHash(s.master, seed, length, prfHash)
}
