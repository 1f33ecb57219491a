package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// patience bounds the wait for events that are due at once. A busy machine may take seconds.
const patience = 20 * time.Second

// terminal is an instance of the program in its own terminal, with a simulated user.
type terminal struct {
	t      *testing.T
	name   string
	keys   *io.PipeWriter
	lines  chan string // the output, including errors
	status chan int
	all    []string
}

func start(ctx context.Context, t *testing.T, args ...string) *terminal {
	stdin, keys := io.Pipe()
	screen, stdout := io.Pipe()
	p := &terminal{t: t, name: args[0], keys: keys, lines: make(chan string, 1000), status: make(chan int, 1)}
	go func() {
		status := run(ctx, args, stdin, stdout, stdout)
		_ = stdout.Close()
		p.status <- status
	}()
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(screen); scanner.Scan(); {
			p.lines <- strings.TrimPrefix(scanner.Text(), "> ")
		}
	}()
	t.Cleanup(func() { _ = keys.Close() })
	return p
}

// paste types a line.
func (p *terminal) paste(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.keys, line+"\n")
	require.NoError(p.t, err)
}

// wait reads the output until there is a line with that text.
func (p *terminal) wait(text string) string {
	p.t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case line, ok := <-p.lines:
			p.all = append(p.all, line)
			if strings.Contains(line, text) {
				return line
			}
			require.True(p.t, ok, "%s ended without %q:\n%s", p.name, text, strings.Join(p.all, "\n"))
		case <-timeout:
			p.t.Fatalf("%s does not print %q:\n%s", p.name, text, strings.Join(p.all, "\n"))
		}
	}
}

// end waits for the exit status.
func (p *terminal) end() int {
	p.t.Helper()
	for range p.lines { // so that it can print
	}
	select {
	case status := <-p.status:
		return status
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.name)
		return 0
	}
}

func TestSendAndReceive(t *testing.T) {
	path, sum := tempFile(t, 3_000_001)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file.bin"), []byte("not to be overwritten"), 0o600))

	sender := start(t.Context(), t, "send", path)
	receiver := start(t.Context(), t, "receive", dir)
	offer := sender.wait(offerPrefix)
	receiver.wait("paste here")
	receiver.paste(offer)
	answer := receiver.wait(answerPrefix)
	sender.wait("Paste here")
	sender.paste(answer)

	receiver.wait(`receiving "file.bin" (3.00 MB)`)
	for _, p := range []*terminal{sender, receiver} {
		require.Regexp(t, `^received  3000001 bytes in [0-9.]+ s, [0-9.]+ MB/s$`, p.wait("received "), p.name)
		require.Equal(t, "  SHA-256 "+sum, p.wait("SHA-256"), p.name)
	}
	require.Equal(t, "saved as "+filepath.Join(dir, "file (1).bin"), receiver.wait("saved"))
	require.Equal(t, statusOK, sender.end())
	require.Equal(t, statusOK, receiver.end())

	files := content(t, dir)
	require.Len(t, files, 2)
	require.Equal(t, "not to be overwritten", files["file.bin"])
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, files["file (1).bin"] == string(want))
}

// For an unusable line, the program prints an error, and the user can paste another one.
func TestGarbledPaste(t *testing.T) {
	path, _ := tempFile(t, 1000)
	sender := start(t.Context(), t, "send", path)
	receiver := start(t.Context(), t, "receive", t.TempDir())
	offer := sender.wait(offerPrefix)

	receiver.paste("ls -l")
	receiver.wait("it does not begin with")
	other := "x"
	if offer[60] == 'x' {
		other = "y"
	}
	receiver.paste(offer[:60] + other + offer[61:])
	receiver.wait("it is damaged")
	receiver.paste(offer[:100]) // the first part
	receiver.wait("100 of ")
	receiver.paste("") // ends the first attempt
	receiver.wait("Forgotten")
	receiver.paste(offer[:100])
	receiver.wait("100 of ")
	receiver.paste(" Bob: > " + offer[:50] + "\u200b") // from the beginning again, with additions of a chat program
	receiver.wait("50 of ")
	receiver.paste(offer[50:80] + " ")
	receiver.paste("\t" + offer[80:])
	answer := receiver.wait(answerPrefix)

	sender.paste(offer)
	sender.wait(`it is a line of "transfer send"`)
	sender.paste(answer[:len(answer)-20] + "AAAA" + answer[len(answer)-16:])
	sender.wait("it is damaged, or the answer to another line")
	sender.paste(answer)
	require.Equal(t, statusOK, sender.end())
	require.Equal(t, statusOK, receiver.end())
}

func TestInputThatEnds(t *testing.T) {
	for _, args := range [][]string{{"send", "main.go"}, {"receive", t.TempDir()}} {
		status, _, errors := program(t, args...)
		require.Equal(t, statusFailed, status)
		require.Contains(t, errors, errNothingPasted.Error())
	}
}

// strange returns a peer that the test controls, so that it can violate the protocol.
func strange(t *testing.T) *peer {
	p, err := newPeer(t.Context(), rtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(p.leave)
	return p
}

// call connects a strange sender to a receiver.
func (p *peer) call(t *testing.T, receiver *terminal) *rtc.DataChannel {
	t.Helper()
	dc, err := p.CreateDataChannel(channelLabel, nil)
	require.NoError(t, err)
	offer, err := p.describe(options{}, nil)
	require.NoError(t, err)
	receiver.paste(encode(t, offer, ""))
	answer, err := decodeAnswer(receiver.wait(answerPrefix), offer.SDP)
	require.NoError(t, err)
	require.NoError(t, p.SetRemoteDescription(answer))
	return dc
}

// A receiver that fails sends the reason to the sender, ends with status 1, and removes its files.
func TestReceiverRefuses(t *testing.T) {
	text := func(s string) rtc.Message { return rtc.Message{Data: []byte(s), IsText: true} }
	data := func(s string) rtc.Message { return rtc.Message{Data: []byte(s)} }
	const sumOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	const sumOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, c := range []struct {
		name     string
		messages []rtc.Message
		want     string // in the output
		told     string // in the receipt
	}{
		{"another hash", []rtc.Message{text(`{"name":"x","size":3}`), data("abd"), text(`{"sha256":"` + sumOfABC + `"}`)},
			errDiffers.Error(), `{"bytes":3,"sha256":"a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"}`},
		{"less than announced", []rtc.Message{text(`{"name":"x","size":3}`), text(`{"sha256":"` + sumOfNothing + `"}`)},
			errDiffers.Error(), `{"bytes":0,"sha256":"` + sumOfNothing + `"}`},
		{"more than announced", []rtc.Message{text(`{"name":"x","size":2}`), data("abc")},
			"more data than was announced", "more data than was announced"},
		{"no header", []rtc.Message{data("abc")}, "data where the header is due", "data where the header is due"},
		{"a header that is none", []rtc.Message{text("hello")}, "protocol: header: ", "protocol: header: "},
		{"a negative size", []rtc.Message{text(`{"name":"x","size":-1}`)}, "a size of -1", "a size of -1"},
		{"a hash that is none", []rtc.Message{text(`{"name":"x","size":0}`), text(`{"sha256":"abc"}`)},
			"protocol: trailer: not a SHA-256", "protocol: trailer: not a SHA-256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			receiver := start(t.Context(), t, "receive", dir)
			p := strange(t)
			dc := p.call(t, receiver)
			for _, m := range c.messages {
				require.NoError(t, dc.WriteMessage(t.Context(), m))
			}
			m, err := dc.ReadMessage(t.Context())
			require.NoError(t, err)
			require.Contains(t, string(m.Data), c.told)
			receiver.wait(c.want)
			require.Equal(t, statusFailed, receiver.end())
			require.Empty(t, content(t, dir))
		})
	}
}

// A receiver whose sender disconnects does not wait for ever, and removes the incomplete file.
func TestSenderGoesAway(t *testing.T) {
	dir := t.TempDir()
	receiver := start(t.Context(), t, "receive", dir)
	p := strange(t)
	dc := p.call(t, receiver)
	require.NoError(t, dc.WriteMessage(t.Context(), rtc.Message{Data: []byte(`{"name":"x","size":1000}`), IsText: true}))
	receiver.wait("receiving")
	require.Contains(t, content(t, dir), "x.part")
	p.leave()
	receiver.wait("before the transfer was complete")
	require.Equal(t, statusFailed, receiver.end())
	require.Empty(t, content(t, dir))
}

// An interrupted receiver also removes the incomplete file.
func TestInterruptedReceiver(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	receiver := start(ctx, t, "receive", dir)
	p := strange(t)
	dc := p.call(t, receiver)
	require.NoError(t, dc.WriteMessage(t.Context(), rtc.Message{Data: []byte(`{"name":"x","size":1000}`), IsText: true}))
	receiver.wait("receiving")
	interrupt()
	m, err := dc.ReadMessage(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(m.Data), "context canceled", "the receipt contains the error")
	require.Equal(t, statusFailed, receiver.end())
	require.Empty(t, content(t, dir))
}

// A sender fails if the receipt has another hash or less bytes, or is malformed.
func TestSenderChecksTheReceipt(t *testing.T) {
	path, sum := tempFile(t, 5000)
	for _, c := range []struct{ name, receipt, want string }{
		{"another hash", `{"bytes":5000,"sha256":"` + strings.Repeat("0", 64) + `"}`, errDiffers.Error()},
		{"less bytes", `{"bytes":4999,"sha256":"` + sum + `"}`, errDiffers.Error()},
		{"an error", `{"error":"disk full\u001b[2J"}`, `the receiver: "disk full\x1b[2J"`},
		{"nonsense", `OK`, "protocol: receipt: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			sender := start(t.Context(), t, "send", path)
			offer, err := decodeOffer(sender.wait(offerPrefix))
			require.NoError(t, err)
			p := strange(t)
			require.NoError(t, p.SetRemoteDescription(offer))
			answer, err := p.describe(options{}, nil)
			require.NoError(t, err)
			sender.paste(encode(t, answer, offer.SDP))
			dc, err := p.accept()
			require.NoError(t, err)
			for binary := 0; ; {
				m, err := dc.ReadMessage(t.Context())
				require.NoError(t, err)
				if !m.IsText {
					binary += len(m.Data)
				} else if binary == 5000 { // the trailer
					require.JSONEq(t, `{"sha256":"`+sum+`"}`, string(m.Data))
					break
				} else {
					require.JSONEq(t, `{"name":"file.bin","size":5000}`, string(m.Data))
				}
			}
			require.NoError(t, dc.SendText(c.receipt))
			sender.wait(c.want)
			require.Equal(t, statusFailed, sender.end())
		})
	}
}
