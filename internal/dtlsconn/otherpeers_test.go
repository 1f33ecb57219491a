package dtlsconn

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

func wantPionConversation(t *testing.T, e *endpoint, peer *dtls.Conn) {
	t.Helper()
	buf := make([]byte, maxSlowPlaintext)
	for i := range 20 {
		ping := fmt.Appendf(nil, "ping %d", i)
		e.transmit(ping)
		n, err := peer.Read(buf)
		require.NoError(t, err)
		require.Equal(t, ping, buf[:n])
		_, err = peer.Write(fmt.Appendf(nil, "pong %d", i))
		require.NoError(t, err)
		e.wantData(fmt.Appendf(nil, "pong %d", i))
	}
}

// All suites of pion/dtls with certificates and without a fast path, in both roles: CBC of DTLS
// 1.0, and CCM for small devices (RFC 7251).
func TestSuitesWithoutAFastPath(t *testing.T) {
	for _, suite := range []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
	} {
		for _, client := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/client=%v", suite, client), func(t *testing.T) {
				e := newEndpoint(t, client, func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} })
				peer := plainPion(t, e, !client, dtls.WithCipherSuites(suite))
				establishWithPion(t, e, peer)
				require.False(t, e.conn.Fast())
				require.EqualValues(t, suite, e.conn.CipherSuite())
				wantPionConversation(t, e, peer)
			})
		}
	}
}

// RFC 9146, section 3: a peer that offers connection IDs does not use them if the extension is not
// answered.
func TestPeerWithConnectionIDs(t *testing.T) {
	for _, client := range []bool{true, false} {
		for _, suite := range lastFlightSuites {
			t.Run(fmt.Sprintf("client=%v/%v", client, suite), func(t *testing.T) {
				e := newEndpoint(t, client, func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} })
				peer := plainPion(t, e, !client, dtls.WithCipherSuites(suite), dtls.WithConnectionIDGenerator(func() []byte { return []byte("12345678") }))
				establishWithPion(t, e, peer)
				_, fast := fastSuite(uint16(suite))
				require.Equal(t, fast, e.conn.Fast())
				wantPionConversation(t, e, peer)
			})
		}
	}
}

// RFC 9147, section 5.3: the ClientHello of a client that supports DTLS 1.3 and 1.2 lists both in
// supported_versions, has the legacy_version of DTLS 1.2, and offers the suites of both. That of a
// browser has a post-quantum key share, and is longer than a datagram. The server chooses DTLS 1.2.
func TestClientThatPrefersDTLS13(t *testing.T) {
	for _, share := range []int{32, 1216} {
		t.Run(fmt.Sprintf("key share of %d bytes", share), func(t *testing.T) {
			const aes128GCMSHA256, chacha20SHA256, x25519MLKEM768 = 0x1301, 0x1303, 0x11ec
			group := elliptic.X25519
			if share > 32 {
				group = x25519MLKEM768
			}
			e := newEndpoint(t, false, nil)
			p := plainPipe(t, e)
			conn, err := dtls.ClientWithOptions(p, pipeAddr{}, dtls.WithCertificates(testCertificate(t, certificate.ECDSA)), dtls.WithInsecureSkipVerify(true),
				dtls.WithClientHelloMessageHook(func(m handshake.MessageClientHello) handshake.Message {
					m.CipherSuiteIDs = append([]uint16{aes128GCMSHA256, chacha20SHA256}, m.CipherSuiteIDs...)
					m.Extensions = append(slices.Clone(m.Extensions),
						&extension.SupportedVersions{Versions: []protocol.Version{protocol.Version1_3, protocol.Version1_2}},
						&extension.KeyShare{ClientShares: []extension.KeyShareEntry{{Group: group, KeyExchange: make([]byte, share)}}})
					return &m
				}))
			require.NoError(t, err)
			cleanUpPion(t, e, conn, p)
			establishWithPion(t, e, conn)
			require.True(t, e.conn.Fast())
			wantPionConversation(t, e, conn)
		})
	}
}
