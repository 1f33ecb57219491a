package netsim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

const (
	// defaultMappingLifetime is the recommended lifetime of a mapping (RFC 4787, section 4.3).
	defaultMappingLifetime = 5 * time.Minute

	// Mapped ports are above the well-known ones.
	firstMappedPort = 1024
	mappedPorts     = 1<<16 - firstMappedPort
)

// Behavior is the part of an external endpoint that the mapping or filtering of a NAT depends on
// (RFC 4787, section 4.1).
type Behavior uint8

// The behaviours of RFC 4787, sections 4.1 (mapping) and 5 (filtering).
const (
	EndpointIndependent     Behavior = iota // not on the external endpoint
	AddressDependent                        // on the external address
	AddressAndPortDependent                 // on the external address and port
)

// String returns the behaviour in the RFC's words.
func (b Behavior) String() string {
	switch b {
	case EndpointIndependent:
		return "endpoint-independent"
	case AddressDependent:
		return "address-dependent"
	case AddressAndPortDependent:
		return "address-and-port-dependent"
	}
	return fmt.Sprintf("Behavior(%d)", uint8(b))
}

// reduce returns the part of an external endpoint that the behaviour depends on.
func (b Behavior) reduce(ap netip.AddrPort) netip.AddrPort {
	switch b {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(ap.Addr(), 0)
	}
	return ap
}

// NATConfig describes a NAT. [FullCone], [RestrictedCone], [PortRestrictedCone] and [Symmetric]
// return the usual ones.
type NATConfig struct {
	External  netip.Addr // its address on the outer segment
	Mapping   Behavior   // which packets of an internal endpoint have the same external endpoint
	Filtering Behavior   // which external endpoints may send packets to an internal one
	// Lifetime is the time without outbound packets after which a mapping expires; 0: 5 minutes.
	Lifetime time.Duration
	// Hairpin makes internal hosts reachable for each other by their external endpoints.
	Hairpin bool
	// Behind is the NAT that this one is behind; nil: it is public.
	Behind *NAT
}

// FullCone returns the configuration of a NAT with endpoint-independent mapping and filtering.
func FullCone(external netip.Addr) NATConfig {
	return NATConfig{External: external}
}

// RestrictedCone returns the configuration of a NAT with endpoint-independent mapping and
// address-dependent filtering.
func RestrictedCone(external netip.Addr) NATConfig {
	return NATConfig{External: external, Filtering: AddressDependent}
}

// PortRestrictedCone returns the configuration of a NAT with endpoint-independent mapping and
// address-and-port-dependent filtering.
func PortRestrictedCone(external netip.Addr) NATConfig {
	return NATConfig{External: external, Filtering: AddressAndPortDependent}
}

// Symmetric returns the configuration of a NAT with address-and-port-dependent mapping and
// filtering.
func Symmetric(external netip.Addr) NATConfig {
	return NATConfig{External: external, Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent}
}

// NATStats are the counters of a NAT.
type NATStats struct {
	Mappings   int64 // created
	Outbound   int64 // packets translated
	Inbound    int64 // packets translated
	NoMapping  int64 // packets from outside to a port without a mapping
	Filtered   int64 // packets from outside that the filter refused
	NoHairpin  int64 // packets from inside to the external address, without Hairpin
	Unroutable int64 // packets of another address family, or with no port left
}

// NAT is a network address and port translator between a private segment and the one outside.
type NAT struct {
	network *Network
	config  NATConfig
	rng     *rand.Rand
	outside *segment
	inside  segment
	stats   NATStats

	byInternal map[mappingKey]*mapping
	byPort     map[uint16]*mapping
}

type mappingKey struct {
	internal, external netip.AddrPort // external is reduced by the mapping behaviour
}

type mapping struct {
	key     mappingKey
	port    uint16
	expires int64
	permits map[netip.AddrPort]int64 // expiry by external endpoint, reduced by the filtering behaviour
}

// AddNAT adds a NAT to the network. It panics if the external address is taken.
func (n *Network) AddNAT(config NATConfig) *NAT {
	t := &NAT{network: n, config: config, rng: n.sim.stream(), outside: &n.public}
	if config.Behind != nil {
		t.outside = &config.Behind.inside
	}
	t.inside = segment{network: n, name: "behind " + config.External.String(), nat: t}
	t.outside.add(config.External, t)
	t.Reset()
	return t
}

// Reset removes all mappings, like a restart of the device.
func (t *NAT) Reset() {
	t.byInternal = make(map[mappingKey]*mapping)
	t.byPort = make(map[uint16]*mapping)
}

// SetConfig changes the behaviour during a run, but not the addresses. It removes all mappings.
func (t *NAT) SetConfig(config NATConfig) {
	config.External, config.Behind = t.config.External, t.config.Behind
	t.config = config
	t.Reset()
}

// Stats returns the counters of the NAT.
func (t *NAT) Stats() NATStats { return t.stats }

func (t *NAT) lifetime() int64 {
	if t.config.Lifetime > 0 {
		return int64(t.config.Lifetime)
	}
	return int64(defaultMappingLifetime)
}

// outbound translates a packet from inside to outside.
func (t *NAT) outbound(p *packet) {
	if p.dst.Addr().Is4() != t.config.External.Is4() {
		t.stats.Unroutable++
		t.network.noRoute(p)
		return
	}
	hairpin := p.dst.Addr() == t.config.External
	if hairpin && !t.config.Hairpin {
		t.stats.NoHairpin++
		t.network.discard(p, "no hairpin")
		return
	}
	m := t.mapping(p.src, p.dst)
	if m == nil {
		t.stats.Unroutable++
		t.network.noRoute(p)
		return
	}
	m.expires = t.network.sim.now + t.lifetime()
	m.permits[t.config.Filtering.reduce(p.dst)] = m.expires
	t.stats.Outbound++
	p.src = netip.AddrPortFrom(t.config.External, m.port)
	if hairpin {
		t.deliver(p)
		return
	}
	t.outside.deliver(p)
}

// deliver translates a packet from outside to inside.
func (t *NAT) deliver(p *packet) {
	now := t.network.sim.now
	m := t.byPort[p.dst.Port()]
	if m == nil || m.expires <= now {
		t.stats.NoMapping++
		t.network.discard(p, "without a mapping")
		return
	}
	if t.config.Filtering != EndpointIndependent && m.permits[t.config.Filtering.reduce(p.src)] <= now {
		t.stats.Filtered++
		t.network.discard(p, "refused by the filter")
		return
	}
	t.stats.Inbound++
	p.dst = m.key.internal
	// The packet goes to a member of the inner segment or nowhere, but not out through another NAT.
	if to, ok := t.inside.members[p.dst.Addr()]; ok {
		to.deliver(p)
	} else {
		t.network.noRoute(p)
	}
}

// mapping returns the mapping of an internal endpoint for packets to an external one, and makes it
// if there is none. It returns nil if no port is left.
func (t *NAT) mapping(internal, external netip.AddrPort) *mapping {
	now := t.network.sim.now
	key := mappingKey{internal, t.config.Mapping.reduce(external)}
	if m := t.byInternal[key]; m != nil {
		if m.expires > now {
			return m
		}
		t.forget(m)
	}
	port := t.rng.IntN(mappedPorts)
	for range mappedPorts {
		p := uint16(firstMappedPort + port)
		old := t.byPort[p]
		if old != nil && old.expires <= now {
			t.forget(old)
			old = nil
		}
		if old == nil {
			m := &mapping{key: key, port: p, permits: make(map[netip.AddrPort]int64)}
			t.byInternal[key], t.byPort[p] = m, m
			t.stats.Mappings++
			return m
		}
		port = (port + 1) % mappedPorts
	}
	return nil
}

func (t *NAT) forget(m *mapping) {
	delete(t.byInternal, m.key)
	delete(t.byPort, m.port)
}
