package main

import (
	"errors"
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
)

var errNobodyThere = errors.New("the server let us go before the other side was reached")

// meet opens a WebSocket to a signalling server, which introduces the two sides instead of a
// person. It returns when the server has accepted it. The WebSocket must be closed at the end.
func (p *peer) meet(url string) (*rtc.WebSocket, error) {
	ws, err := rtc.NewWebSocket(url, nil)
	if err != nil {
		return nil, err
	}
	opened := make(chan struct{})
	ws.OnOpen(func() { close(opened) })
	// Once there has been a connection, the server is not needed any more.
	lost := func(err error) {
		if !p.reached.Load() {
			p.fail(fmt.Errorf("signalling: %w", err))
		}
	}
	ws.OnError(lost)
	ws.OnClosed(func() { lost(errNobodyThere) })
	p.signalOver(ws.NetConn())
	if _, err := waitFor(p.ctx, opened); err != nil {
		_ = ws.CloseAndWait()
		return nil, err
	}
	return ws, nil
}
