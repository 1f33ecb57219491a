package interop_test

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

const (
	// firefoxStart is the limit for Firefox to open its page. It usually takes two seconds, and much longer on a busy
	// machine.
	firefoxStart = 3 * time.Minute
	// firefoxEnd is the limit for Firefox to exit after an interrupt.
	firefoxEnd = 30 * time.Second
)

// firefoxPreferences are the preferences of the profile. By default Firefox replaces its addresses by mDNS names, does not
// gather loopback addresses, throttles the timers of background pages, and connects to Mozilla's servers.
var firefoxPreferences = map[string]any{
	"media.peerconnection.ice.obfuscate_host_addresses": false,
	"media.peerconnection.ice.loopback":                 true,
	"media.peerconnection.ice.force_interface":          "lo",
	"app.normandy.enabled":                              false,
	"app.update.enabled":                                false,
	"browser.aboutwelcome.enabled":                      false,
	"browser.safebrowsing.malware.enabled":              false,
	"browser.safebrowsing.phishing.enabled":             false,
	"browser.safebrowsing.update.enabled":               false,
	"browser.shell.checkDefaultBrowser":                 false,
	"browser.startup.homepage_override.mstone":          "ignore",
	"datareporting.policy.dataSubmissionEnabled":        false,
	"datareporting.healthreport.uploadEnabled":          false,
	"dom.min_background_timeout_value":                  4,
	"dom.timeout.enable_budget_timer_throttling":        false,
	"dom.push.enabled":                                  false,
	"extensions.update.enabled":                         false,
	"network.captive-portal-service.enabled":            false,
	"network.connectivity-service.enabled":              false,
	"network.proxy.type":                                0, // none
	"services.settings.server":                          "http://127.0.0.1:9/",
	"toolkit.telemetry.enabled":                         false,
	"toolkit.telemetry.server":                          "",
}

//go:embed testdata/stack.html testdata/stacks/w3c_peer.js
var firefoxPages embed.FS

// firefox is a running Firefox. One page has all connections.
type firefox struct {
	// waiting holds the page's WebSocket for the next connection.
	waiting chan *websocket.Conn
	life    context.Context         // canceled when the process ends, with the reason as its cause
	cancel  context.CancelCauseFunc // of life
}

// startFirefox starts a Firefox for the duration of the test.
func startFirefox(t *testing.T) *firefox {
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		path, err = exec.LookPath("firefox")
	}
	if err != nil {
		requirePeer(t, errors.New("no firefox-esr in PATH (the package firefox-esr)"))
	}
	f := &firefox{waiting: make(chan *websocket.Conn, 1)}
	f.life, f.cancel = context.WithCancelCause(context.Background())

	pages, err := fs.Sub(firefoxPages, "testdata")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(pages))
	mux.HandleFunc("GET /peer", f.serve)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	home := t.TempDir()
	var preferences strings.Builder
	for name, value := range firefoxPreferences {
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		fmt.Fprintf(&preferences, "user_pref(%q, %s);\n", name, encoded)
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, "user.js"), []byte(preferences.String()), 0o600))
	program := exec.Command(path, "--headless", "--no-remote", "--profile", home, server.URL+"/stack.html")
	program.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1")
	output := &outputTail{}
	program.Stdout, program.Stderr = output, output
	program.WaitDelay = 5 * time.Second
	require.NoError(t, program.Start())
	var waiting sync.WaitGroup
	waiting.Go(func() { f.cancel(fmt.Errorf("Firefox has ended: %w", program.Wait())) })
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt) // Firefox then ends its other processes
		killTimer := time.AfterFunc(firefoxEnd, func() { _ = program.Process.Kill() })
		waiting.Wait()
		killTimer.Stop()
		if t.Failed() {
			t.Logf("output of Firefox:\n%s", output)
		}
	})
	return f
}

// serve accepts a WebSocket of the page.
func (f *firefox) serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // start then times out
	}
	c.SetReadLimit(maxStackLine)
	f.waiting <- c // the page opens the next one when this one is in use
}

// start creates a connection in the page.
func (f *firefox) start(t *testing.T, o stackStart) *stackPeer {
	t.Helper()
	var c *websocket.Conn
	select {
	case c = <-f.waiting:
	case <-f.life.Done():
		t.Fatal(context.Cause(f.life))
	case <-time.After(firefoxStart):
		t.Fatalf("no WebSocket from the page after %v", firefoxStart)
	}
	p := newStackPeer(t, func(line []byte) error {
		return c.Write(f.life, websocket.MessageText, line)
	})
	p.onCandidate = o.onCandidate
	require.NoError(t, p.write(fmt.Appendf(nil, `{"whole":%v}`, o.whole)))
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			_, line, err := c.Read(f.life)
			if err != nil {
				p.cancel(fmt.Errorf("the WebSocket of the page has ended: %w", err))
				return
			}
			p.handleLine(line)
		}
	})
	t.Cleanup(func() {
		_ = c.CloseNow()
		reading.Wait()
	})
	return p
}

// TestStackFirefox connects to Firefox, whose ICE agent is nICEr.
func TestStackFirefox(t *testing.T) {
	t.Parallel()
	f := startFirefox(t)
	testStack(t, &stack{
		start:      f.start,
		maxMessage: 256 << 10,
		restarts:   true,
	})
}
