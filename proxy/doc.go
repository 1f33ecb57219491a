// Package proxy opens TCP connections through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) or
// SOCKS5 (RFC 1928).
//
// A [Dialer] has the methods of a [net.Dialer], so that it can be used wherever a DialContext
// function is accepted, such as in an http.Transport. [Parse] parses the URI of a proxy:
//
//	config, err := proxy.Parse("socks5://user:secret@proxy.example.org")
//	if err != nil {
//		return err
//	}
//	dialer := &proxy.Dialer{Proxy: config}
//	conn, err := dialer.DialContext(ctx, "tcp", "example.org:443")
//
// The proxy resolves the host name. The result is the connection to the proxy itself, not a
// wrapper; the next byte to be read is the first one of the tunnel.
//
// Credentials are sent by the Basic scheme with HTTP (RFC 7617), and according to RFC 1929 with
// SOCKS5, in both cases without encryption. They appear in no error and no other text of this
// package.
//
// If the proxy refuses, the error is an [*Error] with the status or the reply code, and matches
// [ErrAuthenticationRequired], [ErrAuthenticationFailed] or [ErrRefused] with errors.Is. If the
// answer is not one of the protocol, the error matches [ErrProtocol].
//
// The package works together with golang.org/x/net/proxy, without importing it: see [Dialer.Dial]
// and [ForwardThrough].
//
// # Left out
//
//   - TLS to the proxy ("https" URIs): the Forward function of a [Dialer] can add it.
//   - The environment variables HTTP_PROXY and so on, and proxy auto-configuration: the program
//     chooses the proxy.
//   - Digest and other schemes of HTTP authentication, which need a second request; GSSAPI of
//     SOCKS5 (RFC 1961).
//   - BIND and UDP ASSOCIATE of SOCKS5, and UDP over HTTP (RFC 9298).
//   - SOCKS4.
package proxy
