package dtlsconn

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

func fixture(name string) string { return filepath.Join("..", "certificate", "testdata", name) }

// A handshake succeeds with a certificate and key that OpenSSL has written, in each format that it
// supports.
func TestLoadedCertificates(t *testing.T) {
	encrypted, err := filepath.Glob(fixture("enc-*.pem"))
	require.NoError(t, err)
	require.Len(t, encrypted, 16)
	for _, path := range append(encrypted, fixture("ec.pem"), fixture("p8.pem"), fixture("legacy.pem")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			loaded, err := certificate.Load(fixture("cert.pem"), path, "secret")
			require.NoError(t, err)
			client, server := newPair(t, func(c *Config) { c.Certificate = loaded })
			wantConversation(t, client, server)
		})
	}
}
