// Package netsim is a simulated network for testing protocol cores: a discrete event simulation in
// virtual time, in which everything that looks random follows from one seed.
//
// A protocol core of this repository does no I/O and reads no clock: packets and the time are its
// arguments. The simulation is therefore the whole world of a core. It carries the packets that one
// core transmits to another through links with rate, delay, jitter, loss, reordering, duplication,
// corruption, an MTU and a bounded queue, wakes each core at the deadline it names, and jumps from
// event to event, so that hours of a bad network pass in milliseconds and come out the same each
// time.
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
// 4787, composed into the four classic kinds of RFC 3489), use a [Network]:
//
//	n := netsim.NewNetwork(s)
//	home := n.AddNAT(netsim.PortRestrictedCone(netip.MustParseAddr("203.0.113.1")))
//	n.Attach(agent, netsim.Interface{Addr: netip.MustParseAddr("192.168.1.2"), Behind: home})
//	n.Attach(server, netsim.Interface{Addr: netip.MustParseAddr("198.51.100.1")})
//
// A core must not keep the packet that it is given in Receive: the simulation overwrites the bytes
// as soon as the call returns, so that a core that does keep them fails in every run.
//
// The simulation is not safe for concurrent use; everything happens on the goroutine that calls
// [Sim.Run].
//
// Left out: ICMP (a packet with nowhere to go vanishes and is counted), TCP, fragmentation (a
// packet larger than the MTU vanishes), and queue disciplines other than first in, first out with
// tail drop.
package netsim
