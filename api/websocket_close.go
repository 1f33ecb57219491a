package rtc

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/websocket"
)

// errGivenUp ends connecting because the program closed the WebSocket.
var errGivenUp = errors.New("closed while connecting")

// Close closes the WebSocket and returns at once; a second Close succeeds. As with the browser's, the state is closing at
// first: what is buffered is sent, as long as the peer takes it, then comes the closing handshake. When the connection is
// actually closed, after 10 seconds without progress at the latest, the state is closed, and OnClosed is called.
// Messages that still arrive are dropped.
func (ws *WebSocket) Close() error {
	return ws.CloseWithStatus(websocket.StatusNormalClosure, "")
}

// CloseWithStatus is Close with a code and a reason for the peer: 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999, and at most 123
// bytes of UTF-8; otherwise the error is ErrInvalid. Once the WebSocket is closing it changes nothing.
func (ws *WebSocket) CloseWithStatus(code websocket.StatusCode, reason string) error {
	switch {
	case !code.MayBeSent():
		return invalidf("close: status code %d may not be sent", code)
	case len(reason) > websocket.MaxCloseReason || !utf8.ValidString(reason):
		return invalidf("close: the reason is not UTF-8 of at most %d bytes", websocket.MaxCloseReason)
	}
	ws.lock()
	defer ws.unlock()
	if ws.state < channelClosing {
		ws.closeCode, ws.closeReason = code, reason
		ws.close()
	}
	return nil
}

// farewellGrace is how long CloseAndWait waits for the closing handshake: a round trip to most places.
const farewellGrace = 100 * time.Millisecond

// CloseAndWait closes the WebSocket like Close. When it returns no callback of it runs or will run, except the one that
// it is called from. It waits a tenth of a second for the connection to be closed as well, so that a program which ends after it
// has sent what was buffered; a peer that takes longer has its time in the background.
func (ws *WebSocket) CloseAndWait() error {
	_ = ws.Close()
	ws.mu.Lock()
	ws.silence()
	open := ws.conn != nil
	ws.mu.Unlock()
	if !open {
		return nil // who connects has been told, or will be
	}
	grace := time.NewTimer(farewellGrace)
	defer grace.Stop()
	select {
	case <-ws.ended:
	case <-grace.C:
	}
	return nil
}

// close begins closing.
func (ws *WebSocket) close() {
	switch ws.state {
	case channelConnecting:
		ws.ending = errClosed
		ws.state = channelClosing
		ws.cancel(errGivenUp) // who connects will finish
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

// beginClosing moves an open WebSocket to closing: nothing more is taken to be sent, and the peer has its time for the rest.
func (ws *WebSocket) beginClosing() {
	ws.state = channelClosing
	ws.closeTimer = time.AfterFunc(ws.tuning.closeTimeout, ws.onCloseTimer)
	ws.wake()
}

// progress gives the peer time again, because it has taken something.
func (ws *WebSocket) progress() {
	if ws.closeTimer != nil {
		ws.closeTimer.Reset(ws.tuning.closeTimeout)
	}
}

// sayFarewell does the closing handshake. It is called by the writer when everything else has been written.
func (ws *WebSocket) sayFarewell() {
	ws.farewell = true
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

var errNoProgress = errors.New("the peer does not take what is sent, nor close")

// abandon cuts the connection; who reads then finishes.
func (ws *WebSocket) abandon(cause error) {
	if ws.cause == nil {
		ws.cause = cause
	}
	ws.room.Signal()
	ws.callbacks.changed.Broadcast()
	ws.mu.Unlock()
	_ = ws.conn.CloseNow() // may wait for TLS to say goodbye
	ws.mu.Lock()
}

// finish makes the WebSocket closed: connecting has failed, or reading has ended, for the reason given. Nothing else does.
func (ws *WebSocket) finish(conn *websocket.Conn, err error) {
	answered := false
	if conn != nil {
		_ = conn.CloseNow()
		answered = conn.Close(websocket.StatusNormalClosure, "") == nil // what came of the closing handshake, if there was one
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	switch {
	case errors.As(err, &ws.status):
		err = nil // a clean end, whatever its code
	case ws.state == channelClosing && !ws.dismissed:
		err = nil // what was wanted
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
