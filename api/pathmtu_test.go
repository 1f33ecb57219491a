package rtc

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
)

// During a bulk transfer a connection discovers that the path carries packets of 1500 bytes, if the
// program has not set the MTU. This works with the records of dtlsconn and with those of the DTLS
// library.
func TestPathMTURises(t *testing.T) {
	for name, suites := range map[string][]uint16{"own records": nil, "records of the library": {tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}} {
		t.Run(name, func(t *testing.T) {
			inSimulation(t, 1, place{tune: tuning{cipherSuites: suites}}, func(t *testing.T, p *simulation) {
				a, b := p.connect("bulk", nil)
				require.Equal(t, DefaultMTU-link.IPUDPHeaders-dtlsOverhead, p.a.Stats().SCTP.MTU)
				require.Zero(t, p.a.Stats().SCTP.MTUProbesSent) // a small message starts no discovery

				largest := maxDiscoveredMTU - link.IPUDPHeaders - gcmOverhead // rounded down to whole words
				eventually(t, "the largest packets", func() bool {
					exchange(t, a, b, Message{Data: make([]byte, 200_000)})
					return p.a.Stats().SCTP.MTU == largest&^3
				})
				require.Equal(t, p.b.transport.sctpMTU(), p.b.Stats().SCTP.MTU) // it has sent nothing

				if suites != nil {
					return // records of the library are not counted
				}
				before := p.a.Stats()
				exchange(t, a, b, Message{Data: make([]byte, 250_000)})
				after := p.a.Stats()
				size := float64(after.BytesSent-before.BytesSent) / float64(after.DatagramsSent-before.DatagramsSent)
				require.Greater(t, size, float64(DefaultMTU-link.IPUDPHeaders))
				require.LessOrEqual(t, size, float64(maxDiscoveredMTU-link.IPUDPHeaders))
				require.Zero(t, after.SendErrors)
			})
		})
	}

	inSimulation(t, 1, place{a: Configuration{MTU: 1280}, b: Configuration{MTU: 1280}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("bulk", nil)
		for range 5 {
			exchange(t, a, b, Message{Data: make([]byte, 200_000)})
		}
		require.Zero(t, p.a.Stats().SCTP.MTUProbesSent)
		require.Equal(t, 1280-link.IPUDPHeaders-dtlsOverhead, p.a.Stats().SCTP.MTU)
	})
}
