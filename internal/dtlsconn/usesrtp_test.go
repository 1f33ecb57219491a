package dtlsconn

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

// withoutUseSRTP removes use_srtp from the ServerHello, like servers without media.
func withoutUseSRTP(m handshake.MessageServerHello) handshake.Message {
	m.Extensions = slices.DeleteFunc(slices.Clone(m.Extensions), func(e extension.Extension) bool {
		_, ok := e.(*extension.UseSRTP)
		return ok
	})
	return &m
}

// RFC 5764, section 4.1.1: "If there is no shared profile, the server SHOULD NOT return the
// use_srtp extension". The client accepts both answers, also after a HelloVerifyRequest.
func TestClientAcceptsServerWithoutSRTP(t *testing.T) {
	for _, verify := range []bool{true, false} {
		for _, answer := range []bool{true, false} {
			t.Run(fmt.Sprintf("HelloVerifyRequest %v, answer %v", verify, answer), func(t *testing.T) {
				client := newEndpoint(t, true, nil)
				options := []dtls.ServerOption{dtls.WithInsecureSkipVerifyHello(!verify)}
				if !answer {
					options = append(options, dtls.WithServerHelloMessageHook(withoutUseSRTP))
				}
				server := plainPionServer(t, client, options...)
				establishWithPion(t, client, server)
				require.Equal(t, answer, client.conn.SRTPProtectionProfile() != 0)
				buf := make([]byte, 100)
				client.transmit([]byte("ping"))
				n, err := server.Read(buf)
				require.NoError(t, err)
				require.Equal(t, "ping", string(buf[:n]))
				_, err = server.Write([]byte("pong"))
				require.NoError(t, err)
				client.wantData([]byte("pong"))
			})
		}
	}
}

// A client with configured profiles fails if the server does not choose one.
func TestClientRequiresSRTP(t *testing.T) {
	client := newEndpoint(t, true, func(c *Config) { c.SRTPProtectionProfiles = []uint16{0x0007} })
	server := plainPionServer(t, client, dtls.WithServerHelloMessageHook(withoutUseSRTP))
	client.conn.Start()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	require.Error(t, server.HandshakeContext(ctx))
	require.ErrorContains(t, want(t, client.handshaked, "Handshaked"), "use_srtp")
}

// The ClientHellos of both attempts are identical.
func TestClientHellosAreIdentical(t *testing.T) {
	cfg := Config{Client: true, Certificate: testCertificate(t, certificate.ECDSA), Ready: func() {}}
	cfg = cfg.withDefaults()
	require.NoError(t, cfg.check())
	for range 10 {
		h := newHelloPair(cfg.SRTPProtectionProfiles)
		written := [2]chan []byte{make(chan []byte, 10), make(chan []byte, 10)}
		for i, options := range [][]dtls.Option{h.requiringOptions(), h.offeringOptions()} {
			at, err := newAttempt(&cfg, &handshakeWriter{output: func(b []byte) { written[i] <- bytes.Clone(b) }}, options)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = at.inner.HandshakeContext(ctx)
			}()
			t.Cleanup(func() {
				cancel()
				<-done
				_ = at.inner.Close()
			})
		}
		first, second := want(t, written[0], "first ClientHello"), want(t, written[1], "second ClientHello")
		if h.identical() { // unless a second has begun between them
			require.Equal(t, first, second)
			return
		}
	}
	t.Fatal("the times were never the same")
}

// Close during both attempts ends both, and Handshaked is called once.
func TestCloseDuringBothAttempts(t *testing.T) {
	client := newEndpoint(t, true, nil)
	sent := make(chan struct{}, 10)
	client.intercept(func([]byte) { sent <- struct{}{} })
	client.conn.Start()
	want(t, sent, "ClientHello")
	client.close()
	client.conn.Wait()
	require.ErrorIs(t, want(t, client.handshaked, "Handshaked"), ErrClosed)
	require.Empty(t, client.handshaked)
}

func TestHandshakeTimeoutOfBothAttempts(t *testing.T) {
	client := newEndpoint(t, true, func(c *Config) { c.HandshakeTimeout = 20 * time.Millisecond })
	client.conn.Start()
	require.ErrorIs(t, want(t, client.handshaked, "Handshaked"), ErrHandshakeTimeout)
	client.conn.Wait()
	require.Empty(t, client.handshaked)
}

func TestAnswersSRTP(t *testing.T) {
	body := append([]byte{0xfe, 0xfd}, make([]byte, 32)...) // version and random
	body = append(body, 2, 0xaa, 0xbb)                      // a session id
	body = append(body, 0xc0, 0x2b, 0)                      // cipher suite and compression
	message := func(extensions ...byte) []byte {
		b := append(bytes.Clone(body), 0, byte(len(extensions)))
		b = append(b, extensions...)
		header := []byte{handshakeServerHello, 0, 0, byte(len(b)), 0, 0, 0, 0, 0, 0, 0, byte(len(b))}
		return append(header, b...)
	}
	require.False(t, answersSRTP(message()))
	require.False(t, answersSRTP(message(0, 23, 0, 0)))
	require.True(t, answersSRTP(message(0, 14, 0, 5, 0, 2, 0, 7, 0)))
	whole := message(0, 23, 0, 0, 0, 14, 0, 5, 0, 2, 0, 7, 0, 0xff, 1, 0, 1, 0)
	require.True(t, answersSRTP(whole))
	for n := range whole {
		answersSRTP(whole[:n]) // incomplete: no panic
		short := bytes.Clone(whole[:n])
		if n >= 12 {
			short[3], short[11] = byte(n-12), byte(n-12)
			answersSRTP(short)
		}
	}
	fragment := message(0, 23, 0, 0)
	fragment[11]--
	require.True(t, answersSRTP(fragment), "the rest may have it")
}
