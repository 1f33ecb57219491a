package rtc

import (
	"cmp"
	"log/slog"
	"sync/atomic"
)

// The two levels of the C API in addition to the four of slog.
const (
	// LevelFatal is above slog.LevelError.
	LevelFatal slog.Level = 12
	// LevelVerbose is below slog.LevelDebug, for single packets and messages.
	LevelVerbose slog.Level = -8
)

var (
	logger           atomic.Pointer[slog.Logger]
	lastConnectionID atomic.Uint64
)

// SetLogger sets the logger of the objects that are created from now on and whose configuration has
// none; nil, the initial state, turns logging off. Every line contains the number of its object in
// the process: of a PeerConnection in the attribute "pc", of a WebSocket in "ws", of a
// WebSocketServer in "wsserver". SetLogger may be called at any time, from any goroutine.
func SetLogger(l *slog.Logger) { logger.Store(l) }

// newLogger returns the logger of one new object, number id of its kind. configured is the one in
// its configuration, nil if there is none.
func newLogger(configured *slog.Logger, kind string, id uint64) *slog.Logger {
	if l := cmp.Or(configured, logger.Load()); l != nil {
		return l.With(kind, id)
	}
	return slog.New(slog.DiscardHandler)
}
