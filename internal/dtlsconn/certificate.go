package dtlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"time"
)

// CertificateKind is the kind of key of a generated certificate.
type CertificateKind uint8

const (
	// ECDSA is a key on the curve P-256, which every WebRTC implementation must support (RFC 8827, section 6.5).
	// It takes a tenth of a millisecond to make.
	ECDSA CertificateKind = iota
	// RSA is a key of 2,048 bits, for peers that want one. It takes tens to hundreds of milliseconds to make.
	RSA
)

const (
	rsaBits = 2048

	// certificateValidity is how long before and after its making a certificate is valid. Nothing in WebRTC checks the
	// dates but some peers' TLS library: the time before absorbs clocks that are wrong, the time after bounds,
	// as in browsers, for how long a reused certificate can recognize a user.
	certificateValidity = 30 * 24 * time.Hour

	// certificateName is the subject: the same for all, so that it tells nothing.
	certificateName = "WebRTC"
)

// GenerateCertificate makes a self-signed certificate with a new key, valid from 30 days before now until 30 days after.
// The key comes from random where the Go release still lets it, and from the system otherwise.
func GenerateCertificate(kind CertificateKind, now time.Time, random io.Reader) (tls.Certificate, error) {
	var key crypto.Signer
	var err error
	switch kind {
	case ECDSA:
		key, err = ecdsa.GenerateKey(elliptic.P256(), random)
	case RSA:
		key, err = rsa.GenerateKey(random, rsaBits)
	default:
		return tls.Certificate{}, fmt.Errorf("dtls: generate a certificate: unknown kind %d", kind)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: generate a key: %w", err)
	}
	// Twenty octets at most, positive.
	// https://www.rfc-editor.org/rfc/rfc5280.html#section-4.1.2.2
	var serial [16]byte
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: generate a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: certificateName},
		Issuer:       pkix.Name{CommonName: certificateName},
		NotBefore:    now.Add(-certificateValidity).UTC(),
		NotAfter:     now.Add(certificateValidity).UTC(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: sign the certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: read back the certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
