package rtc

import "time"

// webSocketReadGrace is how long a program that takes messages by Receive, ReadMessage or NetConn may be away with the
// last one, or leave one lying, after the peer has closed: whether it will answer, or will come at all, cannot be seen. Much
// longer than an answer takes to be made, and shorter than the end of an idle connection may be late.
const webSocketReadGrace = 500 * time.Millisecond

// settle is called by the connection when the peer has closed, has broken the protocol or has ended its side of the stream,
// before it answers: RFC 6455 has no half-closed state, and nothing may be sent behind our own close frame. The messages
// that came before the end are handled first, and their answers sent. A Send that comes too late for that fails.
//
// RFC 6455, section 5.5.1.
func (ws *WebSocket) settle(error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.farewell || ws.cause != nil {
		return
	}
	ws.farewell, ws.settling, ws.progressed = true, true, time.Now()
	ws.letHandle()
	if ws.state == channelOpen {
		ws.dismissed = true
		ws.beginClosing()
	}
	ws.flush()
	for (ws.outbox.Len() > 0 || ws.writing) && ws.cause == nil {
		ws.callbacks.changed.Wait()
	}
}

// letHandle waits until the program has handled the messages that came, or has had its time.
func (ws *WebSocket) letHandle() {
	var timer *time.Timer
	for ws.state == channelOpen && ws.cause == nil {
		patience := ws.patience()
		if patience <= 0 {
			break
		}
		if timer == nil {
			timer = time.AfterFunc(patience, func() {
				ws.mu.Lock()
				defer ws.mu.Unlock()
				ws.callbacks.changed.Broadcast()
			})
			defer timer.Stop()
		} else {
			timer.Reset(patience)
		}
		ws.callbacks.changed.Wait()
	}
}

// patience is how long the program may still take for the messages that came; 0 or less: it has handled them, or has had its
// time. OnMessage handles a message by returning. A program that asks for messages shows that it is done with the last one
// by asking for another.
func (ws *WebSocket) patience() time.Duration {
	inCallback := ws.inMessageCallback()
	switch {
	case ws.onMessage != nil && ws.unhandled == 0:
		return 0
	case ws.onMessage != nil || inCallback:
		return ws.tuning.closeTimeout - time.Since(ws.progressed)
	case ws.unhandled > 0:
		return ws.tuning.readGrace - time.Since(ws.progressed)
	case ws.asked.IsZero() || ws.readers.n.Load() > 0:
		return 0
	}
	return ws.tuning.readGrace - time.Since(ws.asked)
}

// inMessageCallback reports whether OnMessage or OnAvailable is running.
func (ws *WebSocket) inMessageCallback() bool {
	return ws.callbacks.calling && ws.callbacks.kind == eventMessages
}

// handled accounts for messages that the program has handled or, by Receive and the like, taken.
func (ws *WebSocket) handled(n int) {
	ws.unhandled -= n
	if ws.onMessage == nil && !ws.inMessageCallback() {
		ws.asked = time.Now()
	}
	if ws.settling {
		ws.progressed = time.Now()
		ws.callbacks.changed.Broadcast()
	}
}
