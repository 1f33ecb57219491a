package dtlsconn

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"
)

// losing drops the first count datagrams with a ChangeCipherSpec, each of which is a side's last
// flight or the end of it.
func losing(count int64, lost *atomic.Int64, deliver func([]byte)) func([]byte) {
	return func(datagram []byte) {
		for _, r := range records(datagram) {
			if r.contentType == contentChangeCipherSpec && lost.Load() < count {
				lost.Add(1)
				return
			}
		}
		deliver(datagram)
	}
}

var lastFlightSuites = []dtls.CipherSuiteID{
	dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, // without the fast path
}

const (
	shortInterval = 20 * time.Millisecond
	lostFlights   = 3
)

// RFC 6347, section 4.2.4: "when in the FINISHED state, the node that transmits the last flight
// (the server in an ordinary handshake [...]) MUST respond to a retransmit of the peer's last
// flight with a retransmit of the last flight." In the other side, "The retransmit timer expires:
// the implementation transitions to the SENDING state, where it retransmits the flight".
func TestLostLastFlight(t *testing.T) {
	t.Parallel()
	for _, suite := range lastFlightSuites {
		for _, loser := range []string{"client", "server", "both"} {
			t.Run(fmt.Sprintf("%v/%s", suite, loser), func(t *testing.T) {
				t.Parallel() // it mostly waits
				adjust := func(c *Config) {
					c.CipherSuites = []uint16{uint16(suite)}
					c.RetransmitInterval = shortInterval
				}
				client, server := newEndpoint(t, true, adjust), newEndpoint(t, false, adjust)
				connect(t, client, server)
				var lost [2]atomic.Int64
				total := int64(0)
				for i, e := range []*endpoint{client, server} {
					if loser == "both" || (loser == "server") == (i == 1) {
						total += lostFlights
						var filter func([]byte)
						deliver := e.intercept(func(d []byte) { filter(d) })
						filter = losing(lostFlights, &lost[i], deliver)
					}
				}
				client.conn.Start()
				server.conn.Start()

				// The server, whose last flight is lost, sends application data.
				server.wantHandshaked()
				server.transmit([]byte("early"))
				client.wantHandshaked()
				client.wantData([]byte("early"))
				require.Equal(t, total, lost[0].Load()+lost[1].Load())
				if lost[1].Load() > 0 && server.conn.Fast() {
					// pion/dtls may have answered some of the client's retransmissions before the
					// handover, but hardly all.
					require.NotZero(t, server.conn.Stats().FlightsRepeated)
				}
				client.transmit([]byte("done"))
				server.wantData([]byte("done"))
				require.Empty(t, client.closed)
				require.Empty(t, server.closed)
			})
		}
	}
}

// The same with pion/dtls as the peer, in either role.
func TestLostLastFlightWithPion(t *testing.T) {
	t.Parallel()
	for _, suite := range lastFlightSuites {
		for _, client := range []bool{true, false} {
			for _, oursIsLost := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v/client=%v/oursIsLost=%v", suite, client, oursIsLost), func(t *testing.T) {
					t.Parallel()
					e := newEndpoint(t, client, func(c *Config) {
						c.CipherSuites = []uint16{uint16(suite)}
						c.RetransmitInterval = shortInterval
					})
					p := plainPipe(t, e)
					var lost atomic.Int64
					if oursIsLost {
						var filter func([]byte)
						deliver := e.intercept(func(d []byte) { filter(d) })
						filter = losing(lostFlights, &lost, deliver)
					} else {
						p.writer.setOutput(losing(lostFlights, &lost, p.writer.output))
					}
					peer := pionOver(t, p, !client, dtls.WithCipherSuites(suite), dtls.WithFlightInterval(shortInterval))
					cleanUpPion(t, e, peer, p)
					establishWithPion(t, e, peer)
					require.EqualValues(t, lostFlights, lost.Load())
					e.transmit([]byte("ping"))
					buf := make([]byte, maxSlowPlaintext)
					n, err := peer.Read(buf)
					require.NoError(t, err)
					require.Equal(t, "ping", string(buf[:n]))
					_, err = peer.Write([]byte("pong"))
					require.NoError(t, err)
					e.wantData([]byte("pong"))
				})
			}
		}
	}
}
