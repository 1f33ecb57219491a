package goodput

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// handshakeLimit is the virtual time that a handshake may take.
const handshakeLimit = time.Minute

// end is an association of ours in a simulation: a [netsim.Core] that reads all messages, and sends
// message without end once that is set.
type end struct {
	*sctp.Association
	connected bool
	message   []byte
	full      bool // Send failed, and EventWritable has not followed yet
	received  *int64
}

func newEnd(sim *netsim.Sim, config sctp.Config, received *int64) *end {
	config.MTU, config.Rand = mtu, sim.RandReader()
	a, err := sctp.New(config)
	if err != nil {
		panic(err)
	}
	return &end{Association: a, received: received}
}

// Transmit does the work of the application first, since the simulation calls it after each input.
func (e *end) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	for {
		event, ok := e.Event()
		if !ok {
			break
		}
		switch event.Kind {
		case sctp.EventConnected:
			e.connected = true
		case sctp.EventWritable:
			e.full = false
		case sctp.EventClosed:
			panic(event.Err)
		}
	}
	for {
		m, ok := e.ReadMessage()
		if !ok {
			break
		}
		*e.received += int64(len(m.Data))
		e.Release(now, &m)
	}
	for e.connected && e.message != nil && !e.full {
		err := e.Send(now, 1, ppidBinary, e.message, sctp.SendOptions{})
		if err == sctp.ErrSendBufferFull {
			e.full = true
		} else if err != nil {
			panic(err)
		}
	}
	return e.Association.Transmit(now, dst)
}

const ppidBinary = 53

// runOurs measures an association of ours over the path for d after the handshake.
func runOurs(t testing.TB, seed uint64, p *path, config sctp.Config, d time.Duration) result {
	sim := netsim.New(seed)
	m := &meter{sim: sim, path: p}
	a, b := newEnd(sim, config, new(int64)), newEnd(sim, config, &m.bytes)
	forward, back := p.links()
	m.link = netsim.Connect(sim, a, b, forward, back).AB
	a.Connect(sim.Now())
	b.Connect(sim.Now())
	require.NoError(t, sim.Run(func() bool { return a.connected && b.connected }, handshakeLimit))
	m.start()
	a.message = make([]byte, messageSize)
	require.NoError(t, sim.RunFor(d))
	return m.result()
}
