package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	encodingasn1 "encoding/asn1"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
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
// Its Leaf is nil. The key comes from random where the Go release still lets it, and from the system otherwise.
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
	der, err := selfSign(key, now, random)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// selfSign makes the certificate of a key. It says what x509.CreateCertificate would, in a third of the time: that one checks
// every signature it has made, and goes by reflection.
// https://www.rfc-editor.org/rfc/rfc5280.html#section-4.1
func selfSign(key crypto.Signer, now time.Time, random io.Reader) ([]byte, error) {
	// Twenty octets at most, positive.
	// https://www.rfc-editor.org/rfc/rfc5280.html#section-4.1.2.2
	var serial [16]byte
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return nil, fmt.Errorf("dtls: generate a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	publicKey, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("dtls: encode the public key: %w", err)
	}
	algorithm := ecdsaWithSHA256
	if _, ok := key.(*rsa.PrivateKey); ok {
		algorithm = sha256WithRSA
	}

	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		const v3 = 2
		b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Uint64(v3) })
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial[:]) })
		algorithm.add(b)
		addCommonName(b, certificateName) // issuer
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, now.Add(-certificateValidity))
			addTime(b, now.Add(certificateValidity))
		})
		addCommonName(b, certificateName) // subject
		b.AddBytes(publicKey)
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("dtls: encode the certificate: %w", err)
	}
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(random, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("dtls: sign the certificate: %w", err)
	}
	b = cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		algorithm.add(b)
		b.AddASN1BitString(signature)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("dtls: encode the certificate: %w", err)
	}
	return der, nil
}

// signatureAlgorithm is an AlgorithmIdentifier.
type signatureAlgorithm struct {
	oid  encodingasn1.ObjectIdentifier
	null bool // the parameters are NULL, not absent
}

// https://www.rfc-editor.org/rfc/rfc5758.html#section-3.2 and https://www.rfc-editor.org/rfc/rfc4055.html#section-5
var (
	ecdsaWithSHA256 = signatureAlgorithm{oid: encodingasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	sha256WithRSA   = signatureAlgorithm{oid: encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, null: true}

	commonName = encodingasn1.ObjectIdentifier{2, 5, 4, 3}
)

func (a signatureAlgorithm) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.null {
			b.AddASN1NULL()
		}
	})
}

// addCommonName adds a distinguished name of one attribute.
func addCommonName(b *cryptobyte.Builder, name string) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(commonName)
				b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			})
		})
	})
}

// addTime adds a date: dates through the year 2049 are a UTCTime, later ones a GeneralizedTime.
// https://www.rfc-editor.org/rfc/rfc5280.html#section-4.1.2.5
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}
