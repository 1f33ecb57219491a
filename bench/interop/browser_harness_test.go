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
	// browserStart is how long the browser may take to start.
	browserStart = 60 * time.Second
	// scriptTime is how long one script in the page may take; peer.js gives up earlier, and says on what.
	scriptTime = 60 * time.Second
	// bulkTime is the same for scripts that move much data.
	bulkTime = 3 * time.Minute
	// browserPatience is how long this side waits for what should come at once; a busy machine may take seconds.
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

// startBrowser starts a Chromium for the duration of the test. Its host candidates have addresses, unless mDNS is set:
// then they have names, as for every user of a browser who did not allow the page to use a camera or microphone.
func startBrowser(t *testing.T, mDNS bool, more ...chromedp.ExecAllocatorOption) *browser {
	path, err := findBrowser()
	requirePeer(t, err)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.Headless,
		chromedp.NoSandbox, // the tests may run as root, and load nothing but their own page
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
	// The allocator makes an empty user data directory, and removes it when the browser has exited.
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

// findBrowser gives the path of the browser.
func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium in PATH")
}

// page is a tab of the browser, with peer.js in it.
type page struct {
	t   *testing.T
	b   *browser
	ctx context.Context
}

// open opens a tab for the duration of the test. What the page logs goes to the test's log.
func (b *browser) open(t *testing.T) *page {
	ctx, cancel := chromedp.NewContext(b.ctx)
	var logging sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		logging.Wait()
	})
	p := &page{t: t, b: b, ctx: ctx}
	// The tab lives as long as the context of its first call, so that call has no deadline of its own.
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

// in is the same page in a subtest.
func (p *page) in(t *testing.T) *page { return &page{t: t, b: p.b, ctx: p.ctx} }

// within runs an action of the page that has to be done in time.
func (p *page) within(limit time.Duration, what string, action func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeoutCause(p.ctx, limit, fmt.Errorf("not done in %v", limit))
	defer cancel()
	if err := action(ctx); err != nil {
		p.t.Fatalf("in the browser: %s: %v (%v)", what, err, context.Cause(ctx))
	}
}

// run runs the body of an async function in the page, whose parameter args are the arguments.
func (p *page) run(script string, args ...any) {
	p.t.Helper()
	p.within(scriptTime, script, func(ctx context.Context) error {
		return chromedp.Do(ctx, inPage[chromedp.Void](script, args))
	})
}

// value is run for a script that returns something.
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
	out chan any // what the page is to be told; never closed

	gate sync.Mutex // a test that holds it keeps the page from being told anything

	mu         sync.Mutex
	candidates []string // of the page
}

// signal is what the page and the test send each other.
type signal struct {
	Description *rtc.SessionDescription `json:"description,omitempty"`
	Candidate   *candidate              `json:"candidate,omitempty"`
}

// candidate is a candidate as the page has it; it knows more members, which do not matter.
type candidate struct {
	Candidate string `json:"candidate"`
	Mid       string `json:"sdpMid"`
}

// maxSignals bounds what may wait for a page that does not fetch it.
const maxSignals = 256

// peerOptions are those of the constructor of Peer in peer.js.
type peerOptions struct {
	WithoutTrickle bool   `json:"withoutTrickle"`         // on both sides
	RSA            bool   `json:"rsa"`                    // a certificate of the browser with an RSA key
	BundlePolicy   string `json:"bundlePolicy,omitempty"` // of the browser; "balanced" if empty
}

// connect makes a connection that signals with a peer in the page, which scripts find as the global variable peer.
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
			s.tell(p.t, signal{Description: &d})
		}
	})
	pc.OnLocalCandidate(func(c rtc.Candidate) {
		if !options.WithoutTrickle {
			s.tell(p.t, signal{Candidate: &candidate{Candidate: c.Candidate, Mid: c.Mid}})
		}
	})
	pc.OnGatheringStateChange(func(state rtc.GatheringState) {
		if options.WithoutTrickle && state == rtc.GatheringStateComplete {
			d, err := pc.LocalDescription()
			if err != nil {
				p.t.Errorf("local description with candidates: %v", err)
			}
			s.tell(p.t, signal{Description: &d})
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

func (s *browserSession) tell(t *testing.T, message signal) {
	select {
	case s.out <- message:
	default:
		t.Errorf("more than %d signals wait for the page", maxSignals)
	}
}

// remoteCandidates gives what the page sent so far.
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
		return s.pc.AddRemoteCandidate(rtc.Candidate{Candidate: message.Candidate.Candidate, Mid: message.Candidate.Mid})
	default:
		return errors.New("neither a description nor a candidate")
	}
}

// serveSignals is the event stream of what the page is to be told.
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

// pattern gives size bytes that depend on the seed; peer.js has the same function.
func pattern(size int, seed int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*31 + i>>8 + seed)
	}
	return data
}

// isLocalName tells whether a candidate's address is a name of multicast DNS.
func isLocalName(candidate string) bool {
	fields := strings.Fields(candidate)
	return len(fields) > 4 && strings.HasSuffix(fields[4], ".local") && net.ParseIP(fields[4]) == nil
}
