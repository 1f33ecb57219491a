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
	// ErrPassword is returned by [Load] for an encrypted key whose password is missing or wrong.
	ErrPassword = errors.New("certificate: the private key needs another password")

	// ErrKeyMismatch is returned by [Load] for a key that is not the certificate's.
	ErrKeyMismatch = errors.New("certificate: the private key does not belong to the certificate")

	errNoCertificatePEM = errors.New("no CERTIFICATE block")
	errNoKeyPEM         = errors.New("no private key block")
)

// maxPEMSize is the largest file that is read, in bytes. A chain of certificates has some
// kilobytes.
const maxPEMSize = 1 << 20

// Load reads a certificate, with its chain if there is one, and its private key. Each of certPEM
// and keyPEM is either PEM text, recognized by "-----BEGIN" in it, or the path of a file with PEM
// text, of at most 1 MiB; both may be the same.
//
// The key is an RSA, ECDSA or Ed25519 key in PKCS #1, SEC 1 or PKCS #8. It may be encrypted: by the
// header DEK-Info of PEM (RFC 1421), or as PKCS #8, either by PBES2 (RFC 8018) with AES or triple
// DES and PBKDF2 or scrypt, or by the scheme of PKCS #12 (RFC 7292) with SHA-1 and triple DES. A
// password is ignored if the key is not encrypted.
//
// The errors are ErrPassword, ErrKeyMismatch, *UnsupportedEncryptionError, and those of the file
// system and of parsing.
func Load(certPEM, keyPEM, password string) (tls.Certificate, error) {
	certText, err := readPEM(certPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: load the certificate: %w", err)
	}
	keyText, err := readPEM(keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: load the private key: %w", err)
	}
	chain, leaf, err := parseChain(certText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: load the certificate: %w", err)
	}
	key, err := parseKey(keyText, password)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: load the private key: %w", err)
	}
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, ErrKeyMismatch
	}
	return tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// parseChain returns the certificates in PEM text, and the first of them parsed.
func parseChain(text []byte) (chain [][]byte, leaf *x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) == 0 {
		return nil, nil, errNoCertificatePEM
	}
	leaf, err = x509.ParseCertificate(chain[0])
	return chain, leaf, err
}

// readPEM returns textOrPath if it is PEM text, and otherwise the content of the file with that
// path.
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

// parseKey returns the first private key in PEM text.
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
		//lint:ignore SA1019 deprecated because it is not authenticated; existing keys use it
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

// parseKeyDER parses a key in any of the three formats. The type of its PEM block does not matter.
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
