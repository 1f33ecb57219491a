// Package stun implements STUN (RFC 8489): building and parsing messages, their integrity, and the
// client's side of transactions.
//
// A program that wants its public address needs one call:
//
//	conn, err := net.Dial("udp", "stun.example.org:3478")
//	…
//	addr, err := stun.ReflexiveAddress(ctx, conn, stun.Request{})
//
// [Exchange] sends any request over a UDP socket, TCP or TLS, retransmits it, and authenticates the
// request and the response with [Credentials].
//
// # Without I/O
//
// Except for Exchange and ReflexiveAddress, which use the connection that they are given, nothing
// in the package does I/O or reads the clock or random numbers, and no part of it starts a
// goroutine that outlives a call. Package net is not imported. A message is built behind the bytes
// of a buffer and parsed in place; neither allocates:
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
// A [Transaction] schedules the requests of a client that has its own loop; its time is an
// argument.
//
// # Attributes
//
// The package has getters and Add methods for the attributes of RFC 8489, ICE (RFC 8445), TURN (RFC
// 8656) and the addresses of NAT behaviour discovery (RFC 5780). [Message.Get] and [Builder.Add]
// serve all others.
//
// # Left out
//
//   - The server's side of a transaction (RFC 8489, section 6.3): a Binding server keeps no state,
//     see the example of [Builder].
//   - The estimation of the retransmission timeout from round-trip times (section 6.2.1):
//     [Transaction.Complete] returns the measurement, [Timing] takes the result.
//   - DNS discovery (section 8) and stun URIs (RFC 7064).
//   - Following ALTERNATE-SERVER (section 10): [ResponseError] has the response.
//   - Messages without the magic cookie (RFC 3489).
//   - Normalization form C in [OpaqueString].
package stun
