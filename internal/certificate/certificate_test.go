package certificate

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGenerate(t *testing.T) {
	now := time.Date(2029, 12, 22, 3, 4, 5, 0, time.UTC)
	for kind, algorithm := range map[Kind]x509.PublicKeyAlgorithm{ECDSA: x509.ECDSA, RSA: x509.RSA} {
		certificate, err := Generate(kind, now, rand.Reader)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(certificate.Certificate[0])
		require.NoError(t, err)
		require.Equal(t, algorithm, leaf.PublicKeyAlgorithm)
		require.NoError(t, leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature), "self-signed")
		require.Equal(t, now.AddDate(0, 0, -30), leaf.NotBefore)
		require.Equal(t, now.AddDate(0, 0, 30), leaf.NotAfter)
		require.Equal(t, 1, leaf.SerialNumber.Sign())

		other, err := Generate(kind, now, rand.Reader)
		require.NoError(t, err)
		second, err := x509.ParseCertificate(other.Certificate[0])
		require.NoError(t, err)
		require.NotEqual(t, leaf.SerialNumber, second.SerialNumber)
		require.NotEqual(t, leaf.PublicKey, second.PublicKey)

		require.Equal(t, "CN=WebRTC", leaf.Subject.String())
		require.Equal(t, leaf.RawSubject, leaf.RawIssuer)
		require.Equal(t, 3, leaf.Version)

		late, err := Generate(kind, now.AddDate(20, 0, 0), rand.Reader)
		require.NoError(t, err)
		leaf, err = x509.ParseCertificate(late.Certificate[0])
		require.NoError(t, err)
		require.Equal(t, now.AddDate(20, 0, -30), leaf.NotBefore, "in the year 2049")
		require.Equal(t, now.AddDate(20, 0, 30), leaf.NotAfter, "GeneralizedTime from 2050 on")
	}
	_, err := Generate(9, now, rand.Reader)
	require.Error(t, err)
	_, err = Generate(ECDSA, now, strings.NewReader("short"))
	require.Error(t, err)
}

func fixture(name string) string { return filepath.Join("testdata", name) }

// OpenSSL 3.0 wrote the files: one key in each format that it supports, with the password "secret".
func TestLoad(t *testing.T) {
	encrypted, err := filepath.Glob(fixture("enc-*.pem"))
	require.NoError(t, err)
	require.Len(t, encrypted, 16)
	for _, path := range append(encrypted, fixture("ec.pem"), fixture("p8.pem"), fixture("legacy.pem")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			certificate, err := Load(fixture("cert.pem"), path, "secret")
			require.NoError(t, err)
			require.Equal(t, "test", certificate.Leaf.Subject.CommonName)
		})
	}

	// PEM text instead of a path, with certificate and key in one text.
	var text string
	for _, name := range []string{"cert.pem", "cert.pem", "ec.pem"} {
		content, err := os.ReadFile(fixture(name))
		require.NoError(t, err)
		text += string(content)
	}
	certificate, err := Load(text, text, "")
	require.NoError(t, err)
	require.Len(t, certificate.Certificate, 2, "the whole chain")
}

func TestLoadErrors(t *testing.T) {
	cert := fixture("cert.pem")
	encrypted, err := filepath.Glob(fixture("enc-*.pem"))
	require.NoError(t, err)
	for _, path := range append(encrypted, fixture("legacy.pem")) {
		_, err := Load(cert, path, "wrong")
		require.ErrorIs(t, err, ErrPassword, path)
	}
	for name, part := range map[string]string{"camellia.pem": "cipher", "prf.pem": "pseudorandom function", "pbes1-des.pem": "scheme"} {
		_, err := Load(cert, fixture(name), "secret")
		var unsupported *UnsupportedEncryptionError
		require.ErrorAs(t, err, &unsupported, name)
		require.Equal(t, part, unsupported.Part)
		require.ErrorContains(t, err, "unsupported "+part)
	}
	_, err = Load(fixture("none.pem"), fixture("ec.pem"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(cert, fixture("none.pem"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(fixture("ec.pem"), fixture("ec.pem"), "")
	require.ErrorContains(t, err, "no CERTIFICATE block")
	_, err = Load(cert, cert, "")
	require.ErrorContains(t, err, "no private key block")

	other, err := Generate(ECDSA, time.Now(), rand.Reader)
	require.NoError(t, err)
	_, err = Load(pemText(t, other.Certificate[0]), fixture("ec.pem"), "")
	require.ErrorIs(t, err, ErrKeyMismatch)

	// An encrypted key that is damaged, at each byte of its parameters and some of its ciphertext,
	// causes no panic.
	for _, name := range []string{"enc-aes-128-cbc-hmacWithSHA256.pem", "enc-scrypt-des3.pem", "enc-pbes1-sha1-3des.pem"} {
		content, err := os.ReadFile(fixture(name))
		require.NoError(t, err)
		der := pemBytes(t, content)
		const ciphertext = 144 // bytes
		for i := 0; i < len(der); i++ {
			if i > len(der)-ciphertext {
				i = min(i+20, len(der)-1)
			}
			damaged := append([]byte(nil), der...)
			damaged[i] ^= 0x11
			_, _ = decryptPKCS8(damaged, "secret")
			_, err := decryptPKCS8(der[:i], "secret")
			require.Error(t, err)
		}
	}
}

// RFC 7292, appendix B.1: passwords are encoded in UTF-16. One may be longer than a block of SHA-1.
func TestLoadWithALongPassword(t *testing.T) {
	_, err := Load(fixture("cert.pem"), fixture("umlauts.pem"), "pässwörd-länger-als-ein-Block-von-SHA-1")
	require.NoError(t, err)
}

// Parameters in a key file that would take too much time or memory are errors.
func TestKeyDerivationsAreBounded(t *testing.T) {
	for _, p := range []scryptParams{
		{Cost: 1, BlockSize: 8, Parallelization: 1}, {Cost: 1 << 19, BlockSize: 8, Parallelization: 1},
		{Cost: 1 << 14, BlockSize: 1 << 30, Parallelization: 1}, {Cost: 2, BlockSize: 1, Parallelization: 17},
		{Cost: 2, BlockSize: 0, Parallelization: 1}, {Cost: -2, BlockSize: -1, Parallelization: 1}, {Cost: 3, BlockSize: 1, Parallelization: 1},
		{Cost: 2, BlockSize: 1},
	} {
		p.Salt = []byte("salt")
		der, err := asn1.Marshal(p)
		require.NoError(t, err)
		_, err = scryptKey(der, "secret", 16)
		require.Error(t, err, "%+v", p)
	}
	for _, n := range []int{-1, 0, maxIterations + 1} {
		der, err := asn1.Marshal(pbeParams{Salt: []byte("salt"), Iterations: n})
		require.NoError(t, err)
		_, _, err = pbeSHA3DES(der, "secret")
		require.ErrorContains(t, err, "out of range")
		der, err = asn1.Marshal(pbkdf2Params{Salt: []byte("salt"), Iterations: n, PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA1}})
		require.NoError(t, err)
		_, err = pbkdf2Key(der, "secret", 16)
		require.ErrorContains(t, err, "out of range")
	}
}

func pemText(t *testing.T, der []byte) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func pemBytes(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	return block.Bytes
}
