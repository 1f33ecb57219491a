package rtc

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/websocket"
)

// errClosedConnecting is the cause of the end of connecting after the program has closed the
// WebSocket.
var errClosedConnecting = errors.New("closed while connecting")

// Close closes the WebSocket and returns at once; a second Close succeeds. As in browsers, the
// state is at first closing: the buffered messages are sent, and then the closing handshake is
// performed. The state becomes closed and OnClosed is called when the connection is closed, which
// takes at most 10 seconds without progress. Messages that still arrive are dropped.
func (ws *WebSocket) Close() error {
	return ws.CloseWithStatus(websocket.StatusNormalClosure, "")
}

// CloseWithStatus is Close with a code and a reason for the peer. code is one that may be sent, see
// websocket.StatusCode.MayBeSent, and reason has at most 123 bytes of UTF-8; otherwise the error is
// ErrInvalid. If the WebSocket is already closing, nothing changes.
func (ws *WebSocket) CloseWithStatus(code websocket.StatusCode, reason string) error {
	switch {
	case !code.MayBeSent():
		return invalidf("close: status code %d may not be sent", code)
	case len(reason) > websocket.MaxCloseReason || !utf8.ValidString(reason):
		return invalidf("close: the reason is not UTF-8 of at most %d bytes", websocket.MaxCloseReason)
	}
	if ws.ended == nil {
		return nil // the zero WebSocket is closed
	}
	ws.lock()
	defer ws.unlock()
	if ws.state < channelClosing {
		ws.closeCode, ws.closeReason = code, reason
		ws.close()
	}
	return nil
}

// goAway closes the WebSocket with the status code 1001. If it is connecting, it is closed when it
// is open, or after the grace period: the peer may already have received the answer to its
// handshake.
func (ws *WebSocket) goAway(grace time.Duration) {
	ws.lock()
	defer ws.unlock()
	switch ws.state {
	case channelConnecting:
		ws.closeCode, ws.closeOnOpen = websocket.StatusGoingAway, true
		time.AfterFunc(grace, func() {
			ws.lock()
			defer ws.unlock()
			if ws.state == channelConnecting {
				ws.close()
			}
		})
	case channelOpen:
		ws.closeCode = websocket.StatusGoingAway
		ws.close()
	}
}

// closeAndWaitTimeout is the time that CloseAndWait waits for the closing handshake: a round trip
// to most places.
const closeAndWaitTimeout = 100 * time.Millisecond

// CloseAndWait closes the WebSocket like Close. When it returns, no callback of it is running or
// will run, except the one that it is called from. It also waits until the connection is closed,
// for at most a tenth of a second, so that the buffered messages have usually been sent if the
// program exits next. After that the closing handshake continues in the background.
func (ws *WebSocket) CloseAndWait() error {
	if ws.ended == nil {
		return nil // the zero WebSocket is closed
	}
	_ = ws.Close()
	ws.mu.Lock()
	ws.silence()
	open := ws.conn != nil
	ws.mu.Unlock()
	if !open {
		return nil // the goroutine that connects ends because of Close
	}
	timeout := time.NewTimer(closeAndWaitTimeout)
	defer timeout.Stop()
	select {
	case <-ws.ended:
	case <-timeout.C:
	}
	return nil
}

// close begins closing.
func (ws *WebSocket) close() {
	switch ws.state {
	case channelConnecting:
		ws.ending = errClosed
		ws.state = channelClosing
		ws.cancel(errClosedConnecting) // the goroutine that connects calls finish
	case channelOpen:
		ws.ending = errClosed
		if ws.closeCode == 0 {
			ws.closeCode = websocket.StatusNormalClosure
		}
		ws.beginClosing()
		ws.room.Signal() // the answer of the peer must be read
		return
	default:
		return
	}
	ws.wake()
}

// beginClosing changes the state from open to closing: Send fails from now on, and the timer for
// the rest starts.
func (ws *WebSocket) beginClosing() {
	ws.state = channelClosing
	ws.closeTimer = time.AfterFunc(ws.tuning.closeTimeout, ws.onCloseTimer)
	ws.wake()
}

// progress restarts the timer of closing, because the peer has received something.
func (ws *WebSocket) progress() {
	if ws.closeTimer != nil {
		ws.closeTimer.Reset(ws.tuning.closeTimeout)
	}
}

// closeHandshake performs the closing handshake. The writer calls it after all messages.
func (ws *WebSocket) closeHandshake() {
	ws.closeStarted = true
	ws.progress()
	ws.mu.Unlock()
	err := ws.conn.Close(ws.closeCode, ws.closeReason)
	ws.mu.Lock()
	if err != nil {
		ws.log.Debug("WebSocket", "closing handshake", err)
	}
}

func (ws *WebSocket) onCloseTimer() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.abandon(errNoProgress)
}

var errNoProgress = errors.New("the peer neither receives nor closes")

// abandon closes the stream; the reader goroutine then calls finish.
func (ws *WebSocket) abandon(cause error) {
	if ws.cause == nil {
		ws.cause = cause
	}
	ws.room.Signal()
	ws.callbacks.changed.Broadcast()
	ws.mu.Unlock()
	_ = ws.conn.CloseNow() // may wait for the closing alert of TLS
	ws.mu.Lock()
}

// finish changes the state to closed, after connecting has failed or reading has ended with err. It
// is called once, and nothing else changes the state to closed.
func (ws *WebSocket) finish(conn *websocket.Conn, err error) {
	if ws.onEnded != nil {
		defer ws.onEnded() // without the mutex
	}
	answered := false
	if conn != nil {
		_ = conn.CloseNow()
		answered = conn.Close(websocket.StatusNormalClosure, "") == nil // the closing handshake's result
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	switch {
	case errors.As(err, &ws.status):
		err = nil // a clean end, whatever its code
	case ws.state == channelClosing && !ws.closedByPeer:
		err = nil // the program closed the WebSocket
		if answered {
			ws.status = &websocket.CloseError{Code: ws.closeCode, Reason: ws.closeReason}
		}
	case ws.cause != nil && errors.Is(err, websocket.ErrClosed):
		err = ws.cause
	}
	if err != nil {
		ws.log.Warn("WebSocket", "error", err)
		err = wrapError(ErrFailure, err, "WebSocket")
	}
	for ws.outbox.Len() > 0 {
		m, _ := ws.outbox.Pop()
		m.data.Free()
	}
	if ws.closeTimer != nil {
		ws.closeTimer.Stop()
	}
	if ws.trimming != nil {
		ws.trimming.Stop()
	}
	ws.closed(err)
	close(ws.ended)
}
