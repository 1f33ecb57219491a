package rtc

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/sdp"
)

// certificateFor returns the configured certificate, or else a generated one, and its fingerprint.
func certificateFor(s settings) (tls.Certificate, sdp.Fingerprint, error) {
	own, err := loadOrGenerate(s)
	if err != nil {
		return own, sdp.Fingerprint{}, err
	}
	// RFC 8122, section 5.1: every endpoint calculates a fingerprint with SHA-256.
	fingerprint, err := sdp.NewFingerprint(sdp.SHA256, own.Certificate[0])
	if err != nil {
		return own, fingerprint, wrapError(ErrFailure, err, "certificate")
	}
	return own, fingerprint, nil
}

// loadOrGenerate loads the configured certificate or generates one. Generating an ECDSA certificate
// takes a tenth of a millisecond. Each connection has its own, so that it does not show that two
// connections belong to one program. Generating an RSA key takes a hundred milliseconds and more:
// all connections of the process share one.
func loadOrGenerate(s settings) (tls.Certificate, error) {
	if s.CertificatePEMFile != "" {
		own, err := certificate.Load(s.CertificatePEMFile, s.KeyPEMFile, s.KeyPEMPass)
		if err != nil {
			return own, wrapError(ErrInvalid, err, "certificate")
		}
		return own, nil
	}
	if s.CertificateType == CertificateTypeRSA {
		return rsaCertificate()
	}
	return generate(certificate.ECDSA)
}

var rsaCertificate = sync.OnceValues(func() (tls.Certificate, error) { return generate(certificate.RSA) })

func generate(kind certificate.Kind) (tls.Certificate, error) {
	own, err := certificate.Generate(kind, time.Now(), rand.Reader)
	if err != nil {
		return own, wrapError(ErrFailure, err, "certificate")
	}
	return own, nil
}

var (
	preloading sync.Mutex
	preloaded  bool
)

// Preload initializes the random generator and the tables of elliptic curves, which the first
// connection would otherwise do. It is optional. It reports whether this call initialized them:
// false if they already were. It may be called from any goroutine.
func Preload() (loaded bool) {
	preloading.Lock()
	defer preloading.Unlock()
	if preloaded {
		return false
	}
	_, _ = generate(certificate.ECDSA)
	preloaded = true
	return true
}

// Cleanup undoes Preload, so that the next Preload reports true. It does not close any connection.
func Cleanup() {
	preloading.Lock()
	defer preloading.Unlock()
	preloaded = false
}
