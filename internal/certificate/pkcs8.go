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

// UnsupportedEncryptionError is returned by [Load] for a key encrypted with an obsolete or rare
// algorithm, such as single DES, RC2 or Camellia. The command openssl pkcs8 -topk8 -v2 aes-256-cbc
// converts such a key into one that Load reads.
type UnsupportedEncryptionError struct {
	// Part is the unsupported part: "scheme", "key derivation", "pseudorandom function" or
	// "cipher".
	Part string
	// OID is the object identifier of the algorithm.
	OID asn1.ObjectIdentifier
}

// Error implements error.
func (e *UnsupportedEncryptionError) Error() string {
	return fmt.Sprintf("certificate: unsupported %s %s in the encrypted private key", e.Part, e.OID)
}

const (
	// maxIterations limits the time that PBKDF2, or the key derivation of PKCS #12, takes for a key
	// file to some seconds.
	maxIterations = 10_000_000

	// maxScryptMemory limits the memory that scrypt takes for a key file, in bytes; OpenSSL's
	// default parameters take 16 MiB. Together with maxScryptParallelization it limits the time to
	// some seconds as well.
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

// encryptedPrivateKeyInfo is EncryptedPrivateKeyInfo of RFC 5958, section 3.
type encryptedPrivateKeyInfo struct {
	Algorithm     pkix.AlgorithmIdentifier
	EncryptedData []byte
}

// pbes2Params is PBES2-params of RFC 8018, appendix A.4.
type pbes2Params struct {
	KeyDerivation pkix.AlgorithmIdentifier
	Encryption    pkix.AlgorithmIdentifier
}

// pbkdf2Params is PBKDF2-params of RFC 8018, appendix A.2.
type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// scryptParams is scrypt-params of RFC 7914, section 7.
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

// pbes2 returns the cipher of the scheme PBES2 with its derived key, and the initialization vector
// (RFC 8018, section 6.2).
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

// pbkdf2Key derives a key of length bytes by PBKDF2 (RFC 8018, section 5.2).
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

// checkIterations reports a number of iterations that is out of range.
func checkIterations(n int) error {
	if n < 1 || n > maxIterations {
		return fmt.Errorf("%d iterations of a key derivation: out of range", n)
	}
	return nil
}

// scryptKey derives a key of length bytes by scrypt (RFC 7914, section 6).
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

// pbkdf2Hash returns the hash function of the HMAC that is a pseudorandom function. RFC 8018,
// appendix A.2: the default is SHA-1.
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

// decryptCBC decrypts data and removes the padding (RFC 8018, section 6.1.1). With a wrong password
// the padding, or else the first byte, is wrong, except by a chance of about 1 in 65,000; parsing
// the key detects that.
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

// unmarshalAll parses an ASN.1 structure that fills der.
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
