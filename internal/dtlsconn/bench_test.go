package dtlsconn

import (
	"bytes"
	"runtime"
	"sync"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/certificate"
)

const benchSize = 1200

// BenchmarkRecord seals one record of 1,200 bytes in place and opens it.
func BenchmarkRecord(b *testing.B) {
	for _, id := range fastSuites {
		b.Run(CipherSuiteName(id), func(b *testing.B) {
			client, server := newPair(b, func(c *Config) { c.CipherSuites = []uint16{id} })
			buf := make([]byte, 0, 2048)
			received := 0
			data := func(p []byte) { received += len(p) }
			plaintext := buf[client.conn.Headroom() : client.conn.Headroom()+benchSize]
			b.ReportAllocs()
			b.SetBytes(benchSize)
			for b.Loop() {
				datagram, err := client.conn.Seal(buf, plaintext)
				if err != nil {
					b.Fatal(err)
				}
				server.conn.Receive(datagram, data)
			}
			require.Equal(b, b.N*benchSize, received)
		})
	}
}

// BenchmarkSeal is the sending half of BenchmarkRecord.
func BenchmarkSeal(b *testing.B) {
	client, _ := newPair(b, nil)
	buf := make([]byte, 0, 2048)
	plaintext := buf[client.conn.Headroom() : client.conn.Headroom()+benchSize]
	b.ReportAllocs()
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := client.conn.Seal(buf, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPionRecord is BenchmarkRecord with pion/dtls: Write, an in-memory datagram, Read.
func BenchmarkPionRecord(b *testing.B) {
	var clientPipe, serverPipe *pipe
	clientPipe = newPipe(&handshakeWriter{output: func(d []byte) { serverPipe.push(bytes.Clone(d)) }})
	serverPipe = newPipe(&handshakeWriter{output: func(d []byte) { clientPipe.push(bytes.Clone(d)) }})
	certificate := dtls.WithCertificates(testCertificate(b, certificate.ECDSA))
	client, err := dtls.ClientWithOptions(clientPipe, pipeAddr{}, dtls.WithInsecureSkipVerify(true), certificate)
	require.NoError(b, err)
	server, err := dtls.ServerWithOptions(serverPipe, pipeAddr{}, certificate)
	require.NoError(b, err)
	established := make(chan error, 1)
	go func() { established <- server.Handshake() }()
	require.NoError(b, client.Handshake())
	require.NoError(b, <-established)
	plaintext, buf := make([]byte, benchSize), make([]byte, 2048)
	b.ReportAllocs()
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := client.Write(plaintext); err != nil {
			b.Fatal(err)
		}
		if _, err := server.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = client.Close()
	_ = server.Close()
}

// BenchmarkHandshake is a whole association, both ends: handshake and close.
func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		client, server := newEndpoint(b, true, nil), newEndpoint(b, false, nil)
		direct(client, server)
		server.conn.Start()
		client.conn.Start()
		client.wantHandshaked()
		server.wantHandshaked()
		client.close()
		server.close()
	}
}

// BenchmarkIdle reports the heap, in bytes, and the goroutines of one end of an established
// association.
func BenchmarkIdle(b *testing.B) {
	const pairs = 200
	var before, after runtime.MemStats
	var kept []*Conn
	newEndpoint(b, true, nil)
	for b.Loop() {
		kept = nil
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		kept = establishQuietly(b, pairs)
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(2*pairs), "B/conn")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/(2*pairs), "goroutines/conn")
	}
	runtime.KeepAlive(kept)
}

// establishQuietly establishes pairs without the endpoints of the tests, whose channels are larger
// than a Conn.
func establishQuietly(b testing.TB, pairs int) (conns []*Conn) {
	certificate := testCertificate(b, certificate.ECDSA)
	for range pairs {
		var client, server *Conn
		established := make(chan error, 2)
		config := func(client bool, ready func()) Config {
			return Config{Client: client, Certificate: certificate, Ready: ready, Handshaked: func(err error) { established <- err }}
		}
		carry := func(from, to **Conn) func() {
			queue := make(chan []byte, 16)
			var sending, owner sync.Mutex
			return func() {
				sending.Lock()
				defer sending.Unlock()
				for {
					datagram, ok := (*from).Transmit(nil)
					if !ok {
						return
					}
					queue <- datagram
					go func() {
						owner.Lock()
						defer owner.Unlock()
						(*to).Receive(<-queue, nil)
					}()
				}
			}
		}
		var err error
		client, err = New(config(true, carry(&client, &server)))
		require.NoError(b, err)
		server, err = New(config(false, carry(&server, &client)))
		require.NoError(b, err)
		server.Start()
		client.Start()
		require.NoError(b, <-established)
		require.NoError(b, <-established)
		client.Wait()
		server.Wait()
		conns = append(conns, client, server)
	}
	return conns
}
