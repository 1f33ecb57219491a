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
//		var w udp.Writer
//		for i := range b.Len() {
//			packet, from := b.At(i)
//			w.Commit(append(w.Reserve(len(packet)), packet...), from) // an echo
//		}
//		w.Flush(s)
//	})
//
// An idle socket holds no buffers: a reader takes them from a pool when there is something to read, and a [Writer]
// gives them back when it is flushed.
//
// Datagrams are never fragmented (the DF bit is set where the system knows how), and the kernel's own
// estimate of the path MTU is not used, as DTLS and SCTP find theirs themselves
// (https://www.rfc-editor.org/rfc/rfc8899.html). A socket bound to an IPv6 address does not speak IPv4.
//
// What it costs, in ns per 1,200-byte datagram sent and received over loopback, both ends together
// (2-core Linux 6.18 virtual machine, Go 1.26; GOMAXPROCS 2; loopback does not split super-packets, a best case for GRO):
//
//	go test -run - -bench Loopback ./internal/udp/
//
// # MEASURED-TABLE
//
// Left out: connected sockets, multicast, ECN and receive time stamps, which nothing above needs.
package udp
