// Package dtlsconn implements the DTLS 1.2 association (RFC 6347) of a WebRTC connection (RFC 8827,
// section 6.5; RFC 8261) over datagrams that its owner carries. It opens no socket.
//
//	conn, err := dtlsconn.New(dtlsconn.Config{
//		Client:      true,
//		Certificate: own, // a tls.Certificate
//		VerifyPeer:  func(der []byte) error { … },
//		Ready:       func() { … }, // calls transmit, below
//		Handshaked:  func(err error) { … },
//		Closed:      func(err error) { … },
//	})
//	conn.Start()
//	…
//	conn.Receive(datagram, sctp.Receive)               // for each datagram whose first byte is 20 to 63
//	datagram, err = conn.Seal(datagram[:0], plaintext) // to send
//
//	transmit := func() { // after Ready, Receive, Write, Close, and before sending what Seal has returned
//		for datagram, ok := conn.Transmit(buf[:0]); ok; datagram, ok = conn.Transmit(buf[:0]) {
//			socket.Write(datagram)
//		}
//	}
//
// # Two phases
//
// pion/dtls does the handshake, over an in-memory net.PacketConn: mutual authentication with
// self-signed certificates, ECDHE, extended master secret, no HelloVerifyRequest. With an AEAD
// cipher suite (AES-GCM, RFC 5288; ChaCha20-Poly1305, RFC 7905) its connection is closed when the
// handshake is complete, and this package protects the records: in place, without allocation,
// several to a datagram if the owner likes. Sealing and opening a record of 1,200 bytes takes 0.57
// µs with AES-128-GCM, of which the AEAD takes all but 0.08, where pion/dtls takes 8.6 µs and 33
// allocations (BenchmarkRecord, BenchmarkPionRecord; a 2-core EPYC, both ends counted). With other
// suites (CBC for old peers, CCM) pion/dtls protects the records, [Conn.Fast] is false, and
// [Conn.Write] takes the place of [Conn.Seal].
//
// # Keys
//
// The record keys and the exporters follow from the master secret, the randoms of both sides and
// the cipher suite (RFC 5246, section 6.3; RFC 5705). The master secret and the client's random
// come from the key log of pion/dtls, the server's random from the ServerHello, which passes in
// plaintext. Before they are used they are checked: keying material exported with them must equal
// that which pion/dtls exports from its own state.
//
// # No nonce twice
//
// In both families of suites the nonce is the record's sequence number, under a key of the epoch
// and direction, and must never repeat. pion/dtls seals at least one record of the new epoch, its
// Finished, and would seal more: retransmissions of it, and alerts. No number is used twice,
// because:
//
//   - Everything that pion/dtls sends passes one function, under a lock, that records the highest
//     sequence number.
//   - At the handover that function is disabled, under the same lock, before the number is read.
//     Records that pion/dtls seals afterwards are never sent, and a nonce whose ciphertext is not
//     sent is not used.
//   - The records sealed here continue at the next number, from one counter under one lock:
//     application data, close_notify, and a repeated last flight, which is sealed anew.
//
// So the numbers have no gap either, and a peer's replay window, often of 64 records, accepts a
// repeated Finished. The counter ends at 2^48-1; the last number is reserved for close_notify.
//
// # After the handshake
//
// The server answers a retransmitted Finished of the client, if it is authentic and not a replay,
// with its last flight (RFC 6347, section 4.2.4). close_notify is answered, a fatal alert ends the
// association, all other records but application data are dropped and counted. Application data and
// alerts that overtake the end of the handshake are kept for it, as are datagrams that arrive
// before Start; named constants limit both.
//
// # What an idle association costs
//
// With an AEAD suite: no goroutine, no timer, and 4.5 KB of heap, of which key schedules have 2 KB,
// the replay window 0.5 KB and the peer's certificate 0.4 KB (BenchmarkIdle, amd64;
// TestIdleConnIsSmall holds a bound). With another suite, and during the handshake: four
// goroutines, those of pion/dtls and the reader.
//
// # Left out
//
// DTLS 1.3 (RFC 9147), of which pion/dtls v3.1 has messages and no handshake: a peer that offers it
// as well uses DTLS 1.2, a peer that requires it fails. Session resumption, renegotiation,
// connection IDs (RFC 9146) and pre-shared keys, which WebRTC does not use: they are neither
// offered nor accepted. Verification of certificate chains: the signalled fingerprint authenticates
// the certificate.
package dtlsconn
