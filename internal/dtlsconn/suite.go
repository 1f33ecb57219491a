package dtlsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/gob"
	"errors"
	"fmt"
	"hash"
	"runtime"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

// suite holds what record protection needs to know of an AEAD cipher suite.
type suite struct {
	id      uint16
	hash    func() hash.Hash // of the PRF
	keySize int
	ivSize  int // implicit part of the nonce, from the key block
	// explicitNonce is how many bytes of nonce each record carries: 8 in RFC 5288 (GCM), none in RFC 7905
	// (ChaCha20-Poly1305), where the nonce is the IV exclusive-or the sequence number.
	explicitNonce int
	aead          func(key []byte) (cipher.AEAD, error)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var (
	aes128GCM = suite{hash: sha256.New, keySize: 16, ivSize: 4, explicitNonce: 8, aead: newGCM}
	aes256GCM = suite{hash: sha512.New384, keySize: 32, ivSize: 4, explicitNonce: 8, aead: newGCM}
	chacha20  = suite{hash: sha256.New, keySize: 32, ivSize: 12, aead: chacha20poly1305.New}
)

// fastSuite returns the suite with the given number, if its records can be protected here. The others, CBC and
// CCM for old peers, stay with pion/dtls.
func fastSuite(id uint16) (suite, bool) {
	var s suite
	switch dtls.CipherSuiteID(id) {
	case dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		s = aes128GCM
	case dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		s = aes256GCM
	case dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		s = chacha20
	default:
		return suite{}, false
	}
	s.id = id
	return s, true
}

// DefaultCipherSuites returns the cipher suites that are offered and accepted, most preferred first: ECDHE with AES
// in Galois/Counter Mode where the processor computes it in hardware, with ChaCha20-Poly1305 first where it does
// not, and last, for old peers, AES-256 in CBC mode, which goes without the fast path.
func DefaultCipherSuites() []uint16 {
	aes128 := []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
	aes256 := []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	chacha := []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	cbc := []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, dtls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	}
	order := [][]dtls.CipherSuiteID{chacha, aes128, aes256, cbc}
	if hardwareAES() {
		order = [][]dtls.CipherSuiteID{aes128, chacha, aes256, cbc}
	}
	var ids []uint16
	for _, group := range order {
		for _, id := range group {
			ids = append(ids, uint16(id))
		}
	}
	return ids
}

// hardwareAES reports whether crypto/aes runs GCM on instructions made for it. Elsewhere (386, ARM, MIPS) it is
// several times slower than ChaCha20-Poly1305 and its tables leak timing.
func hardwareAES() bool {
	switch runtime.GOARCH {
	case "amd64":
		return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ
	case "arm64":
		return cpu.ARM64.HasAES && cpu.ARM64.HasPMULL || runtime.GOOS == "darwin"
	case "s390x":
		return cpu.S390X.HasAES && cpu.S390X.HasGHASH
	case "ppc64le":
		return true
	}
	return false
}

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
	nextSequence uint64 // what pion/dtls would use next in epochApplication
	connectionID bool
}

// exportedState are the fields, by name, of pion/dtls' serialized connection state that are needed here. Its
// serialization is the only door through which it lets out the master secret.
type exportedState struct {
	LocalEpoch            uint16
	SequenceNumber        uint64
	LocalRandom           [32]byte
	RemoteRandom          [32]byte
	CipherSuiteID         uint16
	MasterSecret          []byte
	SRTPProtectionProfile uint16
	PeerCertificates      [][]byte
	LocalConnectionID     []byte
	RemoteConnectionID    []byte
	IsClient              bool
}

var errState = errors.New("dtls: the finished handshake has no complete state")

// newSecrets takes the secrets out of the state of a finished handshake.
func newSecrets(state *dtls.State) (*secrets, error) {
	serialized, err := state.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("dtls: export the connection state: %w", err)
	}
	var exported exportedState
	if err := gob.NewDecoder(bytes.NewReader(serialized)).Decode(&exported); err != nil {
		return nil, fmt.Errorf("dtls: read the connection state: %w", err)
	}
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
		nextSequence: exported.SequenceNumber,
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

// maxExport bounds what export computes: no protocol wants kilobytes.
const maxExport = 1 << 10
