package fuzz_test

import (
	"bytes"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
)

// dtlsPair is one established association, shared by all runs. It must remain usable after any
// input.
type dtlsPair struct {
	mu             sync.Mutex // of the owner
	client, server *dtlsconn.Conn
}

var newDTLSPair = sync.OnceValues(func() (*dtlsPair, error) {
	own, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := new(dtlsPair)
	handshaked := make(chan error, 2)
	// carry returns a Ready that delivers the datagrams of one to the other.
	carry := func(from, to **dtlsconn.Conn) func() {
		queue := make(chan []byte, 64)
		go func() {
			for datagram := range queue {
				p.mu.Lock()
				(*to).Receive(datagram, func([]byte) {})
				p.mu.Unlock()
			}
		}()
		var sending sync.Mutex
		return func() {
			sending.Lock()
			defer sending.Unlock()
			for datagram, ok := (*from).Transmit(nil); ok; datagram, ok = (*from).Transmit(nil) {
				queue <- datagram
			}
		}
	}
	config := func(client bool, ready func()) dtlsconn.Config {
		return dtlsconn.Config{Client: client, Certificate: own, Ready: ready, Handshaked: func(err error) { handshaked <- err }}
	}
	if p.client, err = dtlsconn.New(config(true, carry(&p.client, &p.server))); err != nil {
		return nil, err
	}
	if p.server, err = dtlsconn.New(config(false, carry(&p.server, &p.client))); err != nil {
		return nil, err
	}
	p.server.Start()
	p.client.Start()
	for range 2 {
		if err := <-handshaked; err != nil {
			return nil, err
		}
	}
	p.client.Wait()
	p.server.Wait()
	return p, nil
})

// FuzzDTLSReceive passes a datagram before an authentic one: no data of the first may be delivered,
// all of the second must.
func FuzzDTLSReceive(f *testing.F) {
	header := func(contentType, epoch byte, length byte, rest ...byte) []byte {
		return append([]byte{contentType, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9, 0, length}, rest...)
	}
	f.Add([]byte{})
	f.Add(header(23, 1, 24, make([]byte, 24)...))
	f.Add(header(21, 0, 2, 2, 40))
	f.Add(header(20, 0, 1, 1))
	f.Add(header(22, 1, 200))
	f.Add(append(header(22, 0, 0), header(23, 2, 3, 1, 2, 3)...))
	p, err := newDTLSPair()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.server.Receive(bytes.Clone(datagram), func(plaintext []byte) { t.Errorf("delivered %q", plaintext) })
		authentic, err := p.client.Seal(nil, []byte("authentic"))
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		p.server.Receive(authentic, func(plaintext []byte) { got = append(got, plaintext...) })
		if string(got) != "authentic" {
			t.Fatalf("got %q", got)
		}
	})
}

// FuzzDTLSHandshake has a server that waits for a ClientHello receive a datagram. Its answers stay
// in the queue.
func FuzzDTLSHandshake(f *testing.F) {
	own, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	// The first flight of a client of our own.
	ready := make(chan struct{}, 1)
	client, err := dtlsconn.New(dtlsconn.Config{Client: true, Certificate: own, Ready: func() {
		select {
		case ready <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		f.Fatal(err)
	}
	client.Start()
	<-ready
	hello, _ := client.Transmit(nil)
	f.Add(hello)
	client.Close()
	client.Wait()
	f.Add([]byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		handshaked := make(chan error, 1)
		server, err := dtlsconn.New(dtlsconn.Config{Certificate: own, Ready: func() {},
			Handshaked: func(err error) { handshaked <- err }})
		if err != nil {
			t.Fatal(err)
		}
		server.Receive(datagram, nil)
		server.Start()
		server.Receive(datagram, nil)
		server.Close()
		if err := <-handshaked; err == nil {
			t.Fatal("a handshake without a peer")
		}
		server.Wait()
	})
}

func FuzzLoadCertificate(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----")
	f.Add("-----BEGIN", "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,80502E3B4B7E7B7B56AFAE5551F6C8A3\n\n95qW\n-----END EC PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, text, key string) {
		// The prefix keeps the input from being the name of a file.
		_, _ = certificate.Load("-----BEGIN"+text, "-----BEGIN"+key, "secret")
	})
}
