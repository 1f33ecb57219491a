// Package certificate generates and loads the X.509 certificates (RFC 5280) that this module's DTLS
// and TLS endpoints present.
//
//	own, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)     // self-signed, as WebRTC uses them
//	own, err := certificate.Load("server.pem", "server-key.pem", "the key's password") // from files or from PEM text
//
// Both return a [tls.Certificate], which may be used by several connections at once. Fingerprints
// of certificates (RFC 8122) are in package sdp. Chains are loaded, and never verified: a WebRTC
// peer is authenticated by the fingerprint in its session description (RFC 8827, section 6.5).
package certificate
