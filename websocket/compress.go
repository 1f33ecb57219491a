package websocket

// compressionParams is what the handshake agreed on for permessage-deflate.
// https://www.rfc-editor.org/rfc/rfc7692.html#section-7.1
type compressionParams struct {
	serverNoContextTakeover bool // the server forgets the history after each message
	clientNoContextTakeover bool // the client does
	serverMaxWindowBits     int  // 8 to 15: how far the server's compressor looks back
	clientMaxWindowBits     int  // 8 to 15: how far the client's does
}
