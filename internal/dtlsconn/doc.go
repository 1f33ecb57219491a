// Package dtlsconn gives a WebRTC connection its DTLS 1.2 association (RFC 6347, RFC 8827 section 6.5).
package dtlsconn
