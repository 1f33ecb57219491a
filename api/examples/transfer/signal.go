package main

import (
	"errors"
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
)

var errServerClosed = errors.New("the server let us go before the other side was reached")

// joinRoom opens a WebSocket to a signalling server, which delivers the signals instead of the
// user. It returns when the server has accepted the WebSocket, which must be closed at the end.
func (p *peer) joinRoom(url string) (*rtc.WebSocket, error) {
	ws, err := rtc.NewWebSocket(url, nil)
	if err != nil {
		return nil, err
	}
	opened := make(chan struct{})
	ws.OnOpen(func() { close(opened) })
	// After the connection was established, the server is not needed any more.
	lost := func(err error) {
		if !p.reached.Load() {
			p.fail(fmt.Errorf("signalling: %w", err))
		}
	}
	ws.OnError(lost)
	ws.OnClosed(func() { lost(errServerClosed) })
	p.signalOver(ws.NetConn())
	if _, err := waitFor(p.ctx, opened); err != nil {
		_ = ws.CloseAndWait()
		return nil, err
	}
	return ws, nil
}
