package ice

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// agentsOfMemoryTest keeps the agents of TestIdleAgentIsSmall alive.
var agentsOfMemoryTest []*Agent

// An idle connected agent with one base and one pair is small: the measured size, and a tenth for
// other versions of the standard library.
func TestIdleAgentIsSmall(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("the limit is that of 64-bit systems")
	}
	const agents, limit = 1000, 4200
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the first one moves pooled buffers only
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	agentsOfMemoryTest = make([]*Agent, 0, agents)
	defer func() { agentsOfMemoryTest = nil }()
	before := heap()
	for range agents {
		s := newScript(t, Config{Controlling: true}, local1)
		for range 4 { // before SetRemote, and none of them answered yet
			s.check(local1, remote1, peerCheck{})
		}
		s.setRemote()
		s.addRemote(remote1)
		for s.a.State() != StateCompleted {
			s.respondToAll()
		}
		for range 20 { // consent checks of both sides
			s.check(local1, remote1, peerCheck{})
			s.respondToAll()
			s.advance(5 * time.Second)
		}
		s.respondToAll()
		s.dropEvents()
		agentsOfMemoryTest = append(agentsOfMemoryTest, s.a.Agent)
	}
	size := (heap() - before) / agents
	t.Logf("%d bytes", size)
	require.LessOrEqual(t, size, uint64(limit))
}

// respondToAll answers the agent's requests.
func (s *script) respondToAll() {
	for {
		p, ok := s.transmitted()
		if !ok {
			return
		}
		if p.Type().Class() == 0 {
			s.answer(p, p.local)
		}
	}
}
