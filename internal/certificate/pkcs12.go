package certificate

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"encoding/binary"
	"unicode/utf16"
)

// pbeParams is pkcs-12PbeParams of RFC 7292, appendix C.
type pbeParams struct {
	Salt       []byte
	Iterations int
}

// The purposes of derived bits (RFC 7292, appendix B.3).
const (
	pkcs12Key = 1
	pkcs12IV  = 2
)

// pbeSHA3DES returns cipher and initialization vector of the scheme pbeWithSHAAnd3-KeyTripleDES-CBC
// (RFC 7292, appendix C), the only one of PKCS #12 that is common for PKCS #8 keys.
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

// pkcs12Derive derives n bytes with SHA-1. The names are those of RFC 7292, appendix B.2.
func pkcs12Derive(password string, salt []byte, iterations int, id byte, n int) []byte {
	const v = sha1.BlockSize
	d := make([]byte, v)
	for i := range d {
		d[i] = id
	}
	// RFC 7292, appendix B.1: a password is a BMPString that ends with a null character.
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
		// RFC 7292, appendix B.2, step 6.C: each block of I becomes I + B + 1, modulo its size.
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

// repeated returns b, repeated up to the next multiple of v bytes; nothing if b is empty.
func repeated(b []byte, v int) []byte {
	long := make([]byte, (len(b)+v-1)/v*v)
	for i := range long {
		long[i] = b[i%len(b)]
	}
	return long
}
