// Package udp reads and writes UDP datagrams in batches, with as few system calls as the operating system allows.
//
// It is the one place that knows what the operating system can do. On Linux a read takes up to 8 messages in one
// recvmmsg, each of them possibly a run of datagrams that the kernel has merged (UDP_GRO), and a write hands over runs of equally
// large datagrams as one message each (UDP_SEGMENT, "GSO"), many messages in one sendmmsg. What the kernel or a
// network device refuses is noticed at run time, and what was refused is sent one by one. Elsewhere it is
// one datagram a call, behind the same API.
//
//	s, err := udp.Listen(netip.MustParseAddrPort("192.0.2.1:0"), udp.Options{})
//	go s.Serve(func(b *udp.Batch) {
//		var w link.Outbound
//		for i := range b.Len() {
//			packet, from := b.At(i)
//			w.Commit(append(w.Reserve(len(packet)), packet...), from) // an echo
//		}
//		w.Flush(s)
//	})
//
// [New] does the same over a conn that the program has. A socket that many connections share sends to any number of peers with one Flush:
// each run of datagrams to one of them is a message, 64 messages are a system call.
//
// An idle socket holds no buffers: a reader takes them from a pool when there is something to read, and a [link.Outbound]
// gives them back when it is flushed.
//
// Datagrams are never fragmented (the DF bit is set where the system knows how), and the kernel's own
// estimate of the path MTU is not used, as DTLS and SCTP find theirs themselves
// (https://www.rfc-editor.org/rfc/rfc8899.html). A socket of Listen that is bound to an IPv6 address does not speak IPv4.
//
// What it costs: CPU time in ns per 1,200-byte datagram over loopback, both ends and the wake-up of the receiver together, by how many
// datagrams a Flush has (median of three; 2-core Linux 6.18 virtual machine, Go 1.26). Of the 217, about 160 are the kernel's. Loopback does not split
// what is sent as one message, so the last line is GRO's best case.
//
//	go test -run - -bench Loopback -benchtime 0.4s -count 3 ./internal/udp/
//
//	                              1       10       50      200
//	one datagram a call       9,410    6,497    6,354    6,800
//	recvmmsg and sendmmsg    10,067    5,893    5,848    5,953
//	and GSO                  10,083    1,967    1,315    1,304
//	and GRO                   9,406    1,080      317      217
//
// Left out: connected sockets, multicast, ECN and receive time stamps, which nothing above needs.
package udp
