package rtc

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sctp"
)

// lockedBuffer collects log lines of several connections.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLogLinesNameTheConnection(t *testing.T) {
	var out lockedBuffer
	SetLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: LevelVerbose})))
	t.Cleanup(func() { SetLogger(nil) })
	p := newPair(t, Configuration{}, Configuration{ICEServers: []string{"turn:user:secret@host.invalid"}})
	p.connect("x", nil)
	eventually(t, "lines", func() bool { return strings.Contains(out.String(), "state=connected") })
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		require.Contains(t, line, "pc=")
	}
	require.Contains(t, out.String(), "host.invalid")
	require.NotContains(t, out.String(), "secret")
}

func TestLoggingIsOff(t *testing.T) {
	pc := newConnection(t, Configuration{})
	require.False(t, pc.log.Enabled(context.Background(), LevelFatal))
	require.Nil(t, pc.iceLogger())
}

func TestSCTPSettings(t *testing.T) {
	SetSCTPSettings(SCTPSettings{ReceiveBufferSize: 20_000, SendBufferSize: 30_000, InitialCongestionWindow: 3,
		CongestionControl: sctp.CongestionNewReno, DelayedSACKTime: -1})
	t.Cleanup(func() { SetSCTPSettings(SCTPSettings{}) })
	p := newPair(t, Configuration{}, Configuration{})
	a, b := p.connect("x", nil)
	for range 100 {
		require.NoError(t, a.Send(make([]byte, 1000)))
	}
	require.GreaterOrEqual(t, a.BufferedAmount(), 100*1000-30_000-20_000)
	for range 100 {
		next(t, b)
	}
	for _, invalid := range []SCTPSettings{{}, {ReceiveBufferSize: -1, SendBufferSize: -1, InitialCongestionWindow: -1,
		InitialRetransmitTimeout: -1, MinRetransmitTimeout: -1, MaxRetransmitTimeout: -1, MaxRetransmitAttempts: -1, HeartbeatInterval: -1}} {
		SetSCTPSettings(invalid)
		p := newPair(t, Configuration{}, Configuration{})
		a, b := p.connect("x", nil)
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	}
}
