package main

import (
	"errors"
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
)

var errNobodyThere = errors.New("the server let us go before the other side was reached")

// meet lets a signalling server introduce the two sides, instead of a person. The WebSocket must be closed at the end.
func (p *peer) meet(url string) (*rtc.WebSocket, error) {
	ws, err := rtc.NewWebSocket(url, nil)
	if err != nil {
		return nil, err
	}
	// Once there is a connection, the server is not needed any more.
	lost := func(err error) {
		if p.State() != rtc.StateConnected {
			p.fail(fmt.Errorf("signalling: %w", err))
		}
	}
	ws.OnError(lost)
	ws.OnClosed(func() { lost(errNobodyThere) })
	p.signalOver(ws.NetConn())
	return ws, nil
}
