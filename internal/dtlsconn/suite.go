package dtlsconn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"runtime"

	"github.com/pion/dtls/v3"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

// suite describes an AEAD cipher suite.
type suite struct {
	id      uint16
	hash    func() hash.Hash // of the PRF
	keySize int
	ivSize  int // of the implicit part of the nonce, from the key block
	// explicitNonce is the size of the explicit part of the nonce in each record, in bytes: 8 in
	// RFC 5288 (GCM), 0 in RFC 7905 (ChaCha20-Poly1305), where the nonce is the IV exclusive-or the
	// sequence number.
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

// fastSuite returns the suite with a number. It reports false for those whose records pion/dtls
// protects: CBC and CCM.
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

// DefaultCipherSuites returns the cipher suites that are offered and accepted, most preferred
// first: ECDHE with AES-128-GCM, ChaCha20-Poly1305 and AES-256-GCM, or with ChaCha20-Poly1305 first
// on processors without instructions for AES-GCM, and last, for old peers, AES-256-CBC, which has
// no fast path.
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

// hardwareAES reports whether crypto/aes uses instructions of the processor for GCM. Without them
// (386, ARM, MIPS) it is several times slower than ChaCha20-Poly1305, and not constant-time.
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
