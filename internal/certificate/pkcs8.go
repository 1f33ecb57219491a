package certificate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/scrypt"
)

// UnsupportedEncryptionError is returned for a key that is encrypted by a means that is obsolete or rare: single DES, RC2,
// Camellia and so on. "openssl pkcs8 -topk8 -v2 aes-256-cbc" makes one that can be read.
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

const (
	// maxIterations bounds the time that a key file can take with PBKDF2 or PBES1: some seconds.
	maxIterations = 10_000_000

	// maxScryptMemory bounds the memory that a key file can take with scrypt, in bytes: OpenSSL's default takes 16 MiB. With
	// maxScryptParallelization it bounds the time as well: some seconds.
	maxScryptMemory          = 256 << 20
	maxScryptParallelization = 16
)

var (
	oidPBESHA3DES = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	oidHMACSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACSHA384 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}
	oidHMACSHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidDESEDE3CBC = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
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

// scryptParams is from RFC 7914.
// https://www.rfc-editor.org/rfc/rfc7914.html#section-7
type scryptParams struct {
	Salt            []byte
	Cost            int // N
	BlockSize       int // r
	Parallelization int // p
	KeyLength       int `asn1:"optional"`
}

// decryptPKCS8 returns the PrivateKeyInfo inside an EncryptedPrivateKeyInfo.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedPrivateKeyInfo
	if err := unmarshalAll(der, &info); err != nil {
		return nil, err
	}
	var block cipher.Block
	var iv []byte
	var err error
	switch parameters := info.Algorithm.Parameters.FullBytes; {
	case info.Algorithm.Algorithm.Equal(oidPBES2):
		block, iv, err = pbes2(parameters, password)
	case info.Algorithm.Algorithm.Equal(oidPBESHA3DES):
		block, iv, err = pbeSHA3DES(parameters, password)
	default:
		err = &UnsupportedEncryptionError{"scheme", info.Algorithm.Algorithm}
	}
	if err != nil {
		return nil, err
	}
	return decryptCBC(block, iv, info.EncryptedData)
}

// pbes2 derives the key of the scheme PBES2.
// https://www.rfc-editor.org/rfc/rfc8018.html#section-6.2
func pbes2(parameters []byte, password string) (block cipher.Block, iv []byte, err error) {
	var scheme pbes2Params
	if err := unmarshalAll(parameters, &scheme); err != nil {
		return nil, nil, err
	}
	keyLength, newCipher := 0, aes.NewCipher
	switch algorithm := scheme.Encryption.Algorithm; {
	case algorithm.Equal(oidAES128CBC):
		keyLength = 16
	case algorithm.Equal(oidAES192CBC):
		keyLength = 24
	case algorithm.Equal(oidAES256CBC):
		keyLength = 32
	case algorithm.Equal(oidDESEDE3CBC):
		keyLength, newCipher = 24, des.NewTripleDESCipher
	default:
		return nil, nil, &UnsupportedEncryptionError{"cipher", algorithm}
	}
	if err := unmarshalAll(scheme.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, nil, err
	}
	var key []byte
	switch derivation := scheme.KeyDerivation; {
	case derivation.Algorithm.Equal(oidPBKDF2):
		key, err = pbkdf2Key(derivation.Parameters.FullBytes, password, keyLength)
	case derivation.Algorithm.Equal(oidScrypt):
		key, err = scryptKey(derivation.Parameters.FullBytes, password, keyLength)
	default:
		err = &UnsupportedEncryptionError{"key derivation", derivation.Algorithm}
	}
	if err != nil {
		return nil, nil, err
	}
	block, err = newCipher(key)
	return block, iv, err
}

func pbkdf2Key(parameters []byte, password string, length int) ([]byte, error) {
	var p pbkdf2Params
	if err := unmarshalAll(parameters, &p); err != nil {
		return nil, err
	}
	if err := checkIterations(p.Iterations); err != nil {
		return nil, err
	}
	prf, err := pbkdf2Hash(p.PRF.Algorithm)
	if err != nil {
		return nil, err
	}
	return pbkdf2.Key(prf, password, p.Salt, p.Iterations, length)
}

func checkIterations(n int) error {
	if n < 1 || n > maxIterations {
		return fmt.Errorf("%d iterations of a key derivation: out of range", n)
	}
	return nil
}

func scryptKey(parameters []byte, password string, length int) ([]byte, error) {
	var p scryptParams
	if err := unmarshalAll(parameters, &p); err != nil {
		return nil, err
	}
	if p.Cost < 2 || p.BlockSize < 1 || p.Cost > maxScryptMemory/128/p.BlockSize ||
		p.Parallelization < 1 || p.Parallelization > maxScryptParallelization {
		return nil, fmt.Errorf("scrypt with N %d, r %d, p %d: out of range", p.Cost, p.BlockSize, p.Parallelization)
	}
	return scrypt.Key([]byte(password), p.Salt, p.Cost, p.BlockSize, p.Parallelization, length)
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
func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	if len(iv) != block.BlockSize() || len(data) == 0 || len(data)%block.BlockSize() != 0 {
		return nil, errCiphertext
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > block.BlockSize() {
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
