// Package sctp implements the Stream Control Transmission Protocol as WebRTC
// data channels use it: messages instead of a stream of bytes, up to 65535
// independent streams in one association, each message reliable or not, ordered
// or not, over anything that carries datagrams: DTLS (RFC 8261), UDP (RFC 6951),
// a simulated network.
//
// An [Association] is a state machine without I/O. It opens no socket, starts no
// goroutine and reads no clock: packets and the time go in, packets, messages and
// events come out. The same code runs a connection and, with a seeded source of
// randomness and a made-up clock, hours of a bad network in a second, the same
// each time. It is not safe for concurrent use.
//
// # Driving an association
//
// Whatever goes in, all that comes out is taken afterwards: messages, events,
// and packets until there is none of them; and [Association.Advance] is called
// when the time has come that [Association.Deadline] names. This is all of it:
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
//					a.Release(now, &m) // gives m.Data back and reopens the receive window
//				} else if e, ok := a.Event(); ok {
//					if e.Kind == sctp.EventClosed {
//						closed = &e
//					}
//				} else if packet, ok := a.Transmit(now, buf[:0]); ok {
//					conn.Write(packet) // what is lost is sent again
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
// The loop ends when the closed association has no deadline any more. On one side
// of a graceful shutdown that is some seconds after EventClosed, in which the
// association answers a peer that has lost the last packet and asks again. If the
// program ends earlier, such a peer closes by itself, without an error; see
// [Association.Shutdown].
//
// An owner that receives packets in batches calls Receive for each of them and
// takes what comes out once: fewer acknowledgements, and packets of equal size in
// a row, which the operating system sends for less. The examples are whole
// programs, one in memory, one over UDP.
//
// Receive, Send, ReadMessage, Release and Transmit do not allocate in a steady
// state. An idle association gives its buffers back.
//
// # What it implements
//
//   - RFC 9260, SCTP: the four-way handshake with crossing INITs and the restart
//     of a peer, both ways to end, streams, fragmentation, flow control,
//     heartbeats, error causes.
//   - RFC 8261, SCTP over DTLS, as RFC 8831 profiles it for WebRTC; the messages
//     that open data channels are in package dcep.
//   - RFC 3758, partial reliability, with the policies of RFC 7496: a message is
//     given up after so many retransmissions, when its lifetime ends, or for a
//     more important one when the send buffer is full.
//   - RFC 6525, re-configuration: streams are reset, which closes data channels,
//     and added, and all numbers begun anew, at the wish of either side.
//   - RFC 8260, I-DATA and the stream schedulers: a large message does not hold
//     up the small ones of other streams.
//   - RFC 9653, zero checksum: below DTLS the CRC32c is left out if the peer
//     agrees.
//   - RFC 8899, path MTU discovery, if [Config.MaxMTU] allows it. A probe is a
//     packet of padded HEARTBEAT chunks instead of one with a PAD chunk (RFC
//     4820): no peer lists PAD in its Supported Extensions, and some end, or drop
//     the packet, when they meet a chunk that they do not know. A peer's PAD chunks
//     are ignored, as they should be.
//   - RFC 7053, SACK immediately: asked for where the sender waits for it, and
//     honoured.
//   - RFC 8985, RACK-TLP, made to fit TSNs and gap ack blocks: losses are found by
//     time instead of by counting three acknowledgements, and a lost tail by a
//     probe instead of a timeout.
//   - RFC 9438, CUBIC, with RFC 9406, HyStart++; RFC 6582, NewReno; and
//     draft-ietf-ccwg-bbr, BBR version 3: see below.
//   - RFC 6298 is where RFC 9260 has its retransmission timer from; RFC 6928 the
//     initial window of ten packets.
//
// Some numbers differ from RFC 9260, section 16, each for a reason given where it
// is defined: the least retransmission timeout ([DefaultMinRTO]), the delay of an
// acknowledgement ([DefaultSACKDelay]) and the time that a shutdown may take.
//
// # Limits
//
// What a peer can make an association hold or do is bounded: the size of a message
// by [Config.MaxMessageSize], the bytes that wait to be read or completed by
// [Config.MaxReceiveWindow], the answers that wait to be sent, the chunks and holes
// looked at for each packet. A malformed packet is counted in [Stats] and dropped;
// it ends the association only where the RFC says so. The cookie of the handshake
// is authenticated, and nothing is kept of an INIT.
//
// # Choosing the congestion control
//
// All three algorithms are paced, share the same loss detection, and take back a
// reduction when it turns out that nothing had been lost.
//
// BBR ([CongestionBBR], the default) builds a model of the path: the bandwidth that
// it delivers and its least round-trip time. It sends at that rate and keeps little
// more in flight than the path holds, so that the queue before a bottleneck stays
// short and other traffic of the same connection, such as media, is not delayed by
// a transfer. Losses that come at random, as on a radio link, do not slow it down
// unless they exceed two percent, or six while no queue shows. It takes some round trips to find a new
// bandwidth, and lowers what is in flight for 200 ms every five seconds or so to
// measure the round-trip time.
//
// CUBIC ([CongestionCUBIC]) takes every loss for congestion and fills the queue until
// there is one. It is what TCP does nearly everywhere, shares a bottleneck with it
// as one more connection, and keeps a deep queue full. Random losses cost it most of
// the rate on a long path. It is the choice where flows have to be treated like TCP's
// by the rules of a network.
//
// NewReno ([CongestionNewReno]) is the algorithm of RFC 9260 itself and of most other
// implementations: slower than CUBIC to use a long path again after a loss, and the
// one to compare with, or where conformance to the letter is asked for.
//
// The default was chosen by simulation: goodput of one stream of 64 KiB messages
// over 60 seconds as a share of the bottleneck's rate, packets of 1,200 bytes, a queue
// of one bandwidth-delay product (five in the last row); in the last row also the
// round-trip time at the end:
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
// Beside a flow of BBR, over 60 seconds at 20 and 50 Mbit/s, 40 ms and queues of one and
// two bandwidth-delay products, another one gets 50 to 55 %, a NewReno flow 30 to 53 %,
// and a CUBIC flow 36 to 54 % of what both deliver (medians; whichever began first). The
// package goodput of the bench module repeats these measurements.
//
// # Left out
//
//   - Multi-homing (RFC 9260, section 6.4) and its dynamic form (RFC 5061): there is
//     one path. Over DTLS an association has no addresses of its own (RFC 8261,
//     section 6); changing paths is the business of ICE. Addresses in an INIT are
//     ignored.
//   - ECN: the bits are in the IP header, which neither DTLS nor a portable UDP
//     socket gives access to. ECNE and CWR chunks are ignored.
//   - Authentication (RFC 4895): DTLS authenticates every packet. Over bare UDP,
//     nothing does.
//   - Partial delivery: the reader gets a message when all of it is there, which
//     [Config.MaxMessageSize] bounds. A peer that begins more messages at once than
//     [Config.MaxReceiveWindow] holds cannot complete them quickly; the largest
//     message times the streams in use at a time is a safe window.
//   - Answers to packets of no association (RFC 9260, section 8.4), except for
//     SHUTDOWN ACK: one association is all there is between two ports here, and an
//     ABORT would serve a forger. A server that expects many peers on one socket
//     gives each address its own association.
//   - The socket API of RFC 6458, and finding the address of the peer over UDP anew
//     (RFC 6951, section 5.4): the owner has the socket.
package sctp
