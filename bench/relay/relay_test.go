package relay

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attach binds a socket and makes it an end of the relay.
func attach(t *testing.T, r *Relay, i int) *net.UDPConn {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	r.Attach(i, conn.LocalAddr().(*net.UDPAddr).AddrPort())
	return conn
}

func newRelay(t *testing.T, config Config) *Relay {
	r, err := New(config)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

func TestForwardsBothWaysAfterTheDelay(t *testing.T) {
	r := newRelay(t, Config{Delay: 20 * time.Millisecond})
	a, b := attach(t, r, 0), attach(t, r, 1)
	start := time.Now()
	_, err := a.WriteToUDPAddrPort([]byte("there"), r.Address(1))
	require.NoError(t, err)
	buf := make([]byte, 100)
	n, from, err := b.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, "there", string(buf[:n]))
	require.Equal(t, r.Address(0), from, "the source is the address to which b sends its datagrams for a")
	require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	_, err = b.WriteToUDPAddrPort([]byte("and back"), from)
	require.NoError(t, err)
	n, from, err = a.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, "and back", string(buf[:n]))
	require.Equal(t, r.Address(1), from)
	require.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
}

func TestRate(t *testing.T) {
	const count, size = 100, 1000 - packetOverhead
	r := newRelay(t, Config{Rate: 8_000_000}) // a thousand bytes take a millisecond
	a, b := attach(t, r, 0), attach(t, r, 1)
	start := time.Now()
	for range count {
		_, err := a.WriteToUDPAddrPort(make([]byte, size), r.Address(1))
		require.NoError(t, err)
	}
	for range count {
		_, err := b.Read(make([]byte, size))
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, time.Since(start), count*time.Millisecond)
	require.Equal(t, Stats{Delivered: count, Largest: size}, r.Stats(1))
}

// Losses depend on the time and the seed only.
func TestLossAndQueue(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		name                  string
		config                Config
		delivered, lost, over uint64
	}{
		{"all pass", Config{}, 1000, 0, 0},
		{"none pass", Config{Loss: 1}, 0, 1000, 0},
		{"the queue is full", Config{Rate: 8_000_000, Queue: 10_500}, 10, 0, 990},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRelay(t, row.config)
			for range 1000 {
				r.ends[1].toward.put(now, make([]byte, 1000-packetOverhead, maxDatagram))
			}
			require.Equal(t, Stats{row.delivered, row.lost, row.over, 1000 - packetOverhead}, r.Stats(1))
		})
	}
	r := newRelay(t, Config{Loss: 0.01, Seed: 1})
	for range 20_000 {
		r.ends[1].toward.put(now, make([]byte, 100, maxDatagram))
	}
	require.InDelta(t, 200, float64(r.Stats(1).Lost), 60)
}

func TestConfigOutOfRange(t *testing.T) {
	for _, config := range []Config{{Rate: -1}, {Delay: -1}, {Loss: -0.1}, {Loss: 1.1}, {Queue: -1}} {
		_, err := New(config)
		require.Error(t, err)
	}
}
