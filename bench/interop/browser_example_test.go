package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// examplePage is the content of the example's page that the test checks.
type examplePage struct {
	State string  // of the connection
	Down  float64 // bytes a second, to the page
	Up    float64 // bytes a second, to the program
	RTT   float64 // milliseconds, without traffic; 0: none yet
	Busy  float64 // the same under traffic
	Run   string  // the text of the button
	Steps int     // the number of completed steps
	Chat  string
	Facts []string // about the path and the association
}

const readExamplePage = `
	const $ = (selector) => document.querySelector(selector);
	return {
		State: document.body.dataset.state,
		Down: Number($('#down').value), Up: Number($('#up').value), RTT: Number($('#rtt').value),
		Busy: Number($('#rtt-loaded').value), Run: $('#run').disabled ? '' : $('#run').textContent,
		Steps: document.querySelectorAll('#steps .done').length,
		Chat: $('#lines').innerText,
		Facts: [...document.querySelectorAll('dd')].map((dd) => dd.textContent),
	};`

// TestBrowserExample opens the page of api/examples/browser, as its README describes, in a browser with the default
// settings for addresses.
func TestBrowserExample(t *testing.T) {
	b := startBrowser(t, true)
	url, stop := startExample(t)
	first := b.open(t)
	first.visit(url)
	first.waitFor("connected, with a measured round-trip time", func(p examplePage) bool {
		return p.State == "connected" && p.Steps == 6 && p.RTT > 0 && p.Run == "Start traffic"
	})
	// There is no traffic before the button is clicked.
	quiet := value[examplePage](first, readExamplePage)
	require.Zero(t, quiet.Down)
	require.Zero(t, quiet.Up)
	require.Zero(t, quiet.Busy)
	first.run(`document.querySelector('#run').click();`)
	first.waitFor("traffic both ways, with the round-trip time under load", func(p examplePage) bool {
		return p.Down > 0 && p.Up > 0 && p.Busy > 0 && p.RTT > 0 && p.Run == "Stop traffic"
	})
	first.waitFor("facts about the connection", func(p examplePage) bool {
		for _, fact := range p.Facts {
			if fact == "–" {
				return false
			}
		}
		return len(p.Facts) == 9
	})

	first.write("hello")
	first.waitFor("answer to the message", func(p examplePage) bool {
		return regexp.MustCompile(`(?s)hello.*Go program.*Hello, Page 1!`).MatchString(p.Chat)
	})

	// A second page receives the messages of the first.
	second := b.open(t)
	second.visit(url)
	second.waitFor("first message", func(p examplePage) bool {
		return regexp.MustCompile(`You are Page 2`).MatchString(p.Chat)
	})
	first.write("<b>is</b> anybody there?")
	second.waitFor("message of the other page, as text", func(p examplePage) bool {
		return regexp.MustCompile(`Page 1\s+<b>is</b> anybody there\?`).MatchString(p.Chat)
	})

	// Traffic stops in a direction that is not selected any more, and in both when the button is clicked.
	first.run(`document.querySelector('#load').elements.up.click();`)
	first.waitFor("traffic to the page only", func(p examplePage) bool { return p.Down > 0 && p.Up == 0 })
	first.run(`document.querySelector('#run').click();`)
	first.waitFor("no traffic", func(p examplePage) bool {
		return p.Down == 0 && p.Up == 0 && p.State == "connected" && p.Run == "Start traffic"
	})

	stop()
	first.waitFor("the end of the program", func(p examplePage) bool {
		return p.Run == "" && p.State != "connected" && regexp.MustCompile(`Not connected:`).MatchString(p.Chat)
	})
}

// On a small screen the cards are one below the other, in the order in which a screen reader reads them. The chat is not
// higher than its lines, and nothing is wider than the screen.
func TestBrowserExampleOnASmallScreen(t *testing.T) {
	b := startBrowser(t, true)
	url, _ := startExample(t)
	p := b.open(t)
	p.within(browserStart, "emulate a small screen", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile))
	})
	p.visit(url)
	p.waitFor("connected", func(p examplePage) bool { return p.State == "connected" && p.Chat != "" })
	type card struct {
		ID     string
		Top    float64
		Height float64
	}
	type layout struct {
		Cards        []card
		Width, Lines float64
		Said         float64
	}
	got := value[layout](p, `
		const lines = document.querySelector('#lines');
		const box = (element) => element.getBoundingClientRect();
		return {
			Cards: [...document.querySelectorAll('section')].map((s) =>
				({ID: s.id, Top: box(s).top, Height: box(s).height})),
			Width: document.documentElement.scrollWidth, Lines: box(lines).height,
			Said: [...lines.children].reduce((sum, p) => sum + box(p).height, 0),
		};`)
	var order []string
	for i, c := range got.Cards {
		order = append(order, c.ID)
		if i > 0 {
			require.Greater(t, c.Top, got.Cards[i-1].Top)
		}
	}
	require.Equal(t, []string{"throughput", "round-trip", "path", "association", "chat"}, order)
	require.LessOrEqual(t, got.Width, 390.0)
	require.Less(t, got.Lines, got.Said+60)
}

// startExample starts the program and returns the URL of its page. stop interrupts it, as Ctrl-C does.
func startExample(t *testing.T) (url string, stop func()) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "browser")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, "./api/examples/browser")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	command := exec.Command(program, "-addr", "localhost:0")
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url = regexp.MustCompile(`http://\S+`).FindString(line)
	require.NotEmpty(t, url, line)
	return url, func() {
		t.Helper()
		stopped = true
		if runtime.GOOS == "windows" {
			require.NoError(t, command.Process.Kill())
			_ = command.Wait()
			return
		}
		require.NoError(t, command.Process.Signal(os.Interrupt))
		require.NoError(t, command.Wait(), "Ctrl-C is not a failure")
	}
}

// visit loads another page in the tab.
func (p *page) visit(url string) {
	p.t.Helper()
	p.within(browserStart, "load "+url, func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Navigate(url))
	})
}

// waitFor waits until the content of the example's page is as expected.
func (p *page) waitFor(what string, expected func(examplePage) bool) {
	p.t.Helper()
	for deadline := time.Now().Add(browserStart); ; time.Sleep(50 * time.Millisecond) {
		got := value[examplePage](p, readExamplePage)
		if expected(got) {
			return
		}
		if !time.Now().Before(deadline) {
			text, _ := json.MarshalIndent(got, "", "\t")
			p.t.Fatalf("%s: not after %v, but %s", what, browserStart, text)
		}
	}
}

// write sends a message in the chat of the example.
func (p *page) write(text string) {
	p.t.Helper()
	p.run(`
		const form = document.querySelector('#say');
		form.elements.text.value = args[0];
		form.requestSubmit();`, text)
}
