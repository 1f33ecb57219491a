package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/websocket"
)

// pythonPeer is the path of the WebSocket server and client in Python.
const pythonPeer = "testdata/websocket_peer.py"

// findPython returns the path of a Python interpreter that has the library websockets, Debian's python3-websockets.
func findPython(t *testing.T) string {
	t.Helper()
	err := errors.New("no python3 in PATH")
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, lookErr := exec.LookPath(name)
		if lookErr != nil {
			continue
		}
		var output []byte
		if output, err = exec.Command(path, "-c", "import websockets").CombinedOutput(); err == nil {
			return path
		}
		err = fmt.Errorf("%s: %w: %s", path, err, bytes.TrimSpace(output))
	}
	requirePeer(t, err)
	return ""
}

// pythonCompression are settings of the library and of our side, and whether the two agree on compression.
var pythonCompression = []struct {
	name   string
	python any // parameters of the library's extension factory; nil: no compression
	ours   *websocket.CompressionOptions
	agreed bool
}{
	{"none", nil, nil, false},
	{"not ours", map[string]any{}, nil, false},
	{"not theirs", nil, &websocket.CompressionOptions{}, false},
	{"full", map[string]any{}, &websocket.CompressionOptions{}, true},
	{"no context takeover", map[string]any{"server_no_context_takeover": true, "client_no_context_takeover": true},
		&websocket.CompressionOptions{Threshold: -1}, true},
	{"our choice", map[string]any{"client_max_window_bits": 15}, &websocket.CompressionOptions{
		ServerNoContextTakeover: true, ServerMaxWindowBits: 10, ClientMaxWindowBits: 9, Threshold: -1}, true},
	{"their choice", map[string]any{"server_max_window_bits": 9, "client_max_window_bits": 11}, &websocket.CompressionOptions{Threshold: -1}, true},
}

func withPythonCompression(t *testing.T, test func(t *testing.T, options string, ours *websocket.CompressionOptions, agreed bool)) {
	for _, c := range pythonCompression {
		t.Run("compression: "+c.name, func(t *testing.T) {
			options, err := json.Marshal(map[string]any{"compression": c.python, "agreed": c.agreed})
			require.NoError(t, err)
			test(t, string(options), c.ours, c.agreed)
		})
	}
}

func TestWebSocketPythonClient(t *testing.T) {
	python := findPython(t)
	withPythonCompression(t, func(t *testing.T, options string, ours *websocket.CompressionOptions, _ bool) {
		for _, server := range ourStacks {
			t.Run(server.name, func(t *testing.T) {
				url := server.serve(t, socketOptions{subprotocols: []string{"v1.chat"}, compression: ours}, echoOrClose)
				ctx, cancel := context.WithTimeout(t.Context(), 2*webSocketPatience)
				defer cancel()
				output, err := exec.CommandContext(ctx, python, pythonPeer, "client", options, url).CombinedOutput()
				require.NoError(t, err, "%s", output)
			})
		}
	})
}

// echoOrClose echoes messages. On a text message "close CODE REASON" it closes the connection with the code and reason.
func echoOrClose(s socket) {
	defer s.drop()
	for {
		isText, message, err := s.receive()
		if err != nil {
			return
		}
		if arguments, ok := strings.CutPrefix(string(message), "close "); ok && isText {
			var code uint16
			number, reason, _ := strings.Cut(arguments, " ")
			if _, err := fmt.Sscan(number, &code); err != nil || s.close(code, reason) != nil {
				return
			}
			continue // package rtc does not wait for the peer's close frame
		}
		if s.send(isText, message) != nil {
			return
		}
	}
}

func TestWebSocketPythonServer(t *testing.T) {
	python := findPython(t)
	withPythonCompression(t, func(t *testing.T, options string, ours *websocket.CompressionOptions, agreed bool) {
		url := startPythonServer(t, python, options)
		for _, client := range ourStacks {
			t.Run(client.name, func(t *testing.T) {
				connect := func(t *testing.T, path string) socket {
					t.Helper()
					ctx, cancel := context.WithTimeout(t.Context(), webSocketPatience)
					defer cancel()
					var tap *tappedConn
					dial := func(ctx context.Context, network, address string) (net.Conn, error) {
						conn, err := dialTCP(ctx, network, address)
						tap = &tappedConn{Conn: conn}
						return tap, err
					}
					s, err := client.connect(ctx, url+path, socketOptions{subprotocols: []string{"mqtt", "v1.chat"}, compression: ours}, dial)
					require.NoError(t, err)
					t.Cleanup(s.drop)
					require.Equal(t, agreed, tap.extensions() != "", tap.extensions())
					require.Equal(t, "v1.chat", s.subprotocol())
					return s
				}
				testPythonServer(t, connect)
			})
		}
	})
}

func testPythonServer(t *testing.T, connect func(t *testing.T, path string) socket) {
	for _, path := range []string{"/echo", "/fragments"} {
		t.Run(path, func(t *testing.T) {
			s := connect(t, path)
			sent := make(chan bool, 1)
			go func() { sent <- sendAll(t, s, messagesOfAllSizes()) }()
			require.True(t, receiveAll(t, s, messagesOfAllSizes()))
			require.True(t, <-sent)
		})
	}
	t.Run("/ping", func(t *testing.T) {
		s := connect(t, "/ping")
		require.True(t, receiveAll(t, s, []testMessage{{isText: true, data: []byte("done")}}))
		go s.receive()
		if err := s.ping(); !errors.Is(err, errNoPing) {
			require.NoError(t, err)
		}
	})
	for _, c := range []closedSocket{{1000, ""}, {1001, "gone"}, {1011, "fault"}, {3000, "3"}, {4999, strings.Repeat("r", 123)}} {
		t.Run(fmt.Sprintf("closed by the server: %d", c.code), func(t *testing.T) {
			s := connect(t, fmt.Sprintf("/close/%d/%s", c.code, c.reason))
			_, _, err := s.receive()
			require.Equal(t, &c, err)
		})
		t.Run(fmt.Sprintf("closed by the client: %d", c.code), func(t *testing.T) {
			require.NoError(t, connect(t, "/closed").close(c.code, c.reason))
			_, message, err := connect(t, "/last").receive()
			require.NoError(t, err)
			var got [2]any
			require.NoError(t, json.Unmarshal(message, &got))
			require.Equal(t, [2]any{float64(c.code), c.reason}, got)
		})
	}
}

// startPythonServer starts the server for the duration of the test, and returns its URL.
func startPythonServer(t *testing.T, python, options string) (url string) {
	t.Helper()
	command := exec.Command(python, pythonPeer, "server", options)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	command.WaitDelay = 5 * time.Second
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		stdin.Close() // the program exits at the end of its input
		killTimer := time.AfterFunc(webSocketPatience, func() { _ = command.Process.Kill() })
		defer killTimer.Stop()
		if err := command.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("the server: %v\n%s", err, stderr.Bytes())
		}
	})
	killTimer := time.AfterFunc(webSocketPatience, func() { _ = command.Process.Kill() })
	defer killTimer.Stop()
	port, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return "ws://127.0.0.1:" + strings.TrimSpace(port)
}
