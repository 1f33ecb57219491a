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

// visitor is the connection with one page.
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

// serve connects with the page and returns when either of them has gone, with the reason, or ctx is
// done.
func (v *visitor) serve(ctx context.Context) error {
	pc, err := rtc.NewPeerConnection(rtc.Configuration{})
	if err != nil {
		return err
	}
	v.pc = pc
	ctx, end := context.WithCancelCause(ctx)
	defer func() {
		end(nil) // no callback waits for anything now
		_ = pc.CloseAndWait()
		v.busy.Wait()
	}()

	// The page offers, this side answers: SetRemoteDescription makes the answer.
	pc.OnSignal(func(s rtc.Signal) { v.say(ctx, s) })
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
			err = v.hear(message)
		}
		if err != nil {
			return err
		}
	}
}

// say sends a signal to the page. It is called by callbacks only, so one at a time and in order.
func (v *visitor) say(ctx context.Context, s rtc.Signal) {
	message, err := json.Marshal(s)
	if err == nil {
		err = v.ws.Write(ctx, websocket.MessageText, message)
	}
	_ = err // the reader of the WebSocket finds out what is wrong with it
}

// hear handles a signal of the page.
func (v *visitor) hear(message []byte) error {
	var s rtc.Signal
	if err := json.Unmarshal(message, &s); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	err := v.pc.ReceiveSignal(s)
	if s.Candidate != nil {
		return nil // one that cannot be used leaves the others
	}
	return err
}
