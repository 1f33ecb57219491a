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

// Kind is the kind of key in a generated certificate.
type Kind uint8

const (
	// ECDSA is a key on the curve P-256, which every WebRTC implementation supports (RFC 8827,
	// section 6.5). Generating one takes a tenth of a millisecond.
	ECDSA Kind = iota
	// RSA is a key of 2,048 bits, for peers without ECDSA. Generating one takes tens to hundreds of
	// milliseconds.
	RSA
)

const (
	rsaBits = 2048

	// validity is the time from notBefore to the generation of a certificate, and from there to
	// notAfter. WebRTC itself does not check these dates; some TLS libraries do. The first half
	// tolerates a peer whose clock is slow, the second half limits, as in browsers, for how long a
	// reused certificate identifies its user.
	validity = 30 * 24 * time.Hour

	// subjectName is the common name of subject and issuer. All certificates have the same one, so
	// that it does not identify the user.
	subjectName = "WebRTC"
)

// Generate returns a self-signed certificate with a new key, valid from 30 days before now until 30
// days after it. Its Leaf is nil. The serial number is read from random. Go's crypto packages take
// the key and the signature's randomness from the system's generator instead, from Go 1.26 on. The
// errors are those of random, and one for an unknown kind.
func Generate(kind Kind, now time.Time, random io.Reader) (tls.Certificate, error) {
	var key crypto.Signer
	var err error
	switch kind {
	case ECDSA:
		key, err = ecdsa.GenerateKey(elliptic.P256(), random)
	case RSA:
		key, err = rsa.GenerateKey(random, rsaBits)
	default:
		return tls.Certificate{}, fmt.Errorf("certificate: unknown kind of key %d", kind)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: generate a key: %w", err)
	}
	der, err := selfSign(key, now, random)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// selfSign returns the certificate of a key in DER, with the same content as that of
// x509.CreateCertificate, in a third of the time: x509 verifies each signature that it has made,
// and encodes by reflection.
//
// RFC 5280, section 4.1: a Certificate is a TBSCertificate, the algorithm of its signature, and the
// signature.
func selfSign(key crypto.Signer, now time.Time, random io.Reader) ([]byte, error) {
	algorithm := ecdsaWithSHA256
	if _, ok := key.(*rsa.PrivateKey); ok {
		algorithm = sha256WithRSA
	}
	tbs, err := marshalTBS(key.Public(), algorithm, now, random)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(random, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		algorithm.add(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// marshalTBS returns the TBSCertificate: the part that is signed.
func marshalTBS(public crypto.PublicKey, algorithm signatureAlgorithm, now time.Time, random io.Reader) ([]byte, error) {
	serial, err := newSerialNumber(random)
	if err != nil {
		return nil, err
	}
	publicKey, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		const v3 = 2
		b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Uint64(v3) })
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial[:]) })
		algorithm.add(b)
		addCommonName(b, subjectName) // issuer
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, now.Add(-validity))
			addTime(b, now.Add(validity))
		})
		addCommonName(b, subjectName) // subject
		b.AddBytes(publicKey)
	})
	return b.Bytes()
}

// newSerialNumber returns a random serial number.
//
// RFC 5280, section 4.1.2.2: a serial number is positive and has at most 20 octets. The two highest
// bits are fixed, so that the number is positive and its length is always the same.
func newSerialNumber(random io.Reader) (serial [16]byte, err error) {
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return serial, fmt.Errorf("generate a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	return serial, nil
}

// signatureAlgorithm is an AlgorithmIdentifier.
type signatureAlgorithm struct {
	oid            encodingasn1.ObjectIdentifier
	nullParameters bool // the parameters are NULL instead of absent
}

// RFC 5758, section 3.2: the parameters of ecdsa-with-SHA256 are absent. RFC 4055, section 5: those
// of sha256WithRSAEncryption are NULL.
var (
	ecdsaWithSHA256 = signatureAlgorithm{oid: encodingasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	sha256WithRSA   = signatureAlgorithm{oid: encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, nullParameters: true}

	commonName = encodingasn1.ObjectIdentifier{2, 5, 4, 3}
)

// add appends a.
func (a signatureAlgorithm) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.nullParameters {
			b.AddASN1NULL()
		}
	})
}

// addCommonName appends a distinguished name with one attribute, the common name.
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

// addTime appends a date.
//
// RFC 5280, section 4.1.2.5: dates through the year 2049 are encoded as UTCTime, later ones as
// GeneralizedTime.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}
