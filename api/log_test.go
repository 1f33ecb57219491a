package rtc

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

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
	inNetwork(t, 1, func(t *testing.T, n *network) {
		var out lockedBuffer
		SetLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: LevelVerbose})))
		t.Cleanup(func() { SetLogger(nil) })
		p := n.pair(place{b: Configuration{ICEServers: []string{"turn:user:secret@host.invalid"}}})
		p.connect("x", nil)
		eventually(t, "lines", func() bool { return strings.Contains(out.String(), "state=connected") })
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			require.Contains(t, line, "pc=")
		}
		require.Contains(t, out.String(), "host.invalid")
		require.NotContains(t, out.String(), "secret")
	})
}

func TestLoggingIsOff(t *testing.T) {
	pc := newConnection(t, Configuration{})
	require.False(t, pc.log.Enabled(context.Background(), LevelFatal))
	require.Nil(t, pc.layerLogger())
}

func TestSCTPSettings(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		config := sctp.Config{MTU: 1000}
		(*SCTPSettings)(nil).apply(&config)
		require.Equal(t, sctp.Config{MTU: 1000}, config)
		given := SCTPSettings{ReceiveBufferSize: 20_000, SendBufferSize: 30_000, InitialCongestionWindow: 3,
			CongestionControl: sctp.CongestionNewReno, DelayedSACKTime: -1, InitialRetransmitTimeout: time.Second,
			MinRetransmitTimeout: 500 * time.Millisecond, MaxRetransmitTimeout: time.Minute, MaxRetransmitAttempts: 5, HeartbeatInterval: time.Hour}
		given.apply(&config)
		require.Equal(t, sctp.Config{MTU: 1000, MaxReceiveWindow: 20_000, MaxSendBuffer: 30_000, InitialCongestionWindow: 3000,
			CongestionControl: sctp.CongestionNewReno, SACKDelay: -1, InitialRTO: time.Second, MinRTO: 500 * time.Millisecond,
			MaxRTO: time.Minute, MaxRetransmits: 5, HeartbeatInterval: time.Hour}, config)

		// The configuration is valid with any of these settings.
		for _, s := range []SCTPSettings{
			{ReceiveBufferSize: 1, SendBufferSize: 1},
			{ReceiveBufferSize: math.MaxInt, SendBufferSize: math.MaxInt, InitialCongestionWindow: math.MaxInt, CongestionControl: 99},
			{DelayedSACKTime: time.Hour, MinRetransmitTimeout: 2 * time.Second, InitialRetransmitTimeout: 3 * time.Second, MaxRetransmitTimeout: time.Second},
			{MinRetransmitTimeout: time.Hour, HeartbeatInterval: math.MaxInt64, MaxRetransmitAttempts: math.MaxInt},
			{DelayedSACKTime: math.MinInt64, MaxRetransmitTimeout: math.MaxInt64, InitialRetransmitTimeout: math.MaxInt64},
		} {
			config := sctp.Config{MTU: 1200, MaxMessageSize: 262144}
			s.apply(&config)
			require.NoError(t, config.Validate(), "%+v", s)
		}

		t.Cleanup(func() { SetSCTPSettings(SCTPSettings{}) })
		for _, s := range []SCTPSettings{given, {}, {ReceiveBufferSize: -1, SendBufferSize: -1, InitialCongestionWindow: -1,
			InitialRetransmitTimeout: -1, MinRetransmitTimeout: -1, MaxRetransmitTimeout: -1, MaxRetransmitAttempts: -1, HeartbeatInterval: -1}} {
			SetSCTPSettings(s)
			p := n.pair(place{})
			a, b := p.connect("x", nil)
			for range 100 {
				require.NoError(t, a.Send(make([]byte, 1000)))
			}
			for range 100 {
				require.Len(t, next(t, b).Data, 1000)
			}
		}
	})
}
