package dtlsconn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// UnsupportedEncryptionError is returned for a key that is encrypted in a way the standard library has no means for, or
// that is not worth them: PBES1, scrypt, DES. "openssl pkcs8 -topk8 -v2 aes-256-cbc" makes one that can be read.
type UnsupportedEncryptionError struct {
	// What says which part is not supported: a scheme, a key derivation, a pseudorandom function or a cipher.
	What string
	// OID is its object identifier.
	OID asn1.ObjectIdentifier
}

// Error implements error.
func (e *UnsupportedEncryptionError) Error() string {
	return fmt.Sprintf("dtls: unsupported %s %s in the encrypted private key", e.What, e.OID)
}

// maxPBKDF2Iterations bounds the time a key file can take: some seconds.
const maxPBKDF2Iterations = 10_000_000

var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACSHA384 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}
	oidHMACSHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidAES128CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// encryptedPrivateKeyInfo is the outer structure.
// https://www.rfc-editor.org/rfc/rfc5958.html#section-3
type encryptedPrivateKeyInfo struct {
	Algorithm     pkix.AlgorithmIdentifier
	EncryptedData []byte
}

// pbes2Params and pbkdf2Params are from RFC 8018, appendix A.
// https://www.rfc-editor.org/rfc/rfc8018.html#appendix-A.4
type pbes2Params struct {
	KeyDerivation pkix.AlgorithmIdentifier
	Encryption    pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// decryptPKCS8 returns the PrivateKeyInfo inside an EncryptedPrivateKeyInfo.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedPrivateKeyInfo
	if err := unmarshalAll(der, &info); err != nil {
		return nil, err
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, &UnsupportedEncryptionError{"scheme", info.Algorithm.Algorithm}
	}
	var scheme pbes2Params
	if err := unmarshalAll(info.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, err
	}
	if !scheme.KeyDerivation.Algorithm.Equal(oidPBKDF2) {
		return nil, &UnsupportedEncryptionError{"key derivation", scheme.KeyDerivation.Algorithm}
	}
	var derivation pbkdf2Params
	if err := unmarshalAll(scheme.KeyDerivation.Parameters.FullBytes, &derivation); err != nil {
		return nil, err
	}
	if derivation.Iterations < 1 || derivation.Iterations > maxPBKDF2Iterations {
		return nil, fmt.Errorf("%d iterations of PBKDF2: out of range", derivation.Iterations)
	}
	prf, err := pbkdf2Hash(derivation.PRF.Algorithm)
	if err != nil {
		return nil, err
	}
	keyLength := 0
	switch algorithm := scheme.Encryption.Algorithm; {
	case algorithm.Equal(oidAES128CBC):
		keyLength = 16
	case algorithm.Equal(oidAES192CBC):
		keyLength = 24
	case algorithm.Equal(oidAES256CBC):
		keyLength = 32
	default:
		return nil, &UnsupportedEncryptionError{"cipher", algorithm}
	}
	var iv []byte
	if err := unmarshalAll(scheme.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(prf, password, derivation.Salt, derivation.Iterations, keyLength)
	if err != nil {
		return nil, err
	}
	return decryptCBC(key, iv, info.EncryptedData)
}

// pbkdf2Hash returns the hash function of a pseudorandom function; the default is HMAC with SHA-1.
func pbkdf2Hash(prf asn1.ObjectIdentifier) (func() hash.Hash, error) {
	switch {
	case len(prf) == 0, prf.Equal(oidHMACSHA1):
		return sha1.New, nil
	case prf.Equal(oidHMACSHA256):
		return sha256.New, nil
	case prf.Equal(oidHMACSHA384):
		return sha512.New384, nil
	case prf.Equal(oidHMACSHA512):
		return sha512.New, nil
	}
	return nil, &UnsupportedEncryptionError{"pseudorandom function", prf}
}

// decryptCBC decrypts and takes the padding off (RFC 8018, section 6.1.1). A wrong password shows, but for one
// in some 256, in the padding.
func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errCiphertext
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, ErrPassword
	}
	for _, b := range plain[len(plain)-padding:] {
		if int(b) != padding {
			return nil, ErrPassword
		}
	}
	plain = plain[:len(plain)-padding]
	if len(plain) == 0 || plain[0] != derSequence {
		return nil, ErrPassword
	}
	return plain, nil
}

// derSequence is the first byte of every PrivateKeyInfo.
const derSequence = 0x30

var (
	errCiphertext   = errors.New("malformed ciphertext")
	errTrailingData = errors.New("data after the ASN.1 structure")
)

// unmarshalAll parses one structure that fills der.
func unmarshalAll(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errTrailingData
	}
	return nil
}
