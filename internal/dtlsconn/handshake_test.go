package dtlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

// An association with each of the default suites, and the certificate that it requires: handshake,
// data, close_notify.
func TestEveryCipherSuite(t *testing.T) {
	for _, id := range DefaultCipherSuites() {
		t.Run(CipherSuiteName(id), func(t *testing.T) {
			kind := certificate.ECDSA
			if tlsSuiteIsRSA(id) {
				kind = certificate.RSA
			}
			_, fast := fastSuite(id)
			client, server := newPair(t, func(c *Config) {
				c.CipherSuites = []uint16{id}
				c.Certificate = testCertificate(t, kind)
			})
			for _, e := range []*endpoint{client, server} {
				require.Equal(t, id, e.conn.CipherSuite())
				require.Equal(t, fast, e.conn.Fast())
				require.Equal(t, testCertificate(t, kind).Certificate[0], e.conn.PeerCertificate())
			}
			wantConversation(t, client, server)
			wantSameExport(t, client, server)

			client.close()
			require.NoError(t, want(t, server.closed, "Closed"))
			_, err := server.conn.Seal(nil, []byte("late"))
			require.ErrorIs(t, err, ErrClosed)
			require.Empty(t, client.closed, "a local Close reports nothing")
		})
	}
}

func tlsSuiteIsRSA(id uint16) bool {
	switch dtls.CipherSuiteID(id) {
	case dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		dtls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:
		return true
	}
	return false
}

func wantConversation(t *testing.T, a, b *endpoint) {
	t.Helper()
	for i := range 10 {
		ping, pong := fmt.Appendf(nil, "ping %d", i), fmt.Appendf(nil, "pong %d", i)
		a.transmit(ping)
		b.wantData(ping)
		b.transmit(pong)
		a.wantData(pong)
	}
	require.EqualValues(t, 10, a.conn.Stats().RecordsSent)
	require.EqualValues(t, 10, a.conn.Stats().RecordsReceived)
	require.EqualValues(t, 60, b.conn.Stats().BytesReceived)
}

func wantSameExport(t *testing.T, a, b *endpoint) {
	t.Helper()
	const label, length = "EXTRACTOR-dtls_srtp", 60
	x, err := a.conn.ExportKeyingMaterial(label, length)
	require.NoError(t, err)
	require.Len(t, x, length)
	y, err := b.conn.ExportKeyingMaterial(label, length)
	require.NoError(t, err)
	require.Equal(t, x, y)
	_, err = a.conn.ExportKeyingMaterial("key expansion", length)
	require.Error(t, err, "RFC 5705: labels must not collide with those of TLS")
}

func TestMixedCertificateKinds(t *testing.T) {
	client := newEndpoint(t, true, func(c *Config) { c.Certificate = testCertificate(t, certificate.RSA) })
	server := newEndpoint(t, false, nil)
	connect(t, client, server)
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	require.Equal(t, testCertificate(t, certificate.RSA).Certificate[0], server.conn.PeerCertificate())
}

// RFC 6347, section 4.2.4: "DTLS uses a simple timeout and retransmission scheme". Any datagram may
// be lost, reordered or duplicated.
func TestHandshakeOverLossyNetwork(t *testing.T) {
	for _, loss := range []float64{0, 0.1, 0.3} {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("loss=%v/seed=%d", loss, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testLossyHandshake(t, loss, seed) })
			})
		}
	}
}

func testLossyHandshake(t *testing.T, loss float64, seed uint64) {
	client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex // of rng
	network := func(to *endpoint) func([]byte) {
		return func(datagram []byte) {
			mu.Lock()
			defer mu.Unlock()
			for range 1 + rng.IntN(10)/9 {
				if rng.Float64() >= loss {
					delay := time.Duration(5+rng.IntN(20)) * time.Millisecond
					time.AfterFunc(delay, func() { to.receive(datagram) })
				}
			}
		}
	}
	client.intercept(network(server))
	server.intercept(network(client))
	client.conn.Start()
	server.conn.Start()
	require.NoError(t, <-client.handshaked, "seed %d", seed)
	require.NoError(t, <-server.handshaked, "seed %d", seed)

	// Both directions work: some of a hundred records get through.
	for range 100 {
		client.transmit([]byte("up"))
		server.transmit([]byte("down"))
	}
	require.Equal(t, []byte("up"), <-server.data)
	require.Equal(t, []byte("down"), <-client.data)
	client.close()
	server.close()
	client.conn.Wait()
	server.conn.Wait()
	time.Sleep(time.Second) // until the last datagrams have arrived
}

// Application data that overtakes the server's last flight is delivered.
func TestEarlyApplicationData(t *testing.T) {
	client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
	connect(t, client, server)
	lastFlight := make(chan []byte, 16)
	var deliver func([]byte)
	deliver = server.intercept(func(datagram []byte) {
		if datagram[0] == contentChangeCipherSpec {
			lastFlight <- datagram
			return
		}
		deliver(datagram)
	})
	client.conn.Start()
	server.conn.Start()
	server.wantHandshaked()

	var early []byte
	for _, message := range []string{"one", "two"} {
		early = append(early, server.seal([]byte(message))...)
	}
	client.receive(early)
	client.receive(server.seal([]byte("three")))
	require.Empty(t, client.handshaked)
	require.Empty(t, client.data)

	client.receive(<-lastFlight)
	client.wantHandshaked()
	for _, message := range []string{"one", "two", "three"} {
		client.wantData([]byte(message))
	}
}

// A ClientHello that is faster than the server's signalling waits for Start.
func TestEarlyClientHello(t *testing.T) {
	slow := func(c *Config) { c.RetransmitInterval = time.Hour }
	client, server := newEndpoint(t, true, slow), newEndpoint(t, false, slow)
	connect(t, client, server)
	arrived := make(chan struct{}, 1)
	var deliver func([]byte)
	deliver = client.intercept(func(datagram []byte) {
		deliver(datagram)
		arrived <- struct{}{}
	})
	client.conn.Start()
	want(t, arrived, "ClientHello")
	client.intercept(deliver)
	time.Sleep(time.Millisecond)
	server.conn.Start()
	server.wantHandshaked()
	client.wantHandshaked()
	require.Zero(t, server.conn.Stats().EarlyDropped)
}

func TestEarlyDatagramsAreBounded(t *testing.T) {
	server := newEndpoint(t, false, nil)
	for range maxEarlyDatagrams + 5 {
		server.receive([]byte{contentHandshake, 0xfe, 0xff})
	}
	require.EqualValues(t, 5, server.conn.Stats().EarlyDropped)

	server = newEndpoint(t, false, nil)
	for range maxEarlyBytes/8192 + 2 {
		server.receive(make([]byte, 8192))
	}
	require.EqualValues(t, 2, server.conn.Stats().EarlyDropped)
}

// RFC 8827, section 6.5: a certificate that does not match the signalled fingerprint fails the
// handshake.
func TestWrongFingerprintFailsBothSides(t *testing.T) {
	wrong := errors.New("another fingerprint")
	for _, verifier := range []string{"client", "server"} {
		t.Run(verifier, func(t *testing.T) {
			reject := func(c *Config) {
				c.VerifyPeer = func(der []byte) error {
					require.Equal(t, testCertificate(t, certificate.ECDSA).Certificate[0], der)
					return wrong
				}
			}
			var adjustClient, adjustServer func(*Config)
			if verifier == "client" {
				adjustClient = reject
			} else {
				adjustServer = reject
			}
			client, server := newEndpoint(t, true, adjustClient), newEndpoint(t, false, adjustServer)
			connect(t, client, server)
			client.conn.Start()
			server.conn.Start()
			rejecting, rejected := want(t, client.handshaked, "Handshaked"), want(t, server.handshaked, "Handshaked")
			if verifier == "server" {
				rejecting, rejected = rejected, rejecting
			}
			require.ErrorIs(t, rejecting, wrong)
			var alert *AlertError
			require.ErrorAs(t, rejected, &alert)
			require.EqualValues(t, 42, alert.Description, "bad_certificate")
			require.Empty(t, client.closed)
			require.Empty(t, server.closed)
		})
	}
}

func TestHandshakeTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newEndpoint(t, true, nil)
		var sent atomic.Int64
		client.intercept(func([]byte) { sent.Add(1) })
		start := time.Now()
		client.conn.Start()
		require.ErrorIs(t, <-client.handshaked, ErrHandshakeTimeout)
		require.Equal(t, DefaultHandshakeTimeout, time.Since(start))
		client.conn.Wait()
		require.EqualValues(t, 8, sent.Load(), "at 0, 0.2, 0.6, 1.4, 3, 6.2, 12.6 and 25.4 s")
	})
}

// A forged datagram does not end a handshake.
func TestHandshakeSurvivesForgeries(t *testing.T) {
	client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
	connect(t, client, server)
	forgeries := [][]byte{
		{},
		[]byte("\x17\xfe\xfd not a record"),
		append(appendRecordHeader(nil, contentApplicationData, epochHandshake, 77, 4), "data"...),
		append(appendRecordHeader(nil, contentChangeCipherSpec, epochHandshake, 78, 2), 7, 7),
		append(appendRecordHeader(nil, contentAlert, epochHandshake, 79, 1), 2),
		append(appendRecordHeader(nil, 99, epochHandshake, 80, 1), 2),
		append(appendRecordHeader(nil, contentHandshake, 3, 81, 1), 2),
		append(appendRecordHeader(nil, contentHandshake, epochHandshake, 82, 4), 1, 2, 3, 4),
		appendRecordHeader(nil, contentHandshake, epochHandshake, 83, 400),
	}
	for _, e := range []*endpoint{client, server} {
		var deliver func([]byte)
		deliver = e.intercept(func(datagram []byte) {
			for _, f := range forgeries {
				deliver(append([]byte(nil), f...))
			}
			deliver(datagram)
		})
	}
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	wantConversation(t, client, server)
}

// Handshake datagrams are not larger than the MTU, with a large certificate.
func TestHandshakeMTU(t *testing.T) {
	const mtu = 400
	longest := 0
	var mu sync.Mutex
	client, server := newEndpoint(t, true, func(c *Config) { c.MTU = mtu; c.Certificate = testCertificate(t, certificate.RSA) }),
		newEndpoint(t, false, func(c *Config) { c.MTU = mtu; c.Certificate = testCertificate(t, certificate.RSA) })
	connect(t, client, server)
	for _, e := range []*endpoint{client, server} {
		var deliver func([]byte)
		deliver = e.intercept(func(datagram []byte) {
			mu.Lock()
			longest = max(longest, len(datagram))
			mu.Unlock()
			deliver(datagram)
		})
	}
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	require.LessOrEqual(t, longest, mtu)
}

func TestSRTPProfiles(t *testing.T) {
	client := newEndpoint(t, true, func(c *Config) { c.SRTPProtectionProfiles = []uint16{0x0008, 0x0001} })
	server := newEndpoint(t, false, nil)
	connect(t, client, server)
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	require.NotZero(t, client.conn.SRTPProtectionProfile())
	require.Equal(t, client.conn.SRTPProtectionProfile(), server.conn.SRTPProtectionProfile())

	client, server = newPair(t, nil)
	require.NotZero(t, client.conn.SRTPProtectionProfile(), "the offer is made without being asked for")
	require.Equal(t, client.conn.SRTPProtectionProfile(), server.conn.SRTPProtectionProfile())
}

func TestConfigIsChecked(t *testing.T) {
	valid := Config{Certificate: testCertificate(t, certificate.ECDSA), Ready: func() {}}
	for name, breakIt := range map[string]func(*Config){
		"no Ready":       func(c *Config) { c.Ready = nil },
		"no certificate": func(c *Config) { c.Certificate = tls.Certificate{} },
		"tiny MTU":       func(c *Config) { c.MTU = 100 },
		"unknown suite":  func(c *Config) { c.CipherSuites = []uint16{0x1234} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := valid
			breakIt(&cfg)
			_, err := New(cfg)
			require.ErrorContains(t, err, "dtls: ")
		})
	}
	conn, err := New(valid)
	require.NoError(t, err)
	conn.Close()
}

// No data that arrives after the handshake is delivered before Handshaked has returned.
func TestDataWaitsForHandshaked(t *testing.T) {
	for _, suite := range []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	} {
		t.Run(suite.String(), func(t *testing.T) {
			entered, leave := make(chan struct{}), make(chan struct{})
			adjust := func(c *Config) { c.CipherSuites = []uint16{uint16(suite)} }
			server := newEndpoint(t, false, adjust)
			client := newEndpoint(t, true, func(c *Config) {
				adjust(c)
				handshaked := c.Handshaked
				c.Handshaked = func(err error) {
					close(entered)
					<-leave
					handshaked(err)
				}
			})
			connect(t, client, server)
			client.conn.Start()
			server.conn.Start()
			server.wantHandshaked()
			want(t, entered, "Handshaked")
			for i := range 20 {
				server.transmit([]byte{byte(i)})
			}
			server.close()
			time.Sleep(5 * time.Millisecond)
			require.Empty(t, client.data)
			require.Empty(t, client.closed)
			// The client can already send.
			if client.conn.Fast() {
				client.seal([]byte("first"))
			}
			close(leave)
			client.wantHandshaked()
			for i := range 20 {
				client.wantData([]byte{byte(i)})
			}
			require.NoError(t, want(t, client.closed, "Closed"))
		})
	}
}

func TestWriteBySlowPath(t *testing.T) {
	client, server := newPair(t, func(c *Config) {
		c.CipherSuites = []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA)}
	})
	require.NoError(t, client.write(make([]byte, 1200)))
	server.wantData(make([]byte, 1200))
	require.ErrorIs(t, client.write(make([]byte, maxPlaintext+1)), ErrRecordTooLong)
	client.close()
	require.ErrorIs(t, client.write([]byte("late")), ErrClosed)
	require.NoError(t, want(t, server.closed, "Closed"))
	require.EqualValues(t, 1, server.conn.Stats().RecordsReceived)

	// Write works with a fast path, too.
	client, server = newPair(t, nil)
	require.NoError(t, client.write([]byte("fast")))
	server.wantData([]byte("fast"))
}
