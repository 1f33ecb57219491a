package dtlsconn

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// levelTrace is below slog's debug level, for the state machine's every step.
const levelTrace = slog.LevelDebug - 4

// loggerFactory gives pion/dtls loggers that write to a slog.Logger. What it calls warnings and errors are, seen from
// a whole connection, details of a handshake whose outcome Handshaked tells: everything goes to debug.
type loggerFactory struct{ logger *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (f loggerFactory) NewLogger(string) logging.LeveledLogger { return leveledLogger(f) }

type leveledLogger struct{ logger *slog.Logger }

func (l leveledLogger) log(level slog.Level, message string) {
	l.logger.Log(context.Background(), level, message)
}

func (l leveledLogger) logf(level slog.Level, format string, args []any) {
	if l.enabled(level) {
		l.log(level, fmt.Sprintf(format, args...))
	}
}

func (l leveledLogger) enabled(level slog.Level) bool {
	return l.logger.Enabled(context.Background(), level)
}

func (l leveledLogger) Trace(message string)              { l.log(levelTrace, message) }
func (l leveledLogger) Tracef(format string, args ...any) { l.logf(levelTrace, format, args) }
func (l leveledLogger) Debug(message string)              { l.log(slog.LevelDebug, message) }
func (l leveledLogger) Debugf(format string, args ...any) { l.logf(slog.LevelDebug, format, args) }
func (l leveledLogger) Info(message string)               { l.log(slog.LevelDebug, message) }
func (l leveledLogger) Infof(format string, args ...any)  { l.logf(slog.LevelDebug, format, args) }
func (l leveledLogger) Warn(message string)               { l.log(slog.LevelDebug, message) }
func (l leveledLogger) Warnf(format string, args ...any)  { l.logf(slog.LevelDebug, format, args) }
func (l leveledLogger) Error(message string)              { l.log(slog.LevelDebug, message) }
func (l leveledLogger) Errorf(format string, args ...any) { l.logf(slog.LevelDebug, format, args) }
