package rtc

import "time"

// webSocketReadGrace is the time for which, after the peer has closed, the answer waits for a
// program that uses Receive, ReadMessage or NetConn and has taken a message, or leaves one pending.
// Whether the program is going to answer is unknown. The time is much longer than necessary to
// prepare an answer, and an acceptable delay for the end of an idle connection.
const webSocketReadGrace = 500 * time.Millisecond

// drain is called by the connection after the peer has closed, has broken the protocol or has ended
// its side of the stream, before the connection answers. RFC 6455 has no half-closed state: nothing
// may be sent after our close frame. So drain waits until the program has handled the messages
// received before, and until its answers have been sent. A later Send fails.
//
// RFC 6455, section 5.5.1.
func (ws *WebSocket) drain(error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closeStarted || ws.cause != nil {
		return
	}
	ws.closeStarted, ws.draining, ws.lastProgress = true, true, time.Now()
	ws.waitForProgram()
	if ws.state == channelOpen {
		ws.closedByPeer = true
		ws.beginClosing()
	}
	ws.flush()
	for (ws.outbox.Len() > 0 || ws.writing) && ws.cause == nil {
		ws.callbacks.changed.Wait()
	}
}

// waitForProgram waits until the program has handled the received messages, or its time has passed.
func (ws *WebSocket) waitForProgram() {
	var timer *time.Timer
	for ws.state == channelOpen && ws.cause == nil {
		remaining := ws.remaining()
		if remaining <= 0 {
			break
		}
		if timer == nil {
			timer = time.AfterFunc(remaining, func() {
				ws.mu.Lock()
				defer ws.mu.Unlock()
				ws.callbacks.changed.Broadcast()
			})
			defer timer.Stop()
		} else {
			timer.Reset(remaining)
		}
		ws.callbacks.changed.Wait()
	}
}

// remaining returns the remaining time for the program to handle the received messages; 0 or less:
// it has handled them, or its time has passed. OnMessage has handled a message when it returns. A
// program that calls Receive and the like has handled a message when it asks for the next one.
func (ws *WebSocket) remaining() time.Duration {
	inCallback := ws.inMessageCallback()
	switch {
	case ws.onMessage != nil && ws.unhandled == 0:
		return 0
	case ws.onMessage != nil || inCallback:
		return ws.tuning.closeTimeout - time.Since(ws.lastProgress)
	case ws.unhandled > 0:
		return ws.tuning.readGrace - time.Since(ws.lastProgress)
	case ws.lastTaken.IsZero() || ws.readers.n.Load() > 0:
		return 0
	}
	return ws.tuning.readGrace - time.Since(ws.lastTaken)
}

// inMessageCallback reports whether OnMessage or OnAvailable is running.
func (ws *WebSocket) inMessageCallback() bool {
	return ws.callbacks.calling && ws.callbacks.kind == eventMessages
}

// handled accounts for messages that OnMessage has handled, or that Receive and the like have
// returned.
func (ws *WebSocket) handled(n int) {
	ws.unhandled -= n
	if ws.onMessage == nil && !ws.inMessageCallback() {
		ws.lastTaken = time.Now()
	}
	if ws.draining {
		ws.lastProgress = time.Now()
		ws.callbacks.changed.Broadcast()
	}
}
