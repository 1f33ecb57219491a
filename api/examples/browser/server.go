package main

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

//go:embed page
var files embed.FS

const (
	// maxVisitors is the maximum number of pages connected at a time.
	maxVisitors = 64
	// maxSignal is the largest message on the WebSocket, in bytes; a description with all its
	// candidates has a few thousand.
	maxSignal = 64 << 10
	// pingInterval and maxOutstandingPings detect a page that has disappeared without a close, such
	// as a telephone out of range.
	pingInterval        = 10 * time.Second
	maxOutstandingPings = 2
)

// server serves the page, and one WebSocket for each page that is open.
type server struct {
	ctx    context.Context // of all visits
	room   room
	visits sync.WaitGroup
}

func newServer(ctx context.Context) *server {
	return &server{ctx: ctx, room: room{visitors: make(map[*visitor]bool)}}
}

func (s *server) handler() http.Handler {
	// Systems differ in the media type of .js, and browsers run a module only with this one.
	_ = mime.AddExtensionType(".js", "text/javascript; charset=utf-8")
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the path is invalid
	}
	pages := http.FileServerFS(page)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache") // embedded files change with the program, and have no date
		pages.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /signal", s.visit)
	return mux
}

// visit is the handler of the WebSocket. It returns when the page has disconnected.
func (s *server) visit(w http.ResponseWriter, r *http.Request) {
	s.visits.Add(1)
	defer s.visits.Done()
	v := &visitor{room: &s.room}
	entered := s.room.enter(v)
	// Accept accepts only pages that this server has served.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		MaxMessageSize:      maxSignal,
		PingInterval:        pingInterval,
		MaxOutstandingPings: maxOutstandingPings,
	})
	if err != nil { // Accept has sent an error response
		s.room.leave(v)
		return
	}
	if !entered { // a page can show the reason only if its WebSocket was open
		_ = ws.Close(websocket.StatusTryAgainLater, "too many pages are open")
		return
	}
	v.ws = ws
	err = v.serve(s.ctx)
	s.room.leave(v)
	switch code := websocket.CloseStatus(err); {
	case s.ctx.Err() != nil:
		_ = ws.Close(websocket.StatusGoingAway, "the program ends")
	case errors.Is(err, errClosed), code == websocket.StatusGoingAway, code == websocket.StatusNormalClosure:
		_ = ws.Close(websocket.StatusNormalClosure, "")
	default:
		log.Printf("%s: %v", v.name, err)
		_ = ws.Close(websocket.StatusPolicyViolation, "")
	}
}
