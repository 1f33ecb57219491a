package main

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
	"github.com/rtcstack/rtcstack/bench/relay"
)

const (
	// leastReceived is the amount in bytes that a measurement on the loopback interface receives at
	// least: many times the amount in flight at its beginning.
	leastReceived = 8 << 20
	// patienceForBytes is the time after which a measurement ends although it received less.
	patienceForBytes = 3 * time.Second
)

// sample holds the counts and the resource usage of one or several processes so far.
type sample struct {
	Messages, Bytes uint64 // received
	CPU             time.Duration
	Mallocs         uint64
}

func (s sample) add(o sample) sample {
	return sample{s.Messages + o.Messages, s.Bytes + o.Bytes, s.CPU + o.CPU, s.Mallocs + o.Mallocs}
}

func (s sample) since(o sample) sample {
	return sample{s.Messages - o.Messages, s.Bytes - o.Bytes, s.CPU - o.CPU, s.Mallocs - o.Mallocs}
}

// receiver checks and counts messages. The first 8 bytes of a message are its number.
type receiver struct {
	session         *session
	size            int
	ordered         bool
	next            uint64
	messages, bytes atomic.Uint64
}

func (r *receiver) message(_ channel, data []byte) {
	if len(data) != r.size {
		r.session.fail(fmt.Errorf("received a message of %d bytes, want %d", len(data), r.size))
		return
	}
	number := binary.BigEndian.Uint64(data)
	if r.ordered && number != r.next {
		r.session.fail(fmt.Errorf("received message %d, want %d", number, r.next))
		return
	}
	r.next = number + 1
	r.messages.Add(1)
	r.bytes.Add(uint64(len(data)))
}

// sample returns the counts and the resource usage of the process.
func (r *receiver) sample() sample {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return sample{r.messages.Load(), r.bytes.Load(), usage.CPUTime(), m.Mallocs}
}

// sender sends numbered messages until the connection is closed, with about highWater bytes buffered.
type sender struct{ sent atomic.Uint64 }

func (s *sender) run(session *session, c channel, size int) {
	data := make([]byte, size)
	for number := uint64(0); ; number++ {
		binary.BigEndian.PutUint64(data, number)
		if err := c.write(data); err != nil {
			session.fail(fmt.Errorf("send: %w", err))
			return
		}
		s.sent.Store(number + 1)
	}
}

// measureThroughput is W1, W5 and W6, depending on the task: one side sends for some time.
func measureThroughput(c contestant, t task) (metrics, error) {
	s := newSession(c, t.Size)
	ordered := !t.Unreliable
	options := channelOptions{unordered: t.Unreliable, noRetransmissions: t.Unreliable}
	var path *relay.Relay
	if t.Path != nil {
		var err error
		if path, err = relay.New(t.Path.config()); err != nil {
			return nil, err
		}
		defer path.Close()
	}
	var from channel
	var sampleAll func() (sample, error)
	if t.Processes == 2 {
		far, err := startRemote(s, t)
		if err != nil {
			return nil, err
		}
		defer far.stop()
		if from, err = far.connect(options); err != nil {
			return nil, err
		}
		own := &receiver{} // receives nothing; its sample has the resource usage of this process
		sampleAll = func() (sample, error) {
			theirs, err := far.sample()
			return theirs.add(own.sample()), err
		}
	} else {
		r := &receiver{session: s, size: t.Size, ordered: ordered}
		p, err := s.connect(pairOptions{channel: options, path: path, fromA: r.message})
		if err != nil {
			return nil, err
		}
		from = p.a.channel
		sampleAll = func() (sample, error) { return r.sample(), nil }
	}

	var out sender
	go out.run(s, from, t.Size)
	if err := s.sleep(t.WarmUp); err != nil {
		return nil, err
	}
	stop, err := usage.StartProfile(t.CPUProfile)
	if err != nil {
		return nil, err
	}
	defer stop()
	before, err := sampleAll()
	if err != nil {
		return nil, err
	}
	start, sentBefore := time.Now(), out.sent.Load()
	var did sample
	// A sender that waits for a timeout may send nothing during a short measurement, and then a burst
	// of messages that were received before the measurement may be delivered during it. The measurement
	// therefore continues, within limits, until such effects are small.
	for {
		if err := s.sleep(t.Duration); err != nil {
			return nil, err
		}
		now, err := sampleAll()
		if err != nil {
			return nil, err
		}
		did = now.since(before)
		if took := time.Since(start); did.Messages > 0 && (did.Bytes >= t.Least || took > patienceForBytes) {
			break
		} else if took > patience {
			return nil, fmt.Errorf("nothing was received in %v", patience)
		}
	}
	elapsed, sent := time.Since(start).Seconds(), out.sent.Load()-sentBefore
	m := metrics{
		metricRate:        float64(did.Bytes) / 1e6 / elapsed,
		metricCPUPerGB:    did.CPU.Seconds() / (float64(did.Bytes) / 1e9),
		metricAllocations: float64(did.Mallocs) / float64(did.Messages),
		metricSent:        float64(sent) / elapsed,
		metricReceived:    float64(did.Messages) / elapsed,
	}
	if path != nil {
		m[metricDatagram] = float64(path.Stats(1).Largest)
	}
	return m, nil
}
