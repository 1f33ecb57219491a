// Package websocket implements the WebSocket protocol, client and server: messages, text or binary,
// over a connection that begins as HTTP.
//
//   - RFC 6455, the protocol: the opening handshake ([Dial] for clients, [Accept] for servers of
//     net/http, [Handshake] for other servers), framing, the closing handshake, pings.
//   - RFC 7692, permessage-deflate: messages compressed one by one, with windows of any size, with
//     or without context takeover.
//
// # The shortest program
//
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//	if err != nil {
//		return err
//	}
//	defer c.CloseNow()
//	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
//		return err
//	}
//	typ, message, err := c.Read(ctx)
//	if err != nil {
//		return err
//	}
//	fmt.Println(typ, string(message))
//	return c.Close(websocket.StatusNormalClosure, "")
//
// # Connections
//
// A [Conn] has no goroutine. It answers pings and the peer's close frame while the program reads.
// Several goroutines may write at the same time, and one system call sends their messages.
// ReadInto and Write do not allocate. See the documentation of Conn for contexts and coalescing.
//
// The error of Read is the reason that a connection has ended:
//
//   - [*CloseError]: the peer has closed it, with a code and a reason.
//   - [ErrClosed]: this side has closed it.
//   - [*ProtocolError]: the peer has broken the protocol. It matches a sentinel such as
//     [ErrUnmasked].
//   - [ErrPingTimeout]: the peer has left pings unanswered.
//   - io.ErrUnexpectedEOF: the stream has ended without a closing handshake.
//   - Any other error is that of the stream.
//
// Connections are pinged at intervals (PingInterval of [DialOptions] and [AcceptOptions]), so that
// NATs and proxies do not drop their state; setting the interval also detects a dead peer. For a
// message to many connections, see [PreparedMessage].
//
// # The framing core
//
// [Receiver] and [Sender] implement the protocol without I/O: a Receiver turns bytes of a stream
// into messages and control frames, a Sender does the opposite. They open no socket, start no
// goroutine and read no clock. Conn consists of them. A server with an event loop uses them as
// follows:
//
//	receiver, sender := websocket.NewReceiver(websocket.Config{}), websocket.NewSender(websocket.Config{}, nil)
//	for in := range pieces { // pieces of the stream
//		for len(in) > 0 {
//			var n int
//			var event websocket.Event
//			var err error
//			message, n, event, err = receiver.Receive(message, in)
//			in = in[n:]
//			switch event {
//			case websocket.EventMessage:
//				out = sender.AppendMessage(out, receiver.MessageType(), message)
//				message = message[:0]
//			case websocket.EventPing:
//				out = sender.AppendPong(out, receiver.ControlPayload())
//			case websocket.EventClose:
//				return sender.AppendClose(out, receiver.CloseError().Code, "")
//			}
//			if protocol, ok := errors.AsType[*websocket.ProtocolError](err); ok {
//				return sender.AppendClose(out, protocol.Code, "")
//			}
//		}
//	}
//
// [ParseFrameHeader], [AppendFrameHeader] and [Mask] are for programs that handle single frames.
//
// # Limits
//
// No memory is allocated for an announced length: the buffer of a message grows with the bytes
// received. A message larger than MaxMessageSize, according to its frame headers or after
// decompression, fails the connection (1009) before it is complete. Many empty fragments fail the
// connection (1008). If a peer sends many pings and does not read the pongs, only its last ping is
// remembered. Text is checked as it arrives, and refused at its first invalid byte.
//
// # Left out
//
//   - WebSockets over HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220).
//   - Extensions other than permessage-deflate.
//   - Checking that text to be sent is UTF-8.
//   - Interleaving the fragments of a large message with other messages, which RFC 6455 does not
//     allow.
package websocket
