package main

import (
	"crypto/tls"
	"io"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// tlsOverTCP is a TLS 1.3 connection of crypto/tls over TCP.
var tlsOverTCP = byteStream{
	label: result.TLS,
	about: "TLS 1.3 over TCP by crypto/tls, one Write for each message; the kernel creates the segments",
	listen: func(config *tls.Config) (string, func() (io.ReadWriter, error), func() error, error) {
		listener, err := tls.Listen("tcp4", "127.0.0.1:0", config)
		if err != nil {
			return "", nil, nil, err
		}
		accept := func() (io.ReadWriter, error) { return listener.Accept() }
		return listener.Addr().String(), accept, listener.Close, nil
	},
	dial: func(address string, config *tls.Config) (io.ReadWriter, func() error, error) {
		conn, err := tls.Dial("tcp4", address, config)
		if err != nil {
			return nil, nil, err
		}
		return conn, conn.Close, nil
	},
}
