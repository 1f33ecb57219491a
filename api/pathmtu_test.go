package rtc

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/netsim/simnet"
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
				require.Equal(t, p.b.transport.sctpMTU(link.IPUDPHeaders), p.b.Stats().SCTP.MTU) // it has sent nothing

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

// relayHeadroom is the size of the header of a Send indication to an IPv4 peer.
const relayHeadroom = 36

// relayHost is a host with interfaces whose links frame their packets, as those of a TURN
// allocation do. There is no relay: the links of both hosts remove the header from packets that
// have it.
type relayHost struct {
	*simnet.Host
	framed  map[netip.Addr]bool // the addresses of such interfaces
	largest atomic.Int64        // the size of the largest IP packet sent
}

func (h *relayHost) Listen(addr netip.Addr, first, last uint16) (link.Link, error) {
	l, err := h.Host.Listen(addr, first, last)
	if err != nil {
		return nil, err
	}
	return &relayLink{l, h}, nil
}

// relayHeaderByte is not the first byte of a packet of any protocol (RFC 7983, section 7).
const relayHeaderByte = 0xff

type relayLink struct {
	link.Link
	host *relayHost
}

func (l *relayLink) PathTo(remote netip.AddrPort) link.Path {
	p := l.Link.PathTo(remote)
	if p.Link = l; l.host.framed[l.LocalAddr().Addr()] {
		p.Headroom = relayHeadroom
		p.Overhead += relayHeadroom
	}
	return p
}

func (l *relayLink) Frame(_ *link.Path, headroom, _ []byte) {
	clear(headroom)
	headroom[0] = relayHeaderByte
}

func (l *relayLink) Send(o *link.Outbound) error {
	for _, d := range o.Datagrams() {
		l.host.largest.Store(max(l.host.largest.Load(), int64(len(d.Data)+link.IPUDPHeaders)))
	}
	return l.Link.Send(o)
}

func (l *relayLink) Serve(handle func(*link.Inbound)) error {
	return l.Link.Serve(func(in *link.Inbound) {
		var inner link.Inbound
		for i := range in.Len() {
			data, from := in.At(i)
			if data[0] == relayHeaderByte {
				data = data[relayHeadroom:]
			}
			inner.Add(data, from)
		}
		handle(&inner)
	})
}

// The overhead of a path counts in the size of packets, those of the handshake and of path MTU
// discovery included, if the path is the first one, and if it replaces another one.
func TestPathOverhead(t *testing.T) {
	framed := netip.MustParseAddr("198.51.100.77")
	for _, mtu := range []int{0, 576, 1280, 1400} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("MTU %d, first path %v", mtu, first), func(t *testing.T) {
				inNetwork(t, 1, func(t *testing.T, n *network) {
					c := Configuration{MTU: mtu, CertificateType: CertificateTypeRSA} // the handshake has large flights
					interfaces := []netsim.Interface{{Addr: framed, Up: hostLink, Down: hostLink}}
					if !first {
						interfaces = append([]netsim.Interface{{Addr: address(7), Up: hostLink, Down: hostLink}}, interfaces...)
					}
					h := &relayHost{Host: n.host(interfaces...), framed: map[netip.Addr]bool{framed: true}}
					peer := &relayHost{Host: n.host()}
					s := &simulation{net: n, pair: pair{t: t, a: n.connectionOver(h, c, tuning{}), b: n.connectionOver(peer, c, tuning{})}}
					signal(t, s.a, s.b)
					signal(t, s.b, s.a)
					a, b := s.connect("x", nil)
					limit := mtu
					if mtu == 0 {
						limit = maxDiscoveredMTU
						require.LessOrEqual(t, int(h.largest.Load()), DefaultMTU)
					}
					bulk := func() {
						for range 10 {
							exchange(t, a, b, Message{Data: make([]byte, 100_000)})
							pause(time.Second)
						}
					}
					bulk()
					if !first {
						require.Equal(t, address(7), must(s.a.LocalAddr()).Addr())
						before := s.a.Stats().SCTP.MTU
						h.Detach(0, true)
						s.await(time.Minute, "the other path", func() bool {
							addr, err := s.a.LocalAddr()
							return err == nil && addr.Addr() == framed
						})
						bulk()
						require.Equal(t, before-relayHeadroom, s.a.Stats().SCTP.MTU)
					}
					require.LessOrEqual(t, int(h.largest.Load()), limit)
					require.Greater(t, int(h.largest.Load()), limit-dtlsOverhead)
					require.LessOrEqual(t, int(peer.largest.Load()), limit)
				})
			})
		}
	}
}
