// Package deflate compresses and decompresses raw DEFLATE (RFC 1951) the way permessage-deflate (RFC 7692) uses it.
package deflate
