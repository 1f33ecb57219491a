// Package ice implements Interactive Connectivity Establishment, the protocol that finds a working
// path between two hosts behind NATs.
//
// It implements
//
//   - RFC 8445, as a full agent: host, server-reflexive and peer-reflexive candidates, the check
//     list, triggered checks, role conflicts, regular nomination, restarts, and lite peers
//   - RFC 8838, trickle: candidates may be added at any time and in any order, until both sides
//     have signalled the end of candidates
//   - RFC 8421, the order of addresses of multihomed and dual-stack hosts
//   - RFC 8863, the minimum time to failure
//   - RFC 7675, consent freshness
//   - the candidate line of RFC 8839, with the tcptype of RFC 6544
//
// [Agent] is the protocol without I/O: it opens no socket, starts no goroutine and reads no clock.
// After each input, its owner takes packets and events, and sets a timer:
//
//	agent.Receive(now, ice.Path{Base: base, Remote: from}, packet) // a STUN datagram: stun.Is
//	agent.Advance(now)                                             // at Deadline
//	for {
//		packet, path, ok := agent.Transmit(now, buf[:0])
//		if !ok {
//			break
//		}
//		sockets[path.Base].WriteToUDPAddrPort(packet, path.Remote)
//	}
//	for {
//		event, ok := agent.Event()
//		…
//	}
//	timer.Reset(agent.Deadline().Sub(now)) // unless Deadline is zero
//
// The example of Agent is a whole program with one socket. Package icenet has a complete owner,
// with sockets on all networks of the host, as a net.Conn.
//
// # Bases
//
// A base is a socket of the owner, which [Agent.AddLocal] adds and [Agent.RemoveLocal] removes, at
// any time: networks come and go. The agent itself removes a base that neither side has used for
// [DefaultUnusedTimeout] after a pair of another base was nominated (RFC 8445, section 8.3), and
// reports [EventBaseFreed]; the owner may then close the socket.
//
// # Permission to send
//
// [EventSelectedPair] names the path for application data, which may change at any time. When
// consent has expired or the base is gone, and no other valid pair has fresh consent,
// [EventPathLost] follows. Without a path, the owner may send only the packets of [Agent.Transmit],
// and no packets of the layers above.
//
// The agent does not look at application data. [Agent.Permits] reports whether a received datagram
// comes from an address that the peer has proven to have.
//
// # Restart
//
// [Agent.Restart] replaces the credentials of this side, and [Agent.SetRemote] those of the peer;
// both together begin a new generation, with its own candidates and check list. The previous
// generation keeps its pair, with its consent, until the new one has a pair: data changes from the
// old path to the new one without interruption. A restart that the peer rejects is undone by
// [Agent.CancelRestart].
//
// # Peers that change their address or their pair
//
// If the address of the peer changes, because of its NAT or its network, its checks arrive from a
// new address. The agent checks both addresses at once, and selects the new one if only that
// answers. This takes about one and a half round trips and no restart.
//
// A peer that nominates several pairs, as RFC 5245 allows, uses one of them by its own rules. An
// owner whose upper layer authenticates data calls [Agent.ReceivedData] when new data arrives on
// another path than that of the selected pair. A controlled agent then selects that pair if its
// last check succeeded within the last 15 seconds, and checks it first otherwise. Neither data nor
// nominations count as consent.
//
// # Differences from the RFCs
//
//   - There is one data stream with one component: WebRTC multiplexes everything on one.
//   - RFC 8445 starts one check in each Ta = 50 ms, so that every pair before the one that works
//     delays the connection by 50 ms. Here the average rate is the same, but up to 10 checks may
//     start at once.
//   - Data may be sent before the nomination, as RFC 8445, section 12.1, allows: the best valid
//     pair is selected at once and the state is connected; the nominated pair follows, with the
//     state completed. A connection takes one round trip, and its completion two.
//   - If no other pair remains, a Frozen pair is checked without waiting for the pairs of its
//     foundation to end.
//   - While a consent check is unanswered, others follow at intervals of one second instead of
//     five, so that one lost packet does not mean the state disconnected.
//   - The winner of a role conflict triggers a check of the pair, so that a lost error response
//     does not prolong the conflict.
//   - If the nominated pair becomes silent and another valid pair answers, the controlling agent
//     nominates the latter, and a controlled agent selects it, without a restart.
//   - An unanswered check of a pair that is nominated does not fail the pair: only the end of
//     consent does.
//
// # Not implemented
//
// The agent has no relayed local candidates and no TCP candidates, does not resolve mDNS names, and
// shares no sockets with other agents. Remote candidates of type relay are ordinary addresses and
// are supported. The aggressive nomination of RFC 5245 is accepted from the peer but not used.
// There is no lite agent.
package ice
