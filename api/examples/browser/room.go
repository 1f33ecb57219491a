package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// programName is the name of the program in the chat.
const programName = "Go program"

// room is the chat of all pages. It sends with its mutex held, which is safe: connections call no
// callback with their mutex held.
type room struct {
	mu       sync.Mutex
	visitors map[*visitor]bool
	last     int // number of the last visitor
}

// enter adds a visitor and names it. It reports false if the room is full.
func (r *room) enter(v *visitor) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.visitors) >= maxVisitors {
		return false
	}
	r.last++
	v.name = fmt.Sprintf("Page %d", r.last)
	r.visitors[v] = true
	return true
}

// leave removes a visitor.
func (r *room) leave(v *visitor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.visitors, v)
	if v.chat != nil {
		r.broadcast(line{Text: v.name + " has left."}, v)
	}
}

func (r *room) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.visitors)
}

// line is one message of the chat, as it is sent to the pages.
type line struct {
	From string `json:"from,omitempty"` // empty: the line reports an event
	Text string `json:"text"`
	You  string `json:"you,omitempty"` // the name of the page that receives the line
}

// join adds a visitor to the chat.
func (r *room) join(v *visitor, dc *rtc.DataChannel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := v.chat == nil
	v.chat = dc
	text := fmt.Sprintf("Hello! You are %s. Whatever you write, I answer; other pages open on me hear you, too.", v.name)
	v.sendLine(line{From: programName, Text: text, You: v.name})
	if first {
		r.broadcast(line{Text: v.name + " has come."}, v)
	}
}

// post sends a visitor's text to all others, and the answer of the program to the visitor.
func (r *room) post(v *visitor, text string) {
	answer := v.answer(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broadcast(line{From: v.name, Text: text}, v)
	v.sendLine(line{From: programName, Text: answer})
}

// broadcast sends a line to all visitors but one.
func (r *room) broadcast(l line, except *visitor) {
	for v := range r.visitors {
		if v != except && v.chat != nil {
			v.sendLine(l)
		}
	}
}

// sendLine sends a line to the visitor's page, unless the page does not read. The room's mutex is
// held.
func (v *visitor) sendLine(l line) {
	message, err := json.Marshal(l)
	if err == nil && v.chat.BufferedAmount() < maxUnread {
		_ = v.chat.SendText(string(message)) // fails if the channel is closing
	}
}

// answer returns the program's answer to a text.
func (v *visitor) answer(text string) string {
	switch strings.ToLower(strings.Trim(text, " \t\n?!.")) {
	case "who", "who is here":
		return fmt.Sprintf("%d connected at the moment; you are %s.", v.room.size(), v.name)
	case "time", "what time is it":
		return "Here it is " + time.Now().Format("15:04:05.000 MST") + "."
	case "stats", "statistics":
		s := v.pc.Stats()
		return fmt.Sprintf("%d packets in, %d out; %d messages in, %d out; %d chunks sent again; %s with %s.",
			s.DatagramsReceived, s.DatagramsSent, s.Messages.MessagesReceived, s.Messages.MessagesSent,
			s.SCTP.Retransmissions, s.SCTP.CongestionControl, s.CipherSuite)
	case "hello", "hi", "hey", "hallo", "good morning", "good evening":
		return "Hello, " + v.name + "! Ask me “who”, “time” or “stats”."
	}
	return "I got “" + text + "”."
}
