// Package udp reads and writes UDP datagrams in batches, with as few system calls as the operating
// system allows. It is the only package that depends on the operating system's sockets.
//
// On Linux, a read takes up to 8 messages in one recvmmsg, each of which may be a run of datagrams
// that the kernel has merged (UDP_GRO, which a socket uses after its first 32 datagrams). A write
// passes runs of equally large datagrams as one message each (UDP_SEGMENT, GSO), and many messages
// in one sendmmsg. The package detects at run time what the kernel or a network device rejects, and
// sends that one by one. Other systems take one datagram a call, behind the same API. On Windows,
// which has no call that does not block, a goroutine makes these calls.
//
//	s, err := udp.Listen(netip.MustParseAddrPort("192.0.2.1:0"), udp.Options{})
//	go s.Serve(func(in *link.Inbound) {
//		var out link.Outbound
//		for i := range in.Len() {
//			packet, from := in.At(i)
//			out.Commit(append(out.Reserve(len(packet)), packet...), from) // an echo
//		}
//		out.Flush(s)
//	})
//
// [New] wraps an existing conn. A socket that many connections share sends to any number of peers
// with one Flush: each run of datagrams to one peer is a message, and 64 messages are a system
// call.
//
// An idle socket holds no buffers: a reader takes them from a pool when there is something to read,
// and a [link.Outbound] returns them when it is flushed.
//
// Datagrams are never fragmented: the DF bit is set where the system has an option for it. The
// kernel's own estimate of the path MTU is not used, because DTLS and SCTP find theirs (RFC 8899).
// A socket of Listen that is bound to an IPv6 address does not speak IPv4.
//
// # Costs
//
// The table has the CPU time in ns for each 1,200-byte datagram over loopback, of both ends and the
// wake-up of the receiver, by the number of datagrams of a Flush: medians of three runs on a 2-core
// Linux 6.18 virtual machine with Go 1.26. Of the 217 ns, the kernel takes about 160. Loopback does
// not split what is sent as one message, so that the last line is the best case of GRO.
//
//	go test -run - -bench Loopback -benchtime 0.4s -count 3 ./internal/udp/
//
//	                              1       10       50      200
//	one datagram a call       9,410    6,497    6,354    6,800
//	recvmmsg and sendmmsg    10,067    5,893    5,848    5,953
//	and GSO                  10,083    1,967    1,315    1,304
//	and GRO                   9,406    1,080      317      217
//
// # Not implemented
//
// There are no connected sockets, multicast, ECN, or receive time stamps: no layer above needs
// them.
package udp
