// Package proxy opens TCP connections through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) or SOCKS5 (RFC 1928).
//
// The proxy is named by a URI, and a [Dialer] for it dials as a [net.Dialer] does, so that it goes wherever a DialContext
// function goes, such as into an http.Transport:
//
//	config, err := proxy.Parse("socks5://user:secret@proxy.example.org")
//	if err != nil {
//		return err
//	}
//	dialer := &proxy.Dialer{Proxy: config}
//	conn, err := dialer.DialContext(ctx, "tcp", "example.org:443")
//
// The host name is left to the proxy to resolve. The connection that comes back is the one to the proxy itself, not a
// wrapper, and stands at the first byte of the tunnel: no byte that follows the proxy's answer has been read.
//
// Credentials are those of the Basic scheme with HTTP (RFC 7617), and of RFC 1929 with SOCKS5. They cross the network in the
// clear, as these say, and are in no error and in no text that this package makes.
//
// What the proxy refused is an [*Error] with the status or the reply code, which matches [ErrAuthenticationRequired],
// [ErrAuthenticationFailed] or [ErrRefused] with errors.Is; an answer that is none is [ErrProtocol].
//
// # Left out
//
//   - TLS to the proxy ("https" URIs): a [Dialer] whose Forward speaks TLS does that.
//   - The environment variables HTTP_PROXY and so on, and proxy auto-configuration: the program says which proxy it wants.
//   - Digest and other schemes of HTTP authentication, which need a second request; GSSAPI of SOCKS5 (RFC 1961).
//   - BIND and UDP ASSOCIATE of SOCKS5, and UDP over HTTP (RFC 9298).
//   - SOCKS4.
package proxy
