package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// exchange is a client's end during a measurement: messages go back and forth until the process
// ends.
type exchange struct {
	trips    atomic.Int64 // echoed messages
	size     int
	inFlight int
	message  []byte
	sent     int
	_        [64]byte // keeps the counters of two exchanges out of one cache line
}

// arrived counts an echoed message, and returns how often it is sent again. A connection begins
// with one message in flight. The first messages are sent twice, until inFlight are in flight: if
// the client began with several writes, both ends might block in writing.
func (x *exchange) arrived(message []byte) (copies int) {
	if len(message) != x.size || message[0] != x.message[0] || message[x.size-1] != x.message[x.size-1] {
		panic(fmt.Sprintf("received %d bytes that are not the %d that were sent", len(message), x.size))
	}
	x.trips.Add(1)
	if x.sent < x.inFlight {
		x.sent++
		return 2
	}
	return 1
}

// measureEcho measures messages that a server echoes.
func measureEcho(c contestant, t task) (metrics, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	go c.serve(l)

	message := make([]byte, t.Size)
	for i := range message {
		message[i] = byte(rand.Uint32())
	}
	failed := make(chan error, t.Connections)
	exchanges := make([]exchange, t.Connections)
	for i := range exchanges {
		x := &exchanges[i]
		x.size, x.inFlight, x.message, x.sent = t.Size, t.InFlight, message, 1
		e, err := c.dial(l.Addr().String())
		if err != nil {
			return nil, err
		}
		if err := e.send(message); err != nil {
			return nil, err
		}
		go func() { failed <- e.echo(x.arrived) }()
	}
	if err := wait(t.WarmUp, failed); err != nil {
		return nil, err
	}
	stop, err := usage.StartProfile(t.CPUProfile)
	if err != nil {
		return nil, err
	}
	defer stop()
	before := take(exchanges)
	if err := wait(t.Duration, failed); err != nil {
		return nil, err
	}
	after := take(exchanges)
	for after.trips == before.trips { // a very busy machine
		if err := wait(t.Duration, failed); err != nil {
			return nil, err
		}
		after = take(exchanges)
	}
	return after.since(before, t.Size), nil
}

// wait waits for d, or until a connection fails.
func wait(d time.Duration, failed <-chan error) error {
	select {
	case err := <-failed:
		return fmt.Errorf("a connection has ended: %w", err)
	case <-time.After(d):
		return nil
	}
}

// snapshot holds the counts and the resource usage of the process so far.
type snapshot struct {
	at        time.Time
	cpu       time.Duration
	trips     int64
	mallocs   uint64
	calls     usage.Calls
	callsOkay bool
}

func take(exchanges []exchange) snapshot {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := snapshot{mallocs: m.Mallocs}
	s.calls, s.callsOkay = usage.SystemCalls()
	for i := range exchanges {
		s.trips += exchanges[i].trips.Load()
	}
	s.at, s.cpu = time.Now(), usage.CPUTime()
	return s
}

func (s snapshot) since(before snapshot, size int) metrics {
	trips := float64(s.trips - before.trips)
	rate := trips / s.at.Sub(before.at).Seconds()
	m := metrics{
		metricRate:        rate,
		metricBytes:       rate * float64(size) / 1e6,
		metricCPU:         (s.cpu - before.cpu).Seconds() / trips * 1e6,
		metricAllocations: float64(s.mallocs-before.mallocs) / trips,
	}
	if s.callsOkay && before.callsOkay {
		m[metricReads] = float64(s.calls.Reads-before.calls.Reads) / trips
		m[metricWrites] = float64(s.calls.Writes-before.calls.Writes) / trips
	}
	return m
}
