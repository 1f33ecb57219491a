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
	// stackPatience is how long a test waits for something that the other stack should do at once; a machine that is busy
	// with other things may take many seconds.
	stackPatience = time.Minute
	// stackLife is how long a program may run.
	stackLife = 5 * time.Minute
	// maxStackLine is the longest line of JSON that a program may write.
	maxStackLine = 1 << 20
)

// A program of testdata/stacks runs one connection of another stack. The test writes commands to it, one JSON object in a
// line, each with a number and the name of what to do:
//
//	{"id":1,"do":"offer","restart":…}                         makes an offer, with new ICE credentials if it says so; the
//	                                                          answer has "type" and "sdp"
//	{"id":2,"do":"remote","type":…,"sdp":…}                   sets our description; the answer to an offer has "type" and "sdp"
//	{"id":3,"do":"candidate","candidate":…,"mid":…}           adds a candidate of ours; empty: there are no more
//	{"id":4,"do":"open","label":…,"protocol":…,"ordered":…}   creates a channel, with the names that RTCDataChannelInit has
//	{"id":5,"do":"mode","label":…,"mode":…,"size":…}          chooses what happens to received messages: "report" (the default)
//	                                                          tells the test of each, "echo" returns each, "count" adds up size bytes
//	{"id":6,"do":"send","label":…,"text":…}                   sends a text message, or a binary one with "size" and "seed"
//	{"id":7,"do":"bulk","label":…,"size":…,"seed":…,"count":…} sends that many equal messages
//	{"id":8,"do":"close","label":…}                           closes a channel
//	{"id":9,"do":"end"}                                       closes the connection
//
// The program answers each command with a line that has its number, and "error" if it failed. A line without a number is an
// event: "candidate", "state" (of the connection), "channel" (the peer opened one), "open" and "closed" (of a channel),
// "message", and "counted", which ends the mode "count". Checksums are CRC-32 with the polynomial of IEEE 802.3.
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
	life        context.Context         // ends when there are no more lines; its cause says why
	lose        context.CancelCauseFunc // ends it

	mu      sync.Mutex
	number  int
	answers map[int]stackLine
	events  []stackLine   // not yet taken
	changed chan struct{} // closed and renewed with each line
}

func newStackPeer(t *testing.T, write func(line []byte) error) *stackPeer {
	p := &stackPeer{t: t, write: write, answers: make(map[int]stackLine), changed: make(chan struct{})}
	p.life, p.lose = context.WithCancelCause(t.Context())
	return p
}

// hear takes a line of the program.
func (p *stackPeer) hear(line []byte) {
	var l stackLine
	if err := json.Unmarshal(line, &l); err != nil {
		p.t.Errorf("the program says %q: %v", line, err)
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

// until waits until done, which is called under the mutex, returns true.
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
			said, _ := json.Marshal(events)
			return fmt.Errorf("not within %v; events not taken: %s", patience, said)
		}
	}
}

// ask gives the program a command and returns its answer. It may be called from any goroutine.
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
		patience = stackLife // whoever receives it sees whether it goes on
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

// do is ask for a command that has to succeed.
func (p *stackPeer) do(do string, c command) {
	p.t.Helper()
	_, err := p.ask(do, c)
	require.NoError(p.t, err)
}

// await takes the first event of a kind that belongs to a channel; label is empty for those of the connection.
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
	complaints := &complaints{}
	program.Stderr = complaints
	program.WaitDelay = 5 * time.Second
	in, err := program.StdinPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	tooLate := time.AfterFunc(stackLife, func() { _ = program.Process.Kill() })
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
			p.hear(lines.Bytes())
		}
		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		p.lose(fmt.Errorf("the program has ended: %w\n%s", err, complaints))
	})
	t.Cleanup(func() {
		tooLate.Stop()
		_ = in.Close()
		_ = program.Process.Kill()
		reading.Wait()
		_ = program.Wait()
		if t.Failed() {
			t.Logf("the program's standard error:\n%s", complaints)
		}
	})
	return p
}

// complaints keeps the end of what a program writes to its standard error.
type complaints struct {
	mu   sync.Mutex
	text []byte
}

const maxComplaints = 16 << 10

func (c *complaints) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, text...)
	c.text = bytes.Clone(c.text[max(0, len(c.text)-maxComplaints):])
	return len(text), nil
}

func (c *complaints) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}
