package main

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/rtcstack/rtcstack/internal/certificate"
)

// byteStream is a stream of bytes over an encrypted transport, a reference for W1: it shows the
// throughput and the CPU time that a program would have without WebRTC. It is no peer: ratios and
// goals do not refer to it. Messages are preceded by their length in 4 bytes, and each is one
// Write. A sender keeps buffered as much as the transport accepts.
type byteStream struct {
	label, module, about string
	variables            []string // of the environment

	// listen starts a server on the loopback address; accept waits for its only stream.
	listen func(*tls.Config) (address string, accept func() (io.ReadWriter, error), stop func() error, err error)
	// dial opens a stream to a server.
	dial func(address string, config *tls.Config) (stream io.ReadWriter, stop func() error, err error)
}

func (c byteStream) name() string          { return c.label }
func (c byteStream) version() string       { return c.moduleVersion() }
func (c byteStream) settings() string      { return c.about }
func (c byteStream) environment() []string { return c.variables }
func (c byteStream) newPeer(options peerOptions) (peer, error) {
	return &streamPeer{byteStream: c, options: options}, nil
}

// moduleVersion returns the version of the library, or that of Go.
func (c byteStream) moduleVersion() string {
	if c.module == "" {
		return runtime.Version()
	}
	return result.ModuleVersion(c.module)
}

const (
	// streamLength is the size of the length that precedes a message, in bytes.
	streamLength = 4
	// streamBuffer is the size of the reader's buffer, in bytes.
	streamBuffer = 64 << 10
	// streamProtocol is the application protocol (ALPN), which QUIC requires.
	streamProtocol = "bench"
)

// streamPeer is one end of a stream. The one that calls open is the client.
type streamPeer struct {
	byteStream
	options peerOptions

	mu    sync.Mutex
	stops []func() error
}

// open asks the other side to listen.
func (p *streamPeer) open(channelOptions) error {
	p.options.signal(signal{Description: "offer"})
	return nil
}

// accept starts the server on an offer, and dials it on an answer, which contains its address.
func (p *streamPeer) accept(s signal) error {
	if s.Description == "offer" {
		return p.serve()
	}
	stream, stop, err := p.dial(s.SDP, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{streamProtocol},
	})
	if err != nil {
		return err
	}
	p.stopLater(stop)
	// An empty message: a QUIC server accepts a stream when its first bytes arrive.
	if _, err := stream.Write(make([]byte, streamLength)); err != nil {
		return err
	}
	c := &streamChannel{stream: stream}
	p.options.opened(c)
	go p.read(c)
	return nil
}

func (p *streamPeer) serve() error {
	own, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	address, accept, stop, err := p.listen(&tls.Config{
		Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13, NextProtos: []string{streamProtocol},
	})
	if err != nil {
		return err
	}
	p.stopLater(stop)
	p.options.signal(signal{Description: "answer", SDP: address})
	go func() {
		stream, err := accept()
		if err != nil {
			return // the channel does not open, and the measurement fails
		}
		c := &streamChannel{stream: stream}
		p.options.opened(c)
		p.read(c)
	}()
	return nil
}

// read delivers the messages of a stream until it ends.
func (p *streamPeer) read(c *streamChannel) {
	from := bufio.NewReaderSize(c.stream, streamBuffer)
	buf := make([]byte, max(p.options.maxMessage, streamLength))
	for {
		if _, err := io.ReadFull(from, buf[:streamLength]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(buf))
		if n > len(buf) {
			return
		}
		if _, err := io.ReadFull(from, buf[:n]); err != nil {
			return
		}
		if n > 0 {
			p.options.message(c, buf[:n])
		}
	}
}

func (p *streamPeer) stopLater(stop func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stops = append(p.stops, stop)
}

func (p *streamPeer) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []error
	for _, stop := range p.stops {
		all = append(all, stop())
	}
	return errors.Join(all...)
}

type streamChannel struct {
	stream io.ReadWriter
	buf    []byte // of write: a message with its length
}

func (c *streamChannel) write(data []byte) error {
	c.buf = append(binary.BigEndian.AppendUint32(c.buf[:0], uint32(len(data))), data...)
	_, err := c.stream.Write(c.buf)
	return err
}

func (c *streamChannel) send(data []byte) error { return c.write(data) }
