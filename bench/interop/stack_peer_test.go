package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// stackPatience is the limit of a wait for an event without delay; a busy machine may take many seconds.
	stackPatience = time.Minute
	// stackLife is the longest time that a program may run.
	stackLife = 5 * time.Minute
	// maxStackLine is the length limit in bytes of a line of JSON that a program writes.
	maxStackLine = 1 << 20
)

// A program in testdata/stacks runs one connection of another stack. The test writes commands to it, one JSON object a
// line, each with a number and a name:
//
//	{"id":1,"do":"offer","restart":…}                         creates an offer, with new ICE credentials if restart is true;
//	                                                          the response has "type" and "sdp"
//	{"id":2,"do":"remote","type":…,"sdp":…}                   sets our description; the response to an offer has "type" and "sdp"
//	{"id":3,"do":"candidate","candidate":…,"mid":…}           adds a candidate of ours; empty: end of candidates
//	{"id":4,"do":"open","label":…,"protocol":…,"ordered":…}   creates a channel, with the members of RTCDataChannelInit
//	{"id":5,"do":"mode","label":…,"mode":…,"size":…}          selects how received messages are handled: "report" (the default)
//	                                                          reports each to the test, "echo" sends each back,
//	                                                          "count" reports one checksum of size bytes
//	{"id":6,"do":"send","label":…,"text":…}                   sends a text message, or a binary one with "size" and "seed"
//	{"id":7,"do":"bulk","label":…,"size":…,"seed":…,"count":…} sends that many equal messages
//	{"id":8,"do":"close","label":…}                           closes a channel
//	{"id":9,"do":"end"}                                       closes the connection
//
// The program responds to each command with a line that has the command's number, and "error" if it failed. A line without
// a number is an event: "candidate", "state" (of the connection), "channel" (the peer opened one), "open" and "closed" (of
// a channel), "message", and "counted", which ends the mode "count". Checksums are CRC-32 with the polynomial of IEEE 802.3.
type stackLine struct {
	ID    int    `json:"id,omitzero"`
	Error string `json:"error,omitzero"`
	Type  string `json:"type,omitzero"`
	SDP   string `json:"sdp,omitzero"`

	Event             string `json:"event,omitzero"`
	Candidate         string `json:"candidate,omitzero"`
	Mid               string `json:"mid,omitzero"`
	State             string `json:"state,omitzero"`
	Label             string `json:"label,omitzero"`
	Protocol          string `json:"protocol,omitzero"`
	Ordered           bool   `json:"ordered,omitzero"`
	MaxRetransmits    *uint  `json:"maxRetransmits,omitzero"`
	MaxPacketLifeTime *uint  `json:"maxPacketLifeTime,omitzero"`
	Stream            uint16 `json:"stream,omitzero"`
	Text              bool   `json:"text,omitzero"`
	Size              int    `json:"size,omitzero"`
	Sum               uint32 `json:"sum,omitzero"`
}

// command is a command to a program, without its number.
type command map[string]any

// stackPeer is a connection of another stack.
type stackPeer struct {
	t           *testing.T
	write       func(line []byte) error
	onCandidate func(candidate, mid string)
	life        context.Context         // canceled at the end of the program's output, with the reason as its cause
	cancel      context.CancelCauseFunc // of life

	mu      sync.Mutex
	number  int
	answers map[int]stackLine
	events  []stackLine   // not yet awaited
	changed chan struct{} // closed and replaced at each line
}

func newStackPeer(t *testing.T, write func(line []byte) error) *stackPeer {
	p := &stackPeer{t: t, write: write, answers: make(map[int]stackLine), changed: make(chan struct{})}
	p.life, p.cancel = context.WithCancelCause(t.Context())
	return p
}

// handleLine handles a line of the program's output.
func (p *stackPeer) handleLine(line []byte) {
	var l stackLine
	if err := json.Unmarshal(line, &l); err != nil {
		p.t.Errorf("the program printed %q: %v", line, err)
		return
	}
	if l.Event == "candidate" {
		p.onCandidate(l.Candidate, l.Mid)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.Event == "" {
		p.answers[l.ID] = l
	} else {
		p.events = append(p.events, l)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// until waits until done returns true. It calls done with the mutex held.
func (p *stackPeer) until(patience time.Duration, done func() bool) error {
	limit := time.After(patience)
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		events := slices.Clone(p.events)
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-p.life.Done():
			return context.Cause(p.life)
		case <-limit:
			encoded, _ := json.Marshal(events)
			return fmt.Errorf("not within %v; events not yet awaited: %s", patience, encoded)
		}
	}
}

// ask sends the program a command and returns the response. It may be called from any goroutine.
func (p *stackPeer) ask(do string, c command) (answer stackLine, err error) {
	line := command{"do": do}
	for name, value := range c {
		line[name] = value
	}
	p.mu.Lock()
	p.number++
	number := p.number
	p.mu.Unlock()
	line["id"] = number
	encoded, err := json.Marshal(line)
	if err != nil {
		return stackLine{}, err
	}
	patience := stackPatience
	if do == "bulk" {
		patience = stackLife // the receiver has a time limit for each message
	}
	if err = p.write(append(encoded, '\n')); err == nil {
		err = p.until(patience, func() (ok bool) {
			answer, ok = p.answers[number]
			delete(p.answers, number)
			return ok
		})
	}
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		return answer, fmt.Errorf("command %q to the other stack: %w", do, err)
	}
	return answer, nil
}

// do sends the program a command, which must succeed.
func (p *stackPeer) do(do string, c command) {
	p.t.Helper()
	_, err := p.ask(do, c)
	require.NoError(p.t, err)
}

// await waits for an event of a channel, and removes and returns it. The label is empty for an event of the connection.
func (p *stackPeer) await(event, label string) (l stackLine) {
	p.t.Helper()
	return p.awaitWhere(fmt.Sprintf("event %q %q", event, label), func(l stackLine) bool { return l.Event == event && l.Label == label })
}

// awaitState waits for a state of the connection.
func (p *stackPeer) awaitState(state string) {
	p.t.Helper()
	p.awaitWhere("state "+state, func(l stackLine) bool { return l.Event == "state" && l.State == state })
}

func (p *stackPeer) awaitWhere(what string, match func(stackLine) bool) (l stackLine) {
	p.t.Helper()
	err := p.until(stackPatience, func() bool {
		i := slices.IndexFunc(p.events, match)
		if i >= 0 {
			l = p.events[i]
			p.events = slices.Delete(p.events, i, i+1)
		}
		return i >= 0
	})
	require.NoError(p.t, err, "%s of the other stack", what)
	return l
}

// startProgram runs a program for the duration of the test.
func startProgram(t *testing.T, onCandidate func(candidate, mid string), name string, args ...string) *stackPeer {
	t.Helper()
	program := exec.Command(name, args...)
	stderr := &outputTail{}
	program.Stderr = stderr
	program.WaitDelay = 5 * time.Second
	in, err := program.StdinPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	killTimer := time.AfterFunc(stackLife, func() { _ = program.Process.Kill() })
	var writing sync.Mutex
	p := newStackPeer(t, func(line []byte) error {
		writing.Lock()
		defer writing.Unlock()
		_, err := in.Write(line)
		return err
	})
	p.onCandidate = onCandidate
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, maxStackLine)
		for lines.Scan() {
			p.handleLine(lines.Bytes())
		}
		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		p.cancel(fmt.Errorf("the program has ended: %w\n%s", err, stderr))
	})
	t.Cleanup(func() {
		killTimer.Stop()
		_ = in.Close()
		_ = program.Process.Kill()
		reading.Wait()
		_ = program.Wait()
		if t.Failed() {
			t.Logf("the program's standard error:\n%s", stderr)
		}
	})
	return p
}

// outputTail is an io.Writer that keeps the last maxOutputTail bytes.
type outputTail struct {
	mu   sync.Mutex
	text []byte
}

const maxOutputTail = 16 << 10

func (o *outputTail) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, text...)
	o.text = bytes.Clone(o.text[max(0, len(o.text)-maxOutputTail):])
	return len(text), nil
}

func (o *outputTail) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
