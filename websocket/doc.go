// Package websocket implements the WebSocket protocol, client and server:
// messages, text or binary, over a connection that began as HTTP.
//
//   - RFC 6455, the protocol: the opening handshake ([Dial], [Accept] for servers
//     of net/http, [Handshake] for those of their own), framing, the closing
//     handshake, pings.
//   - RFC 7692, permessage-deflate: messages compressed one by one, with windows of
//     any size, with or without the history of the messages before.
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
// A [Conn] has the methods that a program needs and no goroutine. It answers
// pings and the close of the peer while it is read. Writers may be many; what
// they write at the same time leaves in one system call. ReadInto and Write do not
// allocate. See the documentation of Conn for contexts and coalescing.
//
// How a connection has ended is told by the error of Read:
//
//	[*CloseError]                 the peer closed it, with a code and a reason
//	[ErrClosed]                   this side did
//	[*ProtocolError]              the peer broke the protocol; errors.Is says how
//	[ErrPingTimeout]              the peer left pings unanswered
//	[io.ErrUnexpectedEOF]         the stream ended without a closing handshake
//	any other                     from the stream
//
// # The framing core
//
// [Receiver] and [Sender] are the protocol without I/O: bytes of a stream go in,
// messages and control frames come out, and the other way round. They open no
// socket, start no goroutine and read no clock; Conn is made of them. A server
// with a loop of its own uses them like this:
//
//	receiver, sender := websocket.NewReceiver(websocket.Config{}), websocket.NewSender(websocket.Config{}, nil)
//	for in := range pieces { // of the stream, as they come
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
// Below them are [ParseFrameHeader], [AppendFrameHeader] and [Mask].
//
// # Limits
//
// Nothing is allocated by what a peer announces. A message that is larger than
// MaxMessageSize, by its frame headers or after decompression, fails the
// connection before it is there (1009). A message's buffer grows with what has
// arrived. A flood of empty fragments fails the connection; of a flood of pings
// whose answers the peer does not read, only the last is remembered. Text is
// checked as it comes, and refused at its first bad byte.
//
// # What is left out
//
//   - RFC 8441 and RFC 9220, WebSockets over HTTP/2 and HTTP/3.
//   - Extensions other than permessage-deflate.
//   - Checking that text to be sent is UTF-8: the program knows what it has.
//   - Writing one large message and others in turns: a message is one frame, or
//     the fragments of one Writer.
package websocket
