package interop_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/bench/relay"
	"github.com/rtcstack/rtcstack/ice"
)

// The numbers of the two sides in the relays.
const (
	ourSide = iota
	theirSide
)

// stackPaths is an IPv4 path and an IPv6 path between the two sides, each through a relay.
type stackPaths struct {
	relays   map[bool]*relay.Relay // by Is6 of the address
	attached [2]map[bool]netip.AddrPort
}

// newStackPaths returns paths with these one-way delays.
func newStackPaths(t *testing.T, ipv4, ipv6 time.Duration) *stackPaths {
	t.Helper()
	p := &stackPaths{relays: make(map[bool]*relay.Relay)}
	for i := range p.attached {
		p.attached[i] = make(map[bool]netip.AddrPort)
	}
	for _, path := range []struct {
		listen netip.Addr
		delay  time.Duration
	}{{netip.MustParseAddr("127.0.0.1"), ipv4}, {netip.IPv6Loopback(), ipv6}} {
		r, err := relay.New(relay.Config{Delay: path.delay, Listen: path.listen})
		requirePeer(t, err) // an error if the machine has no IPv6
		t.Cleanup(r.Close)
		p.relays[path.listen.Is6()] = r
	}
	return p
}

// rewrite replaces the address of a host candidate by the address at which the relay receives packets for it. It drops all
// candidates but the first one of each address family.
func (p *stackPaths) rewrite(side int, candidate string) (rewritten string, ok bool) {
	fields := strings.Fields(candidate)
	if len(fields) < 8 || !strings.EqualFold(fields[2], "udp") || fields[7] != "host" {
		return "", false
	}
	ip, err := netip.ParseAddr(fields[4])
	if err != nil || ip.IsLinkLocalUnicast() {
		return "", false
	}
	port, err := strconv.ParseUint(fields[5], 10, 16)
	if err != nil {
		return "", false
	}
	address := netip.AddrPortFrom(ip, uint16(port))
	is6 := address.Addr().Is6()
	attached, known := p.attached[side][is6]
	if known && attached != address {
		return "", false
	}
	p.attached[side][is6] = address
	p.relays[is6].Attach(side, address)
	there := p.relays[is6].Address(side)
	fields[4], fields[5] = there.Addr().String(), strconv.Itoa(int(there.Port()))
	return strings.Join(fields, " "), true
}

// testStackPaths keeps connections open that have an IPv4 path and a faster or slower IPv6 path. It sends messages for
// longer than ICE needs to complete and to release the unused pairs. Several stacks nominate each valid pair, one after the
// other (the aggressive nomination of RFC 5245), and send on the last one, the first one, or the best one.
func testStackPaths(t *testing.T, k *stack) {
	sessions := make(map[string]*stackSession)
	for _, delays := range []struct{ ipv4, ipv6 time.Duration }{
		{120 * time.Millisecond, 40 * time.Millisecond},
		{40 * time.Millisecond, 120 * time.Millisecond},
	} {
		for _, theyOffer := range []bool{false, true} {
			name := fmt.Sprintf("IPv4 takes %v, IPv6 takes %v, they offer: %v", delays.ipv4, delays.ipv6, theyOffer)
			s := newStackSession(t, k, stackOptions{theyOffer: theyOffer, paths: newStackPaths(t, delays.ipv4, delays.ipv6)})
			s.theirs.do("mode", command{"label": "kept", "mode": "echo"})
			sessions[name] = s
		}
	}
	const hold = ice.DefaultUnusedTimeout + 5*time.Second
	for i, start := 0, time.Now(); time.Since(start) < hold; i++ {
		text := fmt.Sprintf("message %d", i)
		for name, s := range sessions {
			require.NoError(t, s.kept.SendText(text), name)
		}
		for name, s := range sessions {
			m, err := s.read(s.kept)
			require.NoError(t, err, "%s: %s, %v after all connections had been opened", name, text, time.Since(start))
			require.Equal(t, text, string(m.Data), name)
		}
	}
	for name, s := range sessions {
		for is6, r := range s.o.paths.relays {
			require.NotZero(t, r.Stats(ourSide).Delivered, "%s: packets to us, over IPv6: %v", name, is6)
			require.NotZero(t, r.Stats(theirSide).Delivered, "%s: packets to the other stack, over IPv6: %v", name, is6)
		}
	}
}
