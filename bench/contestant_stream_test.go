package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/rtcstack/rtcstack/bench/relay"
	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/stretchr/testify/require"
)

// QUIC's datagrams are as large as those of the data channels, also after the time that path MTU
// discovery takes.
func TestQUICDatagrams(t *testing.T) {
	own, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
	require.NoError(t, err)
	address, accept, stop, err := overQUIC.listen(&tls.Config{
		Certificates: []tls.Certificate{own}, NextProtos: []string{streamProtocol},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, stop()) }()
	path, err := relay.New(relay.Config{Delay: time.Millisecond})
	require.NoError(t, err)
	defer path.Close()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer socket.Close()
	path.Attach(0, socket.LocalAddr().(*net.UDPAddr).AddrPort())
	path.Attach(1, netip.MustParseAddrPort(address))

	const total = 4 << 20
	received := make(chan int64, 1)
	go func() {
		stream, err := accept()
		if err != nil {
			return
		}
		n, _ := io.CopyN(io.Discard, stream, total)
		received <- n
	}()
	conn, err := quic.Dial(context.Background(), socket, net.UDPAddrFromAddrPort(path.Address(1)),
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{streamProtocol}}, quicConfig())
	require.NoError(t, err)
	stream, err := conn.OpenStreamSync(context.Background())
	require.NoError(t, err)
	_, err = stream.Write(make([]byte, total))
	require.NoError(t, err)
	require.EqualValues(t, total, <-received)
	require.NoError(t, conn.CloseWithError(0, ""))
	require.EqualValues(t, quicDatagram, path.Stats(1).Largest)
}

// Byte streams take part in W1 only, and are not peers: neither ratios nor the guard refer to them.
func TestByteStreamsAreReferences(t *testing.T) {
	everybody := plan{contestants: contestants}
	for i := range workloads {
		var streams []string
		for _, c := range everybody.contestantsOf(&workloads[i]) {
			if _, ok := c.(byteStream); ok {
				streams = append(streams, c.name())
			}
		}
		if workloads[i].id == "W1" {
			require.Equal(t, []string{result.TLS, result.QUIC}, streams)
		} else {
			require.Empty(t, streams)
		}
	}

	measured := measured(map[string][]float64{
		oursName: {50}, "pion": {10}, result.TLS: {1000, 1200}, result.QUIC: {70},
	})
	rows := measured.rows()
	require.EqualValues(t, 5, *rows[0].Ratio, "to the best peer")
	require.Equal(t, map[string]float64{"pion": 10}, rows[0].Peers)
	require.Equal(t, map[string]float64{result.TLS: 1100, result.QUIC: 70}, rows[0].References)
	require.NoError(t, plan{}.guard(measured, 5, &progress{}))

	r := report{Rows: rows}
	for _, c := range contestants {
		r.Contestants = append(r.Contestants, contestantEntry{c.name(), c.version(), c.settings()})
	}
	var table strings.Builder
	r.writeTable(&table)
	require.Contains(t, table.String(), "tls-tcp")
	require.Contains(t, table.String(), "1,100 (1,000–1,200)")
	page, err := r.html()
	require.NoError(t, err)
	require.Contains(t, string(page), "tls-tcp")
	require.Equal(t, 12, strings.Count(string(page), "<rect"),
		"a bar for each contestant with values, and each metric")
}
