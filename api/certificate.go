package rtc

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/sdp"
)

// certificateFor loads the configured certificate or makes one. An ECDSA certificate costs a tenth of a millisecond
// and is made for each connection, so that two connections cannot be told to be of one program. An RSA key costs a
// hundred milliseconds and more: there is one for the process.
func certificateFor(s settings) (tls.Certificate, sdp.Fingerprint, error) {
	certificate, err := loadOrMakeCertificate(s)
	if err != nil {
		return certificate, sdp.Fingerprint{}, err
	}
	// SHA-256: every peer must support it (https://www.rfc-editor.org/rfc/rfc8122.html#section-5-9).
	fingerprint, err := sdp.NewFingerprint(sdp.SHA256, certificate.Certificate[0])
	if err != nil {
		return certificate, fingerprint, wrapError(ErrFailure, err, "certificate")
	}
	return certificate, fingerprint, nil
}

func loadOrMakeCertificate(s settings) (tls.Certificate, error) {
	if s.CertificatePEMFile != "" {
		c, err := certificate.LoadCertificate(s.CertificatePEMFile, s.KeyPEMFile, s.KeyPEMPass)
		if err != nil {
			return c, wrapError(ErrInvalid, err, "certificate")
		}
		return c, nil
	}
	if s.CertificateType == CertificateTypeRSA {
		return rsaCertificate()
	}
	c, err := certificate.GenerateCertificate(certificate.ECDSA, time.Now(), rand.Reader)
	if err != nil {
		return c, wrapError(ErrFailure, err, "certificate")
	}
	return c, nil
}

var rsaCertificate = sync.OnceValues(func() (tls.Certificate, error) {
	c, err := certificate.GenerateCertificate(certificate.RSA, time.Now(), rand.Reader)
	if err != nil {
		return c, wrapError(ErrFailure, err, "certificate")
	}
	return c, nil
})

var (
	preloading sync.Mutex
	preloaded  bool
)

// Preload does what the first connection would otherwise do, such as initializing the random generator and the tables
// of elliptic curves. It tells whether this call did it. It is never needed.
func Preload() (loaded bool) {
	preloading.Lock()
	defer preloading.Unlock()
	if preloaded {
		return false
	}
	_, _ = certificate.GenerateCertificate(certificate.ECDSA, time.Now(), rand.Reader)
	preloaded = true
	return true
}

// Cleanup undoes Preload. It does not close connections: they are closed by those who have them.
func Cleanup() {
	preloading.Lock()
	defer preloading.Unlock()
	preloaded = false
}
