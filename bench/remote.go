package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// If sender and receiver run in separate processes, the receiver's process exchanges JSON with the
// sender's over its standard input and output: signals in both directions, and samples on request.

// note is one message between the two processes.
type note struct {
	Signal *signal `json:"signal,omitempty"`
	Sample *sample `json:"sample,omitempty"` // in the direction of the receiver a request
	Error  string  `json:"error,omitempty"`
}

// notes writes notes to the other process. Several goroutines may use it.
type notes struct {
	mu sync.Mutex
	e  *json.Encoder
}

func (n *notes) write(v note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.e.Encode(v)
}

// remote controls the receiver's process from the sender's process.
type remote struct {
	session *session
	command *exec.Cmd
	input   io.WriteCloser
	notes   notes
	end     *end
	samples chan sample
}

// startRemote starts the receiver's process for the same task.
func startRemote(s *session, t task) (*remote, error) {
	r := &remote{session: s, samples: make(chan sample, 1)}
	t.CPUProfile = remoteProfile(t.CPUProfile)
	var err error
	if r.command, err = selfCommand(remoteArgument, t); err != nil {
		return nil, err
	}
	r.command.Stderr = os.Stderr
	if r.input, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	r.notes.e = json.NewEncoder(r.input)
	r.end, err = s.newEnd(func(sig signal) {
		if err := r.notes.write(note{Signal: &sig}); err != nil {
			s.fail(err)
		}
	}, nil)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	go r.listen(json.NewDecoder(output))
	return r, nil
}

func (r *remote) listen(d *json.Decoder) {
	for {
		var n note
		if err := d.Decode(&n); err != nil {
			r.session.fail(fmt.Errorf("the receiver's process: %w", err))
			return
		}
		switch {
		case n.Error != "":
			r.session.fail(errors.New(n.Error))
		case n.Signal != nil:
			r.session.signalling.jobs <- func() error { return r.end.accept(*n.Signal) }
		case n.Sample != nil:
			r.samples <- *n.Sample
		}
	}
}

// connect opens a channel to the receiver.
func (r *remote) connect(o channelOptions) (channel, error) {
	if err := r.end.open(o); err != nil {
		return nil, err
	}
	if err := r.session.ready(r.end); err != nil {
		return nil, err
	}
	return r.end.channel, nil
}

// sample requests a sample from the receiver's process and returns it.
func (r *remote) sample() (sample, error) {
	if err := r.notes.write(note{Sample: &sample{}}); err != nil {
		return sample{}, err
	}
	select {
	case s := <-r.samples:
		return s, nil
	case err := <-r.session.failed:
		return sample{}, err
	case <-time.After(patience):
		return sample{}, fmt.Errorf("no response from the receiver's process after %v", patience)
	}
}

// stop ends the process by closing its input.
func (r *remote) stop() error {
	return errors.Join(r.input.Close(), r.command.Wait())
}

// runRemote runs the receiver's process.
func runRemote(c contestant, t task, in io.Reader, out io.Writer) error {
	s := newSession(c, t.Size)
	to := &notes{e: json.NewEncoder(out)}
	go func() { _ = to.write(note{Error: (<-s.failed).Error()}) }()
	r := &receiver{session: s, size: t.Size, ordered: !t.Unreliable}
	e, err := s.newEnd(func(sig signal) { _ = to.write(note{Signal: &sig}) }, r.message)
	if err != nil {
		return err
	}
	stop := func() {}
	defer func() { stop() }()
	profiling := false
	for d := json.NewDecoder(in); ; {
		var n note
		switch err := d.Decode(&n); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n.Signal != nil:
			s.signalling.jobs <- func() error { return e.accept(*n.Signal) }
		case n.Sample != nil:
			if !profiling { // the first request begins the measurement
				profiling = true
				if stop, err = usage.StartProfile(t.CPUProfile); err != nil {
					return err
				}
			}
			now := r.sample()
			if err := to.write(note{Sample: &now}); err != nil {
				return err
			}
		}
	}
}
