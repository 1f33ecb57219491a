package interop_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// conformanceCase is a case of the Autobahn test suite for RFC 6455, with its number there. The script is one end of the
// connection; the other end echoes the messages that it receives. Only the suite's strict result passes.
type conformanceCase struct {
	id     string
	script func(w *wire)
}

// conformanceCases returns the cases without extensions.
func conformanceCases() (cases []conformanceCase) {
	for _, group := range [][]conformanceCase{
		framingCases(), pingCases(), reservedCases(), opcodeCases(), fragmentationCases(), utf8Cases(),
		closeCases(), closeCodeCases(), limitCases(),
	} {
		cases = append(cases, group...)
	}
	return cases
}

func TestWebSocketConformance(t *testing.T) {
	for name, start := range ourEchoServers {
		t.Run(name+" server", func(t *testing.T) {
			url := start(t, socketOptions{})
			for _, c := range conformanceCases() {
				t.Run(c.id, func(t *testing.T) {
					w, _ := dialWire(t, url, "")
					defer w.end()
					c.script(w)
				})
			}
		})
	}
	for name, run := range ourEchoClients {
		t.Run(name+" client", func(t *testing.T) {
			for _, c := range conformanceCases() {
				t.Run(c.id, func(t *testing.T) {
					w, ended := acceptEchoClient(t, run, socketOptions{}, func(string) string { return "" })
					c.script(w)
					w.end()
					ended()
				})
			}
		})
	}
}

// acceptEchoClient connects one of our clients to a wire. The function ended waits until the client has returned, and
// returns its error.
func acceptEchoClient(t *testing.T, run echoClient, o socketOptions, answer func(offer string) string) (w *wire, ended func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), webSocketPatience)
	result := make(chan error, 1)
	go func() { result <- run(ctx, "ws://"+listener.Addr().String(), o) }()
	t.Cleanup(cancel)
	w = acceptWire(t, listener, answer)
	return w, func() error {
		t.Helper()
		select {
		case err := <-result:
			require.NoError(t, ctx.Err())
			return err
		case <-time.After(2 * webSocketPatience):
			require.FailNow(t, "the client has not returned")
			return nil
		}
	}
}
