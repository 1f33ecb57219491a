// Package netsim simulates networks for tests of protocol cores: a discrete event simulation in
// virtual time, in which all randomness follows from one seed.
//
// The protocol cores of this repository do no I/O and read no clock: packets and the time are their
// arguments. The simulation carries the packets that one core transmits to another, through links
// with rate, delay, jitter, loss, reordering, duplication, corruption, an MTU and a bounded queue.
// It calls each core at its deadline and moves the time from event to event, so that hours of a bad
// network take milliseconds, and every run with the same seed is the same.
//
// Two cores on a link, without addresses:
//
//	s := netsim.New(seed)
//	path := netsim.Connect(s, a, b,
//		netsim.LinkConfig{Rate: 10_000_000, Delay: 20 * time.Millisecond, Queue: 64_000, Loss: 0.01}, // a to b
//		netsim.LinkConfig{Delay: 20 * time.Millisecond})                                             // b to a
//	a.Connect(s.Now())
//	err := s.Run(func() bool { return a.Connected() && b.Connected() }, 30*time.Second)
//
// Hosts with addresses, some of them behind network address translators (the behaviours of RFC
// 4787, combined into the four classic kinds of RFC 3489), use a [Network]:
//
//	n := netsim.NewNetwork(s)
//	home := n.AddNAT(netsim.PortRestrictedCone(netip.MustParseAddr("203.0.113.1")))
//	n.Attach(agent, netsim.Interface{Addr: netip.MustParseAddr("192.168.1.2"), Behind: home})
//	n.Attach(server, netsim.Interface{Addr: netip.MustParseAddr("198.51.100.1")})
//
// A core must not keep the packet that is passed to Receive. The simulation overwrites the bytes
// when the call returns, so that a core that keeps them fails in every run.
//
// The simulation is not safe for concurrent use: everything happens on the goroutine that calls
// [Sim.Run].
//
// Left out: ICMP (a packet without a route is discarded and counted), TCP, fragmentation (a packet
// larger than the MTU is discarded), and queues other than first in, first out with tail drop.
package netsim
