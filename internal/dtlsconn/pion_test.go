package dtlsconn

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

// plainPion returns a pion/dtls connection as the peer of an endpoint.
func plainPion(t testing.TB, e *endpoint, client bool, options ...dtls.Option) *dtls.Conn {
	t.Helper()
	p := plainPipe(t, e)
	conn := pionOver(t, p, client, options...)
	cleanUpPion(t, e, conn, p)
	return conn
}

// pionOver is plainPion for an existing pipe.
func pionOver(t testing.TB, p *pipe, client bool, options ...dtls.Option) *dtls.Conn {
	t.Helper()
	if !client {
		var all []dtls.ServerOption
		for _, o := range options {
			all = append(all, o)
		}
		return pionServerOver(t, p, all...)
	}
	all := []dtls.ClientOption{dtls.WithCertificates(testCertificate(t, certificate.ECDSA)), dtls.WithInsecureSkipVerify(true)}
	for _, o := range options {
		all = append(all, o)
	}
	conn, err := dtls.ClientWithOptions(p, pipeAddr{}, all...)
	require.NoError(t, err)
	return conn
}

// pionServerOver is pionOver for servers, and options of servers. The server accepts use_srtp,
// without which pion/dtls fails the handshake of a client that offers it.
func pionServerOver(t testing.TB, p *pipe, options ...dtls.ServerOption) *dtls.Conn {
	t.Helper()
	options = append([]dtls.ServerOption{dtls.WithCertificates(testCertificate(t, certificate.ECDSA)), dtls.WithInsecureSkipVerify(true),
		dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)}, options...)
	conn, err := dtls.ServerWithOptions(p, pipeAddr{}, options...)
	require.NoError(t, err)
	return conn
}

// plainPionServer is plainPion for servers, and options of servers.
func plainPionServer(t testing.TB, e *endpoint, options ...dtls.ServerOption) *dtls.Conn {
	t.Helper()
	p := plainPipe(t, e)
	conn := pionServerOver(t, p, options...)
	cleanUpPion(t, e, conn, p)
	return conn
}

// plainPipe connects an endpoint with a pipe, which is the net.PacketConn of pion/dtls.
func plainPipe(t testing.TB, e *endpoint) *pipe {
	toEndpoint := newLane(t, e.receive)
	p := newPipe(&handshakeWriter{output: func(datagram []byte) { toEndpoint.send(append([]byte(nil), datagram...)) }})
	e.intercept(func(datagram []byte) { p.push(datagram) })
	return p
}

func cleanUpPion(t testing.TB, e *endpoint, conn *dtls.Conn, p *pipe) {
	t.Cleanup(func() {
		e.close()
		e.conn.Wait()
		_ = conn.Close()
		p.writer.detach()
	})
}

func establishWithPion(t testing.TB, e *endpoint, peer *dtls.Conn) {
	t.Helper()
	e.conn.Start()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, peer.HandshakeContext(ctx))
	e.wantHandshaked()
	e.settle()
}

// pion/dtls as the peer, with its HelloVerifyRequest, its replay window of 64 records, and its
// alerts.
func TestPionPeer(t *testing.T) {
	for _, suite := range []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
	} {
		for _, client := range []bool{true, false} {
			for _, pionCloses := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v/client=%v/pionCloses=%v", suite, client, pionCloses), func(t *testing.T) {
					e := newEndpoint(t, client, func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} })
					peer := plainPion(t, e, !client, dtls.WithCipherSuites(suite))
					establishWithPion(t, e, peer)
					buf := make([]byte, maxSlowPlaintext)
					for i := range 300 {
						ping := fmt.Appendf(nil, "ping %d", i)
						e.transmit(ping)
						n, err := peer.Read(buf)
						require.NoError(t, err)
						require.Equal(t, ping, buf[:n])
						pong := fmt.Appendf(nil, "pong %d", i)
						_, err = peer.Write(pong)
						require.NoError(t, err)
						e.wantData(pong)
					}
					state, _ := peer.ConnectionState()
					theirs, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 60)
					require.NoError(t, err)
					ours, err := e.conn.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", 60)
					require.NoError(t, err)
					require.Equal(t, theirs, ours)

					if pionCloses {
						require.NoError(t, peer.Close())
						require.NoError(t, want(t, e.closed, "Closed"))
						return
					}
					e.close()
					require.NoError(t, peer.SetReadDeadline(time.Now().Add(testTimeout)))
					_, err = peer.Read(buf)
					require.ErrorIs(t, err, io.EOF)
				})
			}
		}
	}
}

// pion/dtls sends one record in a datagram, and reads several.
func TestPionReadsSeveralRecordsOfADatagram(t *testing.T) {
	e := newEndpoint(t, true, nil)
	peer := plainPion(t, e, false)
	establishWithPion(t, e, peer)
	var datagram []byte
	for i := range 5 {
		datagram = append(datagram, e.seal([]byte{byte(i)})...)
	}
	e.output(datagram)
	buf := make([]byte, 100)
	for i := range 5 {
		n, err := peer.Read(buf)
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, buf[:n])
	}
}
