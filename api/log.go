package rtc

import (
	"log/slog"
	"sync/atomic"
)

// Two levels beside slog's own four, as the C API has them.
const (
	// LevelFatal is above slog.LevelError.
	LevelFatal slog.Level = 12
	// LevelVerbose is below slog.LevelDebug: single packets and messages.
	LevelVerbose slog.Level = -8
)

var (
	logger           atomic.Pointer[slog.Logger]
	lastConnectionID atomic.Uint64
)

// SetLogger sets the logger of the connections that are created from now on; nil, the initial state, turns logging
// off. Every line of a connection carries its number in the attribute "pc". It may be called at any time.
func SetLogger(l *slog.Logger) { logger.Store(l) }

// newLogger gives the logger of one new object, which counts objects of its kind by id.
func newLogger(kind string, id uint64) *slog.Logger {
	if l := logger.Load(); l != nil {
		return l.With(kind, id)
	}
	return slog.New(slog.DiscardHandler)
}
