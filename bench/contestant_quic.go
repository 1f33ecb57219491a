package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"

	"github.com/quic-go/quic-go"
	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// quicDatagram is the size of QUIC's datagrams, in bytes of UDP payload: that of all contestants
// that use UDP. Path MTU discovery is disabled, because on the loopback interface it would raise
// the size to the maximum of quic-go.
const quicDatagram = 1225

// overQUIC is one stream of a connection of quic-go.
var overQUIC = byteStream{
	label:  result.QUIC,
	module: "github.com/quic-go/quic-go",
	about: fmt.Sprintf("one stream, one Write for each message; datagrams of %d bytes without path MTU discovery, otherwise defaults",
		quicDatagram),
	variables: []string{"QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING=true"},
	listen: func(config *tls.Config) (string, func() (io.ReadWriter, error), func() error, error) {
		listener, err := quic.ListenAddr("127.0.0.1:0", config, quicConfig())
		if err != nil {
			return "", nil, nil, err
		}
		accept := func() (io.ReadWriter, error) {
			conn, err := listener.Accept(context.Background())
			if err != nil {
				return nil, err
			}
			return conn.AcceptStream(context.Background())
		}
		return listener.Addr().String(), accept, listener.Close, nil
	},
	dial: func(address string, config *tls.Config) (io.ReadWriter, func() error, error) {
		conn, err := quic.DialAddr(context.Background(), address, config, quicConfig())
		if err != nil {
			return nil, nil, err
		}
		stream, err := conn.OpenStreamSync(context.Background())
		if err != nil {
			return nil, nil, err
		}
		return stream, func() error { return conn.CloseWithError(0, "") }, nil
	},
}

func quicConfig() *quic.Config {
	return &quic.Config{InitialPacketSize: quicDatagram, DisablePathMTUDiscovery: true}
}
