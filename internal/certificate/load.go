package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

var (
	// ErrPassword is returned by LoadCertificate when the key is encrypted and the password is missing or wrong.
	ErrPassword = errors.New("dtls: the private key needs another password")

	// ErrKeyMismatch is returned by LoadCertificate when the key is not that of the certificate.
	ErrKeyMismatch = errors.New("dtls: the private key does not belong to the certificate")

	errNoCertificatePEM = errors.New("no CERTIFICATE block")
	errNoKeyPEM         = errors.New("no private key block")
)

// maxPEMSize bounds what is read from a file: a chain of certificates is some kilobytes.
const maxPEMSize = 1 << 20

// LoadCertificate reads a certificate, with its chain if there is one, and its private key. Both are given as PEM or as
// the path of a file with PEM; what contains "-----BEGIN" is PEM. Keys may be PKCS #1, SEC 1 or PKCS #8 of RSA,
// ECDSA or Ed25519 keys, in the clear, in the old encryption of PEM ("DEK-Info"), or in PKCS #8 encrypted with AES or triple
// DES by PBES2, with PBKDF2 or scrypt, or by PKCS #12's scheme with SHA-1 and triple DES. Errors: ErrPassword, ErrKeyMismatch, *UnsupportedEncryptionError,
// and those of the file system and of parsing.
func LoadCertificate(certPEM, keyPEM, password string) (tls.Certificate, error) {
	certText, err := readPEM(certPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: load the certificate: %w", err)
	}
	keyText, err := readPEM(keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: load the private key: %w", err)
	}
	var certificate tls.Certificate
	for block, rest := pem.Decode(certText); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certificate.Certificate = append(certificate.Certificate, block.Bytes)
		}
	}
	if len(certificate.Certificate) == 0 {
		return tls.Certificate{}, fmt.Errorf("dtls: load the certificate: %w", errNoCertificatePEM)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: load the certificate: %w", err)
	}
	key, err := parseKey(keyText, password)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: load the private key: %w", err)
	}
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, ErrKeyMismatch
	}
	certificate.Leaf, certificate.PrivateKey = leaf, key
	return certificate, nil
}

// readPEM returns the text itself, or what is in the file that it names.
func readPEM(textOrPath string) ([]byte, error) {
	if strings.Contains(textOrPath, "-----BEGIN") {
		return []byte(textOrPath), nil
	}
	info, err := os.Stat(textOrPath)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPEMSize {
		return nil, fmt.Errorf("%s: file of %d bytes", textOrPath, info.Size())
	}
	return os.ReadFile(textOrPath)
}

// parseKey finds the first private key in PEM.
func parseKey(text []byte, password string) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		der := block.Bytes
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			var err error
			if der, err = decryptPKCS8(der, password); err != nil {
				return nil, err
			}
		//lint:ignore SA1019 this encryption is unauthenticated, and old keys use it all the same
		case x509.IsEncryptedPEMBlock(block):
			var err error
			//lint:ignore SA1019 as above
			if der, err = x509.DecryptPEMBlock(block, []byte(password)); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrPassword, err)
			}
		}
		return parseKeyDER(der)
	}
	return nil, errNoKeyPEM
}

// parseKeyDER reads a key in any of the three formats, whatever its PEM block was called.
func parseKeyDER(der []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		switch key := parsed.(type) {
		case *rsa.PrivateKey:
			return key, nil
		case *ecdsa.PrivateKey:
			return key, nil
		case ed25519.PrivateKey:
			return key, nil
		}
		return nil, fmt.Errorf("key of type %T cannot sign", parsed)
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return nil, err
}
