// Package dtlsconn gives a WebRTC connection its DTLS 1.2 association (RFC 6347, as RFC 8827 section 6.5 and RFC 8261 use it)
// over datagrams that the owner carries: no sockets here.
//
//	conn, err := dtlsconn.New(dtlsconn.Config{
//		Client:      true,
//		Certificate: certificate, // from GenerateCertificate
//		VerifyPeer:  func(der []byte) error { return dtlsconn.VerifyFingerprint(der, "sha-256", signalled) },
//		Output:      func(datagram []byte) { socket.Write(datagram) },
//		Handshaked:  func(err error) { … },
//		Closed:      func(err error) { … },
//	})
//	conn.Start()
//	…
//	conn.Receive(datagram, sctp.Receive)               // for each datagram whose first byte is 20 to 63
//	datagram, err = conn.Seal(datagram[:0], plaintext) // to send
//
// # Two phases
//
// The handshake is pion/dtls', over an in-memory net.PacketConn: mutual authentication with self-signed certificates, ECDHE,
// extended master secret, no HelloVerifyRequest. With an AEAD cipher suite (AES-GCM, RFC 5288; ChaCha20-Poly1305, RFC
// 7905) pion/dtls is let go when the handshake is over, and the records are protected here: in place, without
// allocation, several to a datagram if the owner likes. Sealing and opening a record of 1,200 bytes takes 0.57 µs with
// AES-128-GCM, of which the AEAD is all but 0.08, where pion/dtls takes 8.6 µs and 33 allocations (BenchmarkRecord,
// BenchmarkPionRecord; a 2-core EPYC, both ends counted). With other suites (CBC for old peers,
// CCM) pion/dtls stays, [Conn.Fast] is false, and [Conn.Write] takes the place of [Conn.Seal].
//
// # No nonce twice
//
// In both families of suites the nonce is the record's sequence number, under a key of the epoch and direction, and must
// never repeat. pion/dtls seals at least one record of the new epoch, its Finished, and would seal more: retransmissions of it,
// alerts. The argument that nothing collides:
//
//   - Everything pion/dtls sends passes one function, under a lock, that notes the highest sequence number it lets out.
//   - The handover cuts that function off, under the same lock, before it reads the number: what pion/dtls seals afterwards
//     reaches nobody, and a nonce whose ciphertext nobody has is not used.
//   - The records sealed here continue at the next number, from one counter under one lock: application data, close_notify, and
//     the last flight when it has to be repeated, which is sealed anew instead of replaying what pion/dtls had sealed.
//
// So the numbers have no gap either, and a peer's replay window, 64 records at many, still accepts a repeated Finished.
// The counter ends at 2^48-1, of which the last number is kept for close_notify.
//
// # After the handshake
//
// What pion/dtls would do for an established association is done here: the server answers a retransmitted Finished of
// the client, authentic and new, with its last flight (RFC 6347, section 4.2.4), close_notify is answered, a fatal
// alert ends the association, all else is dropped and counted. Application data and alerts that overtake the end of
// the handshake are held for it, as are datagrams that arrive before Start; named constants bound both.
//
// # What an idle association costs
//
// With an AEAD suite: no goroutine, no timer, and 4.5 KB of heap, of which key schedules are 2 KB, the replay window 0.5 KB and
// the peer's certificate 0.4 KB (BenchmarkIdle, amd64; TestIdleConnIsSmall holds a bound). Without: the four goroutines that pion/dtls and the reader need.
// During the handshake there are four as well.
//
// # Left out
//
// DTLS 1.3 (RFC 9147), of which pion/dtls v3.1 has messages and no handshake: a peer that offers it as well gets DTLS 1.2, one that insists
// on it is not understood. Session resumption, renegotiation, connection IDs (RFC 9146) and pre-shared keys, which WebRTC does not
// use: they are neither offered nor accepted, and a peer that offers connection IDs goes without. Verification of certificate chains, for which the signalled fingerprint stands.
package dtlsconn
