// Package ice finds a working path between two hosts behind NATs: Interactive Connectivity Establishment.
//
// It implements
//
//   - RFC 8445, the full agent: host, server-reflexive and peer-reflexive candidates, the check list, triggered checks,
//     role conflicts, regular nomination, peers that are lite
//   - RFC 8838, trickle: candidates may be added at any time and in any order, until both sides are complete
//   - RFC 8421, the order of addresses of multihomed and dual-stack hosts
//   - RFC 8863, patiently awaiting connectivity before failure
//   - RFC 7675, consent freshness
//   - the candidate line of RFC 8839, with RFC 6544's tcptype
//
// [Agent] is the protocol and nothing else: it opens no socket, starts no goroutine and reads no clock. Its owner
// feeds it what arrives and the time, and sends what it wants sent:
//
//	agent.Receive(now, local, remote, packet) // a STUN datagram, see stun.Is
//	agent.Advance(now)                        // at Deadline
//	for {
//		packet, local, remote, ok := agent.Transmit(now, buf[:0])
//		if !ok {
//			break
//		}
//		sockets[local].WriteToUDPAddrPort(packet, remote)
//	}
//	for {
//		event, ok := agent.Event()
//		… // EventState, EventLocalCandidate, EventGatheringComplete, EventSelectedPair, EventBaseFreed
//	}
//	timer.Reset(agent.Deadline().Sub(now))
//
// [Conn] is that owner, with real sockets, for a program that wants a net.Conn. The example of Conn is the shortest
// whole program.
//
// # What differs from the letter of the RFC
//
//   - There is one check list with one component: WebRTC bundles everything on one.
//   - Pacing is a token bucket. RFC 8445 spaces all new checks by Ta = 50 ms, which delays the first connection by 50 ms for
//     each pair that precedes the one that works. Here the rate over time is the same, but 10 checks may go at
//     once: see checkBurst.
//   - Data may flow before nomination: the agent reports the best valid pair at once as selected and its state as
//     connected, and both again when the nominated pair is known
//     (https://www.rfc-editor.org/rfc/rfc8445.html#section-12.1 allows it). A peer one round trip away is
//     connected after one round trip, and completed after two.
//   - A frozen pair does not wait for pairs of its foundation to end when there is nothing else to check: see unfreeze.
//   - A consent check that is not answered is followed by others after a second each, instead of five, so that one lost packet is
//     not a disconnection: see probesPerInterval.
//   - After a role conflict that this agent has won, it checks the pair as after a successful check of the peer. If the error response
//     is lost, that settles the conflict.
//   - If the nominated pair goes silent and another valid one answers, the controlling agent nominates that one, and a
//     controlled agent accepts it, without a restart.
//
// # What is left out
//
// Relayed local candidates, TCP, resolving mDNS names, restart and sockets shared by agents are not in this version
// of the agent. Remote candidates of type relay are plain addresses and work. Aggressive nomination, which RFC 8445
// removed, is understood in the peer but not used. The lite role is not offered.
//
// # Peers that select another pair
//
// Peers that nominate several pairs, as RFC 5245 allows, use one of them by rules of their own. An owner whose layer above can
// authenticate data therefore calls [Agent.ReceivedData] when newer data arrives off the selected pair: a controlled agent then selects
// that pair, if the peer has answered a check on it in the last 15 seconds, and checks it first if not. Data and nominations never
// stand in for consent. A socket stays in use until the agent says [EventBaseFreed]: neither side has used it for
// [DefaultUnusedTimeout] (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
package ice
