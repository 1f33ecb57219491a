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

// signalMessage is what the two sides say on the WebSocket: one of the two, as the browser's own objects encode in JSON.
type signalMessage struct {
	Description *rtc.SessionDescription `json:"description,omitempty"`
	Candidate   *rtc.Candidate          `json:"candidate,omitempty"`
}

var (
	errFailed = errors.New("the connection failed")
	errClosed = errors.New("the page has closed the connection")
)

// serve connects with the page and returns when either of them has gone, with the reason, or ctx is done.
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
	pc.OnLocalDescription(func(d rtc.SessionDescription) { v.say(ctx, signalMessage{Description: &d}) })
	pc.OnLocalCandidate(func(c rtc.Candidate) { v.say(ctx, signalMessage{Candidate: &c}) })
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
func (v *visitor) say(ctx context.Context, s signalMessage) {
	message, err := json.Marshal(s)
	if err == nil {
		err = v.ws.Write(ctx, websocket.MessageText, message)
	}
	_ = err // what is wrong with the WebSocket, its reader will find out
}

// hear handles a signal of the page.
func (v *visitor) hear(message []byte) error {
	var s signalMessage
	if err := json.Unmarshal(message, &s); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	switch {
	case s.Description != nil:
		return v.pc.SetRemoteDescription(*s.Description)
	case s.Candidate != nil:
		_ = v.pc.AddRemoteCandidate(*s.Candidate) // one that cannot be used leaves the others
	}
	return nil // something that a later page may know of
}
