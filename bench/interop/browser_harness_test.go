package interop_test

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

const (
	// browserStart is the time in which the browser must start.
	browserStart = 60 * time.Second
	// scriptTime is the limit of one script in the page. peer.js fails earlier, with the name of the missing event.
	scriptTime = 60 * time.Second
	// bulkTime is the limit of a script that sends a large amount of data.
	bulkTime = 3 * time.Minute
	// browserPatience is the limit of a wait on this side for an event without delay; a busy machine may take seconds.
	browserPatience = 20 * time.Second
)

//go:embed testdata/*.html testdata/*.js
var testdata embed.FS

// browser is a running Chromium, and the HTTP server with the page and the signalling for it.
type browser struct {
	ctx    context.Context
	server *httptest.Server

	mu       sync.Mutex
	sessions map[string]*browserSession // by their path in the server
}

// startBrowser starts a Chromium for the duration of the test. Its host candidates contain addresses. With mDNS they
// contain multicast DNS names, as in browsers whose user has not permitted the page to use a camera or microphone.
func startBrowser(t *testing.T, mDNS bool, more ...chromedp.ExecAllocatorOption) *browser {
	path, err := findBrowser()
	requirePeer(t, err)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.Headless,
		chromedp.NoSandbox, // the tests may run as root, and load only their own pages
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("mute-audio", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
	}
	if !mDNS {
		options = append(options, chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns"))
	}
	options = append(options, more...)
	// The allocator creates an empty user data directory, and removes it when the browser has exited.
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	starting := time.AfterFunc(browserStart, cancel)
	requirePeer(t, chromedp.Do(ctx)) // starts it
	require.True(t, starting.Stop(), "the browser took longer than %v to start", browserStart)

	b := &browser{ctx: ctx, sessions: make(map[string]*browserSession)}
	pages, err := fs.Sub(testdata, "testdata")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(pages))
	mux.HandleFunc("GET /signal/{name}", b.serveSignals)
	mux.HandleFunc("POST /signal/{name}", b.takeSignal)
	b.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		b.server.CloseClientConnections() // event streams that are still open
		b.server.Close()
	})
	return b
}

// findBrowser returns the path of the browser.
func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium in PATH")
}

// page is a tab of the browser, whose page includes peer.js.
type page struct {
	t   *testing.T
	b   *browser
	ctx context.Context
}

// open opens a tab for the duration of the test. Messages on the page's console are logged by the test.
func (b *browser) open(t *testing.T) *page {
	ctx, cancel := chromedp.NewContext(b.ctx)
	var logging sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		logging.Wait()
	})
	p := &page{t: t, b: b, ctx: ctx}
	// The first call must not have a deadline, because the tab is closed when the call's context ends.
	opening := time.AfterFunc(browserStart, cancel)
	require.NoError(t, chromedp.Do(ctx), "open a tab")
	opening.Stop()
	console := chromedp.Console(ctx)
	logging.Go(func() {
		for message, err := range console {
			if err == nil {
				t.Logf("console: %v", message)
			}
		}
	})
	p.within(browserStart, "load the page", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Navigate(b.server.URL+"/peer.html"))
	})
	return p
}

// in returns the page for use in a subtest.
func (p *page) in(t *testing.T) *page { return &page{t: t, b: p.b, ctx: p.ctx} }

// within runs an action of the page with a time limit.
func (p *page) within(limit time.Duration, what string, action func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeoutCause(p.ctx, limit, fmt.Errorf("not done in %v", limit))
	defer cancel()
	if err := action(ctx); err != nil {
		p.t.Fatalf("in the browser: %s: %v (%v)", what, err, context.Cause(ctx))
	}
}

// run runs the body of an async function in the page. Its parameter args has the arguments.
func (p *page) run(script string, args ...any) {
	p.t.Helper()
	p.within(scriptTime, script, func(ctx context.Context) error {
		return chromedp.Do(ctx, inPage[chromedp.Void](script, args))
	})
}

// value runs a script that returns a value.
func value[T any](p *page, script string, args ...any) T {
	p.t.Helper()
	return valueWithin[T](p, scriptTime, script, args...)
}

func valueWithin[T any](p *page, limit time.Duration, script string, args ...any) (v T) {
	p.t.Helper()
	p.within(limit, script, func(ctx context.Context) (err error) {
		v, err = chromedp.Run(ctx, inPage[T](script, args))
		return err
	})
	return v
}

func inPage[T any](script string, args []any) chromedp.Action[T] {
	encoded, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		return func(context.Context, *chromedp.Target) (v T, _ error) { return v, err }
	}
	expression := fmt.Sprintf("(async (...args) => {%s})(...%s)", script, encoded)
	return chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise)
}

// browserSession is the signalling between one page and one connection.
type browserSession struct {
	pc  *rtc.PeerConnection
	out chan any // signals for the page; never closed

	gate sync.Mutex // while a test holds it, no signals are sent to the page

	mu         sync.Mutex
	candidates []string // of the page
}

// signal is a message of the signalling between page and test.
type signal struct {
	Description *rtc.SessionDescription `json:"description,omitempty"`
	Candidate   *candidate              `json:"candidate,omitempty"`
}

// candidate is an RTCIceCandidateInit, without the members that the tests do not use.
type candidate struct {
	Candidate string `json:"candidate"`
	Mid       string `json:"sdpMid"`
}

// maxSignals limits the number of signals that wait for a page which does not fetch them.
const maxSignals = 256

// peerOptions are the options of the constructor of Peer in peer.js.
type peerOptions struct {
	WithoutTrickle bool   `json:"withoutTrickle"`         // on both sides
	RSA            bool   `json:"rsa"`                    // a certificate of the browser with an RSA key
	BundlePolicy   string `json:"bundlePolicy,omitempty"` // of the browser; "balanced" if empty
}

// connect creates a connection and the signalling to a peer in the page, the global variable peer of scripts.
func (p *page) connect(configuration rtc.Configuration, options peerOptions) (*rtc.PeerConnection, *browserSession) {
	p.t.Helper()
	if configuration.BindAddress == "" {
		configuration.BindAddress = "127.0.0.1"
	}
	pc, err := rtc.NewPeerConnection(configuration)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, pc.CloseAndWait()) })
	s := &browserSession{pc: pc, out: make(chan any, maxSignals)}
	pc.OnLocalDescription(func(d rtc.SessionDescription) {
		if !options.WithoutTrickle {
			s.send(p.t, signal{Description: &d})
		}
	})
	pc.OnLocalCandidate(func(c rtc.Candidate) {
		if !options.WithoutTrickle {
			s.send(p.t, signal{Candidate: &candidate{Candidate: c.Candidate, Mid: c.Mid}})
		}
	})
	pc.OnGatheringStateChange(func(state rtc.GatheringState) {
		if options.WithoutTrickle && state == rtc.GatheringStateComplete {
			d, err := pc.LocalDescription()
			if err != nil {
				p.t.Errorf("local description with candidates: %v", err)
			}
			s.send(p.t, signal{Description: &d})
		}
	})
	path := "/signal/" + strings.ReplaceAll(strings.ReplaceAll(p.t.Name(), "/", "-"), " ", "-")
	p.b.mu.Lock()
	require.NotContains(p.t, p.b.sessions, path)
	p.b.sessions[path] = s
	p.b.mu.Unlock()
	p.run(`globalThis.peer = await connectToTest(args[0], args[1]);`, path, options)
	return pc, s
}

func (s *browserSession) send(t *testing.T, message signal) {
	select {
	case s.out <- message:
	default:
		t.Errorf("more than %d signals wait for the page", maxSignals)
	}
}

// remoteCandidates returns the candidates that the page has sent so far.
func (s *browserSession) remoteCandidates() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.candidates...)
}

func (b *browser) session(r *http.Request) *browserSession {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[r.URL.Path]
}

// takeSignal handles a signal of the page.
func (b *browser) takeSignal(w http.ResponseWriter, r *http.Request) {
	s := b.session(r)
	if s == nil {
		http.NotFound(w, r)
		return
	}
	var message signal
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err == nil {
		err = s.apply(message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (s *browserSession) apply(message signal) error {
	switch {
	case message.Description != nil:
		return s.pc.SetRemoteDescription(*message.Description)
	case message.Candidate != nil:
		s.mu.Lock()
		if c := message.Candidate.Candidate; c != "" { // empty: there are no more
			s.candidates = append(s.candidates, c)
		}
		s.mu.Unlock()
		c := message.Candidate
		return s.pc.AddRemoteCandidate(rtc.Candidate{Candidate: c.Candidate, Mid: c.Mid})
	default:
		return errors.New("neither a description nor a candidate")
	}
}

// serveSignals serves the event stream of the signals for the page.
func (b *browser) serveSignals(w http.ResponseWriter, r *http.Request) {
	s := b.session(r)
	if s == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	for {
		if err := flusher.Flush(); err != nil {
			return
		}
		select {
		case message := <-s.out:
			if err := s.write(w, message); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (s *browserSession) write(w io.Writer, message any) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	encoded, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "data: %s\n\n", encoded)
	return err
}

// pattern returns size bytes that depend on the seed; peer.js has the same function.
func pattern(size int, seed int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*31 + i>>8 + seed)
	}
	return data
}

// isLocalName reports whether a candidate's address is a multicast DNS name.
func isLocalName(candidate string) bool {
	fields := strings.Fields(candidate)
	return len(fields) > 4 && strings.HasSuffix(fields[4], ".local") && net.ParseIP(fields[4]) == nil
}
