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
	// firefoxStart is how long Firefox may take to open its page; two seconds are usual, and a busy machine needs many.
	firefoxStart = 3 * time.Minute
	// firefoxEnd is how long it may take to end.
	firefoxEnd = 30 * time.Second
)

// firefoxPreferences are those of a fresh profile. Without them Firefox hides its addresses behind names of multicast DNS,
// leaves out the loopback addresses, slows the timers of a page that nobody looks at, and talks to its maker.
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

// firefox is a running Firefox, whose one page has all connections.
type firefox struct {
	// waiting has the page's WebSocket for the next connection.
	waiting chan *websocket.Conn
	life    context.Context         // ends with the process; its cause says why
	lose    context.CancelCauseFunc // ends it
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
	f.life, f.lose = context.WithCancelCause(context.Background())

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
	complaints := &complaints{}
	program.Stdout, program.Stderr = complaints, complaints
	program.WaitDelay = 5 * time.Second
	require.NoError(t, program.Start())
	var waiting sync.WaitGroup
	waiting.Go(func() { f.lose(fmt.Errorf("Firefox has ended: %w", program.Wait())) })
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt) // it ends its other processes
		tooLate := time.AfterFunc(firefoxEnd, func() { _ = program.Process.Kill() })
		waiting.Wait()
		tooLate.Stop()
		if t.Failed() {
			t.Logf("Firefox says:\n%s", complaints)
		}
	})
	return f
}

// serve takes a WebSocket of the page.
func (f *firefox) serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // and the page's connection does not come
	}
	c.SetReadLimit(maxStackLine)
	f.waiting <- c // the page opens the next one when this one has been taken
}

// start makes a connection in the page.
func (f *firefox) start(t *testing.T, o stackStart) *stackPeer {
	t.Helper()
	var c *websocket.Conn
	select {
	case c = <-f.waiting:
	case <-f.life.Done():
		t.Fatal(context.Cause(f.life))
	case <-time.After(firefoxStart):
		t.Fatalf("the page does not ask for work after %v", firefoxStart)
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
				p.lose(fmt.Errorf("the page has ended: %w", err))
				return
			}
			p.hear(line)
		}
	})
	t.Cleanup(func() {
		_ = c.CloseNow()
		reading.Wait()
	})
	return p
}

// TestStackFirefox talks to Firefox, whose ICE agent is nICEr.
func TestStackFirefox(t *testing.T) {
	t.Parallel()
	f := startFirefox(t)
	testStack(t, &stack{
		start:      f.start,
		maxMessage: 256 << 10,
		restarts:   true,
	})
}
