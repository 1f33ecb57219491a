package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Digests of the three bytes "abc", from the examples of FIPS 180-4. Any byte string serves as a
// certificate here.
var abcDigests = map[string]string{
	SHA1:   "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D",
	SHA224: "23:09:7D:22:34:05:D8:22:86:42:A4:77:BD:A2:55:B3:2A:AD:BC:E4:BD:A0:B3:F7:E3:6C:9D:A7",
	SHA256: "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD",
	SHA384: "CB:00:75:3F:45:A3:5E:8B:B5:A0:3D:69:9A:C6:50:07:27:2C:32:AB:0E:DE:D1:63:1A:8B:60:5A:43:FF:5B:ED:" +
		"80:86:07:2B:A1:E7:CC:23:58:BA:EC:A1:34:C8:25:A7",
	SHA512: "DD:AF:35:A1:93:61:7A:BA:CC:41:73:49:AE:20:41:31:12:E6:FA:4E:89:A9:7E:A2:0A:9E:EE:E6:4B:55:D3:9A:" +
		"21:92:99:2A:27:4F:C1:A8:36:BA:3C:23:A3:FE:EB:BD:45:4D:44:23:64:3C:E8:0E:2A:9A:C9:4F:A5:4C:A4:9F",
}

func TestFingerprint(t *testing.T) {
	for algorithm, digest := range abcDigests {
		f, err := NewFingerprint(algorithm, []byte("abc"))
		require.NoError(t, err)
		require.Equal(t, algorithm+" "+digest, f.String())
		require.True(t, f.Supported())
		// RFC 8122, section 5: names are case-insensitive. Lower-case digits are not allowed, but
		// occur.
		for _, text := range []string{algorithm + " " + digest, strings.ToUpper(algorithm) + " " + digest, strings.ToLower(algorithm + "  " + digest)} {
			parsed, problem := readFingerprint(text)
			require.Empty(t, problem, text)
			require.True(t, f.Equal(parsed), text)
		}
		require.NoError(t, VerifyCertificate([]byte("abc"), []Fingerprint{f}))
		require.ErrorIs(t, VerifyCertificate([]byte("abd"), []Fingerprint{f}), ErrFingerprintMismatch)
	}
	for _, algorithm := range []string{"", "md5", "md2", "SHA-256", "sha3-256"} {
		_, err := NewFingerprint(algorithm, nil)
		require.ErrorIs(t, err, ErrUnsupportedHash, algorithm)
	}
}

func TestParseFingerprintErrors(t *testing.T) {
	for _, text := range []string{
		"", " ", "sha-256", "sha-256 ", "sha-256 " + fingerprintText + " more",
		"sha-256 " + fingerprintText[3:],
		"sha-256 " + fingerprintText + ":00",
		"sha-256 " + fingerprintText + ":",
		"sha-256 " + strings.ReplaceAll(fingerprintText, ":", ""),
		"sha-256 " + strings.ReplaceAll(fingerprintText, ":", "-"),
		"sha-256 " + strings.Replace(fingerprintText, "3", "G", 1),
		"sha-256 " + strings.Replace(fingerprintText, "3", "é", 1),
		"x 0", "x 000", "x 00:", "x :00", "x 00:0", "(x) 00", "sha-1 00",
	} {
		_, problem := readFingerprint(text)
		require.NotEmpty(t, problem, "%q", text)
	}
}

// RFC 8122, section 5.1: "An endpoint MUST select the set of fingerprints that use its most
// preferred hash function (out of those offered by the peer) and verify that each certificate used
// matches one fingerprint out of that set."
func TestVerifyCertificateChoosesTheStrongestHash(t *testing.T) {
	certificate := []byte("abc")
	of := func(algorithm, what string) Fingerprint {
		f, err := NewFingerprint(algorithm, []byte(what))
		require.NoError(t, err)
		return f
	}
	md5 := Fingerprint{Algorithm: "md5", Value: make([]byte, 16)}
	sha3 := Fingerprint{Algorithm: "sha3-512", Value: make([]byte, 64)}
	short := Fingerprint{Algorithm: SHA512, Value: []byte{1}}
	for _, test := range []struct {
		name         string
		fingerprints []Fingerprint
		want         error
	}{
		{"both match", []Fingerprint{of(SHA1, "abc"), of(SHA256, "abc")}, nil},
		{"the strong one does not match", []Fingerprint{of(SHA1, "abc"), of(SHA256, "other")}, ErrFingerprintMismatch},
		{"the weak one does not match", []Fingerprint{of(SHA256, "abc"), of(SHA1, "other")}, nil},
		{"one of several certificates", []Fingerprint{of(SHA256, "other"), of(SHA256, "abc"), of(SHA1, "other")}, nil},
		{"what is not known does not count", []Fingerprint{md5, sha3, short, of(SHA256, "abc")}, nil},
		{"only what is not known", []Fingerprint{md5, sha3, short}, ErrUnsupportedHash},
		{"none", nil, ErrUnsupportedHash},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := VerifyCertificate(certificate, test.fingerprints)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestParseFingerprint(t *testing.T) {
	want, err := NewFingerprint(SHA256, []byte("abc"))
	require.NoError(t, err)
	got, err := ParseFingerprint(want.String())
	require.NoError(t, err)
	require.True(t, want.Equal(got))

	_, err = ParseFingerprint("sha-256 12:34")
	var syntax *SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.EqualError(t, err, "sdp: a=fingerprint: 2 bytes are not a sha-256 hash")
}
