// Package rtc implements WebRTC peer connections and data channels (RFC 8825), and WebSockets for
// their signalling.
//
// A [PeerConnection] finds a path to its peer (ICE, RFC 8445, with trickle ICE, RFC 8838, and
// consent, RFC 7675), secures it (DTLS 1.2, RFC 6347, with the fingerprint of the certificate in
// the description, RFC 8122), and carries the messages of any number of [DataChannel]s over it
// (SCTP, RFC 9260 and RFC 8831, and DCEP, RFC 8832). The two sides first exchange session
// descriptions (RFC 8829) and candidates; delivering these is up to the application.
//
//	pc, err := rtc.NewPeerConnection(rtc.Configuration{ICEServers: []string{"stun:stun.example.org"}})
//	pc.OnSignal(func(s rtc.Signal) { deliver(s) }) // the other side calls ReceiveSignal
//	dc, err := pc.CreateDataChannel("chat", nil)   // makes the offer
//	dc.OnOpen(func() { dc.SendText("hello") })
//	dc.OnMessage(func(m rtc.Message) { fmt.Printf("%s\n", m.Data) })
//
// The examples below are whole programs: the first one has both sides, [Signal] shows the
// signalling over a WebSocket.
//
// # Callbacks
//
// The callbacks of a connection and of its channels are called in one sequence, one at a time, by a
// goroutine that exists while events wait or there is traffic. No callback is called from inside
// the function that caused it, and no lock is held during a callback, so that every function may be
// called in every callback. A callback that takes long delays those after it, and in the end the
// peer, whose messages are not read. Wait, GatherComplete, ReadMessage, WriteMessage and Shutdown
// are blocking alternatives for programs with a goroutine of their own.
//
// # Messages
//
// Send copies the message and never blocks. BufferedAmount and OnBufferedAmountLow report when a
// program can send more; WriteMessage waits. A received message remains in the buffer in which SCTP
// has reassembled it, and counts in the receive window until the program has taken it: a program
// that does not read slows its peer down and loses no message. Receive, ReceiveInto, ReadMessage,
// ReadMessageInto and NetConn are alternatives to OnMessage.
//
// # WebSockets
//
// A [WebSocket] has the methods of a data channel, and a [WebSocketServer] accepts WebSockets.
//
//	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{Port: 8000}, func(ws *rtc.WebSocket) {
//		ws.OnMessage(func(m rtc.Message) { ws.Send(m.Data) })
//	})
//	ws, err := rtc.NewWebSocket("ws://localhost:8000/chat", nil)
//	ws.OnOpen(func() { ws.SendText("hello") })
//
// An open WebSocket has one goroutine, which reads, and a second one while there are messages to
// write. It reads as long as the program takes the messages, within limits; then TCP slows the peer
// down. Small messages are sent and received without an allocation.
//
// # Resources
//
// A connection has one goroutine for each UDP socket, and one timer. A socket that neither side has
// used for 30 seconds after the path was selected is closed, so that one is left. All state of a
// connection is guarded by one mutex. Records are encrypted and decrypted in place, in the buffers
// of the system calls; in steady state no packet needs an allocation.
//
// Measured on two cores of an AMD EPYC under Linux 6.18 over loopback, both ends in one process (go
// test -run - -bench . ./api): a channel is open on both sides 2.3 ms after CreateDataChannel
// (median of 50); messages of 64 KiB flow at 1.1 GB/s; a small message and its answer take 38 µs;
// an idle connection holds 31 KiB, stacks included, and one goroutine.
//
// # Networks that change
//
// A connection that receives nothing from its peer is in StateDisconnected, from which it may
// return to StateConnected, and after 30 seconds in StateFailed. RestartICE looks for a new path in
// both states, and in any other: channels stay open and no message is lost. While the connection is
// in StateFailed, sending and waiting for messages fail with [ErrPathLost].
//
// # Ends
//
// Reading a channel ends with an error that matches io.EOF if the peer has closed the channel or
// the connection, and net.ErrClosed if this side has; sending on a closed channel fails with
// net.ErrClosed. Close of a connection sends the buffered messages, within the limits that its
// documentation states; Shutdown also waits for that, and reports whether the peer has everything.
//
// # Limitations
//
// TURN servers, ICE over TCP, UDP multiplexing and the proxy in the [Configuration] are ignored,
// with a warning in the log. Media tracks cannot be added. The media sections of an offer are
// answered as inactive if they share a transport with the data channels (BUNDLE, RFC 9143), and
// rejected otherwise; the data channels work beside them, and when the other side adds or removes
// tracks later. Identity assertions (RFC 8827, section 7) and DTLS 1.3 are not planned.
package rtc
