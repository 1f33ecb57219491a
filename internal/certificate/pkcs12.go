package certificate

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"encoding/binary"
	"unicode/utf16"
)

// pbeParams is from RFC 7292, appendix C.
// https://www.rfc-editor.org/rfc/rfc7292.html#appendix-C
type pbeParams struct {
	Salt       []byte
	Iterations int
}

// What a key derivation of PKCS #12 is for.
// https://www.rfc-editor.org/rfc/rfc7292.html#appendix-B.3
const (
	pkcs12Key = 1
	pkcs12IV  = 2
)

// pbeSHA3DES derives key and initialization vector of the scheme pbeWithSHAAnd3-KeyTripleDES-CBC. It is the one of PKCS #12 that
// programs use for PKCS #8 too.
func pbeSHA3DES(parameters []byte, password string) (block cipher.Block, iv []byte, err error) {
	var p pbeParams
	if err := unmarshalAll(parameters, &p); err != nil {
		return nil, nil, err
	}
	if err := checkIterations(p.Iterations); err != nil {
		return nil, nil, err
	}
	block, err = des.NewTripleDESCipher(pkcs12Derive(password, p.Salt, p.Iterations, pkcs12Key, 24))
	return block, pkcs12Derive(password, p.Salt, p.Iterations, pkcs12IV, des.BlockSize), err
}

// pkcs12Derive derives n bytes with SHA-1. The names are those of the RFC.
// https://www.rfc-editor.org/rfc/rfc7292.html#appendix-B.2
func pkcs12Derive(password string, salt []byte, iterations int, id byte, n int) []byte {
	const v = sha1.BlockSize
	d := make([]byte, v)
	for i := range d {
		d[i] = id
	}
	// "BMPString […] with a NULL terminator": https://www.rfc-editor.org/rfc/rfc7292.html#appendix-B.1
	var bmp []byte
	for _, unit := range append(utf16.Encode([]rune(password)), 0) {
		bmp = binary.BigEndian.AppendUint16(bmp, unit)
	}
	i := append(repeated(salt, v), repeated(bmp, v)...)
	var derived []byte
	for {
		a := sha1.Sum(append(d[:v:v], i...))
		for range iterations - 1 {
			a = sha1.Sum(a[:])
		}
		if derived = append(derived, a[:]...); len(derived) >= n {
			return derived[:n]
		}
		// Each block of I becomes I + B + 1 modulo 2^v.
		b := repeated(a[:], v)[:v]
		for j := 0; j < len(i); j += v {
			carry := uint(1)
			for k := v - 1; k >= 0; k-- {
				carry += uint(i[j+k]) + uint(b[k])
				i[j+k] = byte(carry)
				carry >>= 8
			}
		}
	}
}

// repeated returns b again and again up to the next multiple of v, nothing if b is empty.
func repeated(b []byte, v int) []byte {
	long := make([]byte, (len(b)+v-1)/v*v)
	for i := range long {
		long[i] = b[i%len(b)]
	}
	return long
}
