package dtlsconn

import (
	"context"
	"fmt"
	"log/slog"
)

// levelTrace is the level, below slog's debug level, of each step of the state machine.
const levelTrace = slog.LevelDebug - 4

// loggerFactory creates loggers for pion/dtls that write to a slog.Logger. Warnings and errors are
// logged at debug level, too: they are details of a handshake whose outcome Handshaked reports.
//
// L is pion's interface of a logger, which leveledLogger implements. It is inferred, because with
// its name the package that declares it would be a direct dependency of this module.
type loggerFactory[L any] struct{ logger *slog.Logger }

// NewLogger implements the interface of pion's factory.
func (f loggerFactory[L]) NewLogger(string) L { return any(leveledLogger(f)).(L) }

// withLogger calls an option that takes a factory F of loggers L:
// withLogger(dtls.WithLoggerFactory, logger).
func withLogger[F interface{ NewLogger(scope string) L }, L, O any](option func(F) O, logger *slog.Logger) O {
	return option(any(loggerFactory[L]{logger}).(F))
}

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
