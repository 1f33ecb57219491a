package main

import (
	"sync"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

const (
	// maxPeers is the maximum number of WebSockets in all rooms.
	maxPeers = 10_000
	// maxWaiting and maxWaitingBytes bound the number and the size of the messages that wait for a
	// peer that has not joined yet: enough for a description and its candidates.
	maxWaiting      = 64
	maxWaitingBytes = 256 << 10
	// maxBuffered is the maximum number of bytes that wait for a peer that does not read.
	maxBuffered = 1 << 20
)

// lobby contains all rooms.
type lobby struct {
	mu    sync.Mutex
	rooms map[string]*room
	peers map[*rtc.WebSocket]*room // nil: not in a room yet
}

// room has one or two peers; it exists until one of them leaves.
type room struct {
	name    string
	peers   []*rtc.WebSocket // one or two
	waiting []rtc.Message    // for the second one
	bytes   int              // of waiting
}

func newLobby() *lobby {
	return &lobby{rooms: make(map[string]*room), peers: make(map[*rtc.WebSocket]*room)}
}

// arrived is the callback of the server. The client has connected; its path is not known yet.
func (l *lobby) arrived(ws *rtc.WebSocket) {
	l.mu.Lock()
	full := len(l.peers) >= maxPeers
	if !full {
		l.peers[ws] = nil
	}
	l.mu.Unlock()
	if full {
		_ = ws.Close()
		return
	}
	ws.OnOpen(func() { l.join(ws) })
	ws.OnMessage(func(m rtc.Message) { l.relay(ws, m) })
	ws.OnClosed(func() { l.leave(ws) })
}

// join adds a peer to the room whose name is its path.
func (l *lobby) join(ws *rtc.WebSocket) {
	name, err := ws.Path()
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[name]
	switch {
	case r == nil:
		r = &room{name: name}
		l.rooms[name] = r
	case len(r.peers) == 2:
		_ = ws.CloseWithStatus(websocket.StatusPolicyViolation, "the room is full")
		return
	}
	r.peers = append(r.peers, ws)
	l.peers[ws] = r
	for _, m := range r.waiting {
		forward(ws, m)
	}
	r.waiting, r.bytes = nil, 0
}

// relay forwards a message to the other peer in the room.
func (l *lobby) relay(from *rtc.WebSocket, m rtc.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.peers[from]
	if r == nil {
		return // its WebSocket was rejected
	}
	for _, to := range r.peers {
		if to != from {
			forward(to, m)
			return
		}
	}
	if len(r.waiting) >= maxWaiting || r.bytes+len(m.Data) > maxWaitingBytes {
		_ = from.CloseWithStatus(websocket.StatusPolicyViolation, "too much said to nobody")
		return
	}
	// The message is the WebSocket's, and valid during its callback.
	r.waiting = append(r.waiting, rtc.Message{Data: append([]byte(nil), m.Data...), IsText: m.IsText})
	r.bytes += len(m.Data)
}

// forward sends a message. It never blocks; a peer that does not read is disconnected.
func forward(to *rtc.WebSocket, m rtc.Message) {
	if to.BufferedAmount() > maxBuffered {
		_ = to.CloseWithStatus(websocket.StatusPolicyViolation, "does not read")
		return
	}
	// An error means that the peer is closing, so that leave is about to be called.
	if m.IsText {
		_ = to.SendText(string(m.Data))
	} else {
		_ = to.Send(m.Data)
	}
}

// leave removes a peer, and closes its room. The other peer is disconnected, because the next peer
// in a room of this name expects the beginning of the signalling.
func (l *lobby) leave(ws *rtc.WebSocket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.peers[ws]
	delete(l.peers, ws)
	if r == nil {
		return
	}
	if l.rooms[r.name] == r {
		delete(l.rooms, r.name)
	}
	for _, other := range r.peers {
		if other != ws {
			_ = other.CloseWithStatus(websocket.StatusNormalClosure, "the other one has left")
		}
	}
}

// close disconnects all peers.
func (l *lobby) close() {
	l.mu.Lock()
	var all []*rtc.WebSocket
	for ws := range l.peers {
		all = append(all, ws)
	}
	l.mu.Unlock()
	for _, ws := range all {
		_ = ws.CloseWithStatus(websocket.StatusGoingAway, "the server stops")
	}
	for _, ws := range all {
		_ = ws.CloseAndWait() // not under the mutex, which its callbacks take
	}
}
