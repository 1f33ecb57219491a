package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

// visitor is the connection to one page.
type visitor struct {
	name string // in the chat
	room *room
	ws   *websocket.Conn
	pc   *rtc.PeerConnection
	busy sync.WaitGroup // goroutines of the channels

	received atomic.Uint64 // bytes on the bulk channel

	chat *rtc.DataChannel // guarded by the room's mutex; nil before it is open
}

var (
	errFailed = errors.New("the connection failed")
	errClosed = errors.New("the page has closed the connection")
)

// serve connects to the page. It returns the reason when the WebSocket or the peer connection has
// ended, or when ctx is done.
func (v *visitor) serve(ctx context.Context) error {
	pc, err := rtc.NewPeerConnection(rtc.Configuration{})
	if err != nil {
		return err
	}
	v.pc = pc
	ctx, end := context.WithCancelCause(ctx)
	defer func() {
		end(nil) // ends calls in which callbacks wait
		_ = pc.CloseAndWait()
		v.busy.Wait()
	}()

	// The page offers, and this side answers: SetRemoteDescription creates the answer.
	pc.OnSignal(func(s rtc.Signal) { v.sendSignal(ctx, s) })
	pc.OnStateChange(func(s rtc.State) {
		switch s {
		case rtc.StateFailed:
			end(errFailed)
		case rtc.StateClosed:
			end(errClosed)
		}
	})
	pc.OnDataChannel(func(dc *rtc.DataChannel) { v.accept(ctx, dc) })

	for {
		_, message, err := v.ws.Read(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			err = v.receiveSignal(message)
		}
		if err != nil {
			return err
		}
	}
}

// sendSignal sends a signal to the page. Only callbacks call it, so one at a time and in order.
func (v *visitor) sendSignal(ctx context.Context, s rtc.Signal) {
	message, err := json.Marshal(s)
	if err == nil {
		err = v.ws.Write(ctx, websocket.MessageText, message)
	}
	_ = err // the reader of the WebSocket also receives its error
}

// receiveSignal handles a signal of the page.
func (v *visitor) receiveSignal(message []byte) error {
	var s rtc.Signal
	if err := json.Unmarshal(message, &s); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	err := v.pc.ReceiveSignal(s)
	if s.Candidate != nil {
		return nil // the other candidates may be usable
	}
	return err
}
