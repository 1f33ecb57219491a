// Package stun builds and parses STUN messages, protects and checks their integrity, and schedules
// the retransmissions of a client's requests.
//
// It implements RFC 8489 (and so speaks with agents of RFC 5389), with the attributes that its
// users need: ICE (RFC 8445), TURN (RFC 8656), NAT behaviour discovery (RFC 5780; the addresses
// only).
//
// A message is built behind the bytes of a buffer and parsed where it lies; neither allocates:
//
//	b := stun.NewBuilder(buf[:0], stun.TypeBindingRequest, id)
//	b.AddString(stun.AttributeUsername, "remote:local")
//	b.AddUint32(stun.AttributePriority, 1853824767)
//	b.AddIntegrity(key) // key := stun.NewKey(password), kept
//	b.AddFingerprint()
//	conn.Write(b.Bytes())
//
//	if !stun.Is(packet) {
//		return // DTLS, RTP, …
//	}
//	m, err := stun.Parse(packet)
//	if err != nil || m.CheckIntegrity(key) != nil {
//		return
//	}
//	addr, err := m.XORMappedAddress()
//
// Nothing in the package opens a socket, starts a goroutine, reads the clock or random numbers: a
// [Transaction] is told the time and says when the request is to be sent. The example of the
// package is a whole Binding client on a net.UDPConn.
//
// # Left out
//
//   - The server's side of a transaction (RFC 8489, 6.3): a Binding server needs no state; see the example of [Builder].
//   - The dance of the long-term credential mechanism (9.2.5), which the client of package stun/turn dances with the parts
//     that are here: the keys, [ParseNonce], [UserHash], the password algorithms.
//   - Estimating the retransmission timeout from measured round trips (6.2.1): [Transaction.Complete] gives the
//     measurement, [Timing] takes the result.
//   - DNS discovery (8) and the stun: URI (RFC 7064).
//   - RFC 3489: messages without the magic cookie.
//   - Normalization form C in [OpaqueString], the only part of RFC 8265 that this package's dependencies cannot do.
package stun
