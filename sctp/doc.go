// Package sctp implements the Stream Control Transmission Protocol with the extensions that WebRTC
// data channels use: messages instead of a stream of bytes, up to 65535 independent streams in one
// association, each message reliable or partially reliable, ordered or unordered, over any
// transport of packets: DTLS (RFC 8261), UDP (RFC 6951), or memory.
//
// A [Conn] is the association for a program that has a transport: its methods block, and it runs by
// itself.
//
//	conn, err := sctp.Connect(ctx, transport, sctp.ConnConfig{}) // the other side calls Accept
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	if err := conn.Send(ctx, stream, ppid, []byte("hello"), sctp.SendOptions{}); err != nil {
//		return err
//	}
//	m, err := conn.Receive(ctx)
//	if err != nil {
//		return err
//	}
//	use(m.Data)
//	conn.Release(&m)
//	return conn.Shutdown(ctx)
//
// An [Association] is the protocol alone, as a state machine without I/O. It opens no socket,
// starts no goroutine and reads no clock: its inputs are packets and the time, its outputs packets,
// messages and events. The same code runs a connection and, with a seeded source of randomness and
// a simulated clock, hours on a bad network in a second, identically each time. It is not safe for
// concurrent use.
//
// # Driving an association
//
// After each input, the owner takes all output: messages, events and packets, until there is none.
// It calls [Association.Advance] at the time that [Association.Deadline] returns. This is the whole
// loop:
//
//	func run(conn net.Conn, a *sctp.Association, packets <-chan []byte, calls <-chan func(now time.Time)) error {
//		timer, buf := time.NewTimer(0), make([]byte, 0, sctp.DefaultMTU)
//		var closed *sctp.Event
//		for {
//			select {
//			case packet := <-packets: // from conn
//				a.Receive(time.Now(), packet)
//			case call := <-calls: // Connect, Send, ResetStream, Shutdown, …
//				call(time.Now())
//			case <-timer.C:
//				a.Advance(time.Now())
//			}
//			for now := time.Now(); ; {
//				if m, ok := a.ReadMessage(); ok {
//					handle(m)
//					a.Release(now, &m) // returns m.Data and reopens the receive window
//				} else if e, ok := a.Event(); ok {
//					if e.Kind == sctp.EventClosed {
//						closed = &e
//					}
//				} else if packet, ok := a.Transmit(now, buf[:0]); ok {
//					conn.Write(packet) // a packet that is lost is retransmitted
//				} else {
//					break
//				}
//			}
//			at := a.Deadline()
//			if closed != nil && at.IsZero() {
//				return closed.Err
//			}
//			if !at.IsZero() {
//				timer.Reset(time.Until(at))
//			}
//		}
//	}
//
// The loop ends when the closed association has no deadline any more. On one side of a graceful
// shutdown that is some seconds after EventClosed; meanwhile the association answers a peer that
// has lost the last packet and repeats its own. If the program ends earlier, such a peer closes by
// itself, without an error; see [Association.Shutdown].
//
// An owner that receives packets in batches calls Receive for each of them and takes the output
// once: that makes fewer acknowledgements, and packets of equal size in a row, which the operating
// system sends at less cost. The examples are whole programs, in memory, over UDP, and over a lossy
// network with a seed.
//
// Receive, Send, ReadMessage, Release and Transmit do not allocate in a steady state. An idle
// association frees its buffers.
//
// # What it implements
//
//   - RFC 9260, SCTP: the four-way handshake with crossing INITs and the restart of a peer,
//     graceful shutdown and abort, streams, fragmentation, flow control, heartbeats, error causes.
//   - RFC 8261, SCTP over DTLS, as RFC 8831 profiles it for WebRTC; the messages that open data
//     channels are in package dcep.
//   - RFC 3758, partial reliability, with the policies of RFC 7496: a message is abandoned after a
//     number of retransmissions, when its lifetime ends, or for a more important one when the send
//     buffer is full.
//   - RFC 6525, re-configuration, requested by either side: reset of streams, which closes data
//     channels, additional streams, and reset of all SSNs and TSNs. [Config.DisableRequests] denies
//     requests of the peer.
//   - RFC 8260, I-DATA and the stream schedulers: a large message does not hold up the small ones
//     of other streams.
//   - RFC 9653, zero checksum: inside DTLS, the CRC32c is left out if the peer agrees.
//   - RFC 8899, path MTU discovery, if [Config.MaxMTU] enables it. A probe is a packet of padded
//     HEARTBEAT chunks instead of one with a PAD chunk (RFC 4820): no peer lists PAD in its
//     Supported Extensions, and some peers fail, or drop the packet, at a chunk that they do not
//     know. PAD chunks of a peer are ignored, as RFC 4820 requires.
//   - RFC 7053, SACK immediately: requested where the sender waits for it, and honoured.
//   - RFC 8985, RACK-TLP, adapted to TSNs and gap ack blocks: losses are detected by time instead
//     of by counting three acknowledgements, and a lost tail by a probe instead of a timeout.
//   - RFC 9438, CUBIC, with RFC 9406, HyStart++; RFC 6582, NewReno; and draft-ietf-ccwg-bbr, BBR
//     version 3: see below.
//   - RFC 6298, on which the retransmission timer of RFC 9260 is based; RFC 6928, the initial
//     window of ten packets.
//
// Some numbers differ from RFC 9260, section 16. The reason is given where each is defined: RTO.Min
// ([DefaultMinRTO]), the delay of an acknowledgement ([DefaultSACKDelay]), and the limit of a
// shutdown ([Association.Shutdown]).
//
// # Limits
//
// Everything that a peer can make an association hold or do is bounded: the size of a message by
// [Config.MaxMessageSize]; the bytes that wait to be read or completed by
// [Config.MaxReceiveWindow]; the answers that wait to be sent; the chunks and gaps examined for
// each packet. A malformed packet is counted in [Stats] and dropped; it ends the association only
// where the RFC requires that. The cookie of the handshake is authenticated, and an INIT creates no
// state.
//
// # Choosing the congestion control
//
// All three algorithms are paced, share the same loss detection, and undo a reduction when it turns
// out that nothing was lost.
//
// BBR ([CongestionBBR], the default) models the path: its bandwidth and its minimum round-trip
// time. It sends at that rate and keeps little more in flight than the path holds, so that the
// queue before a bottleneck stays short and other traffic of the same connection, such as media, is
// not delayed by a transfer. Random losses, as on a radio link, do not slow it down unless they
// exceed two percent, or six while there is no queue. It takes some round trips to find a new
// bandwidth, and lowers the bytes in flight for 200 ms every five seconds or so to measure the
// round-trip time.
//
// CUBIC ([CongestionCUBIC]) takes every loss for congestion and fills the queue until there is one.
// TCP uses it nearly everywhere; it shares a bottleneck like one more TCP connection, and keeps a
// deep queue full. Random losses cost it most of the rate on a long path. It is the choice where
// the rules of a network require flows that behave like TCP.
//
// NewReno ([CongestionNewReno]) is the algorithm of RFC 9260 itself and of most other
// implementations: slower than CUBIC to use a long path again after a loss, and the choice for
// comparisons, or where conformance to the letter is required.
//
// The default was chosen by simulation: goodput of one stream of 64 KiB messages over 60 seconds as
// a share of the bottleneck's rate, packets of 1,200 bytes, a queue of one bandwidth-delay product
// (five in the last row); in the last row also the round-trip time at the end:
//
//	link                                 BBR             CUBIC           NewReno
//	100 Mbit/s, 10 ms                    95.2 %          97.2 %          97.0 %
//	100 Mbit/s, 50 ms, 0.1 % loss        94.7 %          9.7 %           7.8 %
//	100 Mbit/s, 50 ms, 1 % loss          92.9 %          2.5 %           2.2 %
//	100 Mbit/s, 200 ms, 0.1 % loss       90.7 %          3.3 %           2.2 %
//	1 Gbit/s, 50 ms                      94.0 %          96.4 %          96.5 %
//	20 Mbit/s, 100 ms, 3 % in bursts     81.3 %          9.4 %           7.8 %
//	10 Mbit/s, 50 ms, queue of five      94.6 %, 52 ms   97.1 %, 234 ms  97.1 %, 255 ms
//
// Beside a flow of BBR, over 60 seconds at 20 and 50 Mbit/s, 40 ms and queues of one and two
// bandwidth-delay products, another flow of BBR gets 50 to 55 %, a NewReno flow 30 to 53 %, and a
// CUBIC flow 36 to 54 % of the bytes that both deliver (medians; whichever began first). The
// package goodput of the bench module repeats these measurements.
//
// # Left out
//
//   - Multi-homing (RFC 9260, section 6.4) and its dynamic form (RFC 5061): there is one path. Over
//     DTLS an association has no addresses of its own (RFC 8261, section 6); ICE changes paths.
//     Addresses in an INIT are ignored.
//   - ECN: the bits are in the IP header, which neither DTLS nor a portable UDP socket exposes.
//     ECNE and CWR chunks are ignored.
//   - Authentication (RFC 4895): DTLS authenticates every packet. Over bare UDP, nothing does.
//   - Partial delivery: a message is read when all of it has arrived; [Config.MaxMessageSize]
//     bounds it. A peer that sends more messages at the same time than [Config.MaxReceiveWindow]
//     holds cannot complete them quickly; the largest message times the streams in use at a time is
//     a safe window.
//   - Answers to packets of no association (RFC 9260, section 8.4), except for SHUTDOWN ACK: there
//     is one association between two ports here, and an ABORT would serve an attacker. A server
//     that expects many peers on one socket has an association for each address.
//   - The socket API of RFC 6458, and a change of the peer's address over UDP (RFC 6951, section
//     5.4): the owner has the socket.
package sctp
