package rtc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// randomEnd is a call that ends a connection, at a random moment.
type randomEnd struct {
	pc       *PeerConnection
	how      string
	limit    time.Duration // of the context of Shutdown; 0: it has none
	began    time.Time
	returned time.Time
	err      error
	done     atomic.Bool
}

func (e *randomEnd) String() string { return fmt.Sprintf("%s, limit %v, %v", e.how, e.limit, e.err) }

func (e *randomEnd) call() {
	e.began = time.Now()
	switch e.how {
	case "Close":
		e.err = e.pc.Close()
	case "CloseAndWait":
		e.err = e.pc.CloseAndWait()
	default:
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if e.limit > 0 {
			ctx, cancel = context.WithTimeout(ctx, e.limit)
		}
		e.err = e.pc.Shutdown(ctx)
		cancel()
	}
	e.returned = time.Now()
	e.done.Store(true)
}

// end ends a connection: at once, on another goroutine, or in its next callback.
func (s *randomRun) end(pc *PeerConnection) *randomEnd {
	r := s.net.rng
	e := &randomEnd{pc: pc, how: []string{"Close", "CloseAndWait", "Shutdown"}[r.IntN(3)]}
	if r.IntN(2) == 0 {
		e.limit = time.Duration(1+r.IntN(5000)) * time.Millisecond
	}
	switch r.IntN(3) {
	case 0:
		e.call()
	case 1:
		go e.call()
	case 2:
		s.inNextCallback(pc, e.call)
	}
	return e
}

// waiting records the calls that wait until a connection ends.
type waiting struct {
	closedAt time.Time // when Wait has returned StateClosed
	returned atomic.Int32
	calls    int32
}

// wait starts goroutines that wait for the end of a connection, and that read and write a
// negotiated channel of their own.
func (s *randomRun) wait(pc *PeerConnection) *waiting {
	w := &waiting{}
	run := func(f func()) {
		w.calls++
		go func() {
			f()
			w.returned.Add(1)
		}()
	}
	dc, err := pc.CreateDataChannel("stream", &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 900})
	require.NoError(s.t, err)
	ctx := context.Background()
	run(func() {
		state, err := pc.Wait(ctx, StateClosed)
		if state != StateClosed || err != nil {
			s.t.Errorf("Wait: %v, %v", state, err)
		}
		w.closedAt = time.Now()
	})
	run(func() {
		message := make([]byte, 60_000)
		for n := 0; ; n++ {
			message[0] = byte(n)
			if err := dc.WriteMessage(ctx, Message{Data: message}); err != nil {
				if !errors.Is(err, ErrPathLost) {
					return
				}
				n--
			}
			time.Sleep(2 * time.Second)
		}
	})
	run(func() {
		for n := 0; ; {
			m, err := dc.ReadMessage(ctx)
			switch {
			case errors.Is(err, ErrPathLost):
				time.Sleep(time.Second)
			case err != nil:
				return
			default:
				if m.Data[0] != byte(n) {
					s.t.Errorf("stream: message %d instead of %d", m.Data[0], byte(n))
				}
				n++
			}
		}
	})
	return w
}

// replacePeer cuts b off from the network and from signalling. After a while it creates another
// connection in its place, on another host.
func (s *randomRun) replacePeer() {
	r := s.net.rng
	old := s.hosts[1]
	for i := range old.Interfaces() {
		at := old.Attachment(i)
		s.net.Do(func() {
			at.Up.SetConfig(netsim.LinkConfig{Loss: 1})
			at.Down.SetConfig(netsim.LinkConfig{Loss: 1})
		})
	}
	for _, w := range s.wires {
		w.close()
	}
	pause(time.Duration(r.IntN(40_000)) * time.Millisecond)
	s.hosts[1] = s.net.host(s.network(1, r))
	s.b = s.net.connectionOn(s.hosts[1], Configuration{}, tuning{})
	s.watch("b again", s.b)
	s.b.OnDataChannel(s.accept)
	for i, ends := range [2][2]*PeerConnection{{s.a, s.b}, {s.b, s.a}} {
		s.wires[i] = newWire(time.Duration(1+r.IntN(200)) * time.Millisecond)
		s.wires[i].carry(s.t, ends[0], ends[1])
	}
	for range allReliabilities {
		s.open(s.b, s.a, len(s.channels)/2)
	}
}

// Connections end at a random moment of a storm of events: before they are connected, during
// restarts, while all packets are lost, and after the peer's program was replaced. The program
// calls Close, CloseAndWait or Shutdown, also inside a callback. The connection is closed within
// the documented time, all calls that wait return, each channel closes once, no message arrives
// before OnOpen or after OnClosed, and the messages received are the first ones sent: all of them
// if none counts as undelivered.
func TestRandomEventsUntilTheEnd(t *testing.T) {
	began, n := time.Now(), 0
	netsim.Seeds(t, 20, func(t *testing.T, seed uint64) {
		n++
		inRandomNetwork(t, seed, func(s *randomRun) {
			r := s.net.rng
			pcs := []*PeerConnection{s.a, s.b}
			s.begin()
			s.a.OnDataChannel(s.accept)
			waits := map[*PeerConnection]*waiting{s.a: s.wait(s.a), s.b: s.wait(s.b)}
			if r.IntN(6) != 0 {
				s.await(time.Minute, "connected", func() bool { return s.a.State() == StateConnected && s.b.State() == StateConnected })
			}
			ended := make(map[int]bool) // the channels that the program has closed, by half their index
			event := func() {
				switch r.IntN(12) {
				case 0:
					if len(pcs) < 4 && s.b.State() == StateConnected {
						s.replacePeer()
						pcs = append(pcs, s.b)
					}
				case 1:
					i := r.IntN(len(s.channels))
					s.mu.Lock()
					dc := s.channels[i].from
					s.mu.Unlock()
					if dc != nil {
						_ = dc.Close()
						ended[i/2] = true
					}
				default:
					s.randomEvent()
				}
			}
			s.storm(time.Duration(1+r.IntN(20_000))*time.Millisecond, 3*time.Second, event)
			var ends []*randomEnd
			for _, pc := range []*PeerConnection{s.a, s.b} {
				if both := r.IntN(3); both == 0 || len(ends) == 0 && (pc == s.b || both == 1) {
					ends = append(ends, s.end(pc))
				}
			}
			s.storm(time.Duration(1+r.IntN(5000))*time.Millisecond, 2*time.Second, s.randomEvent)
			for _, e := range ends {
				if f := s.takeHook(e.pc); f != nil {
					go f() // there was no callback
				}
			}
			pause(closeTimeout)
			for _, e := range ends {
				s.checkEnd(e, waits[e.pc])
			}

			// The other side has ended, or has lost its path, or has no answer to its offer.
			s.await(time.Minute, "ended", func() bool {
				for _, pc := range pcs {
					if state := pc.State(); state != StateClosed && state != StateFailed && state != StateNew {
						return false
					}
				}
				return true
			})
			for _, pc := range pcs {
				require.NoError(t, pc.Close())
			}
			pause(5 * time.Second) // the writer has paused meanwhile
			for _, pc := range pcs {
				require.Equal(t, StateClosed, pc.State())
				if pc.transport.ice != nil {
					require.Equal(t, ICEStateClosed, pc.ICEState())
				}
				require.Equal(t, 0, pc.Stats().BufferedAmount)
				if w := waits[pc]; w != nil && w.returned.Load() != w.calls {
					t.Errorf("%d of %d calls that wait have returned", w.returned.Load(), w.calls)
				}
				// The sockets are closed, and all goroutines have ended.
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				if err := pc.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("not released: %v", err)
				}
				cancel()
			}
			silent := make(map[*PeerConnection]bool) // no callback is called after CloseAndWait
			for _, e := range ends {
				silent[e.pc] = silent[e.pc] || e.how == "CloseAndWait"
			}
			for i := 0; i < len(s.channels); i += 2 {
				there, back := s.channels[i], s.channels[i+1]
				s.checkClosed(there.from, back, silent)
				if back.from == nil {
					continue
				}
				s.checkClosed(back.from, there, silent)
				if len(pcs) == 2 && !ended[i/2] {
					s.checkComplete(there, back.from, silent)
					s.checkComplete(back, there.from, silent)
				}
			}
			s.checkOrder()
		})
	})
	t.Logf("%v for each seed", time.Since(began)/time.Duration(n))
}

// checkEnd checks that a call has ended its connection within the documented time.
func (s *randomRun) checkEnd(e *randomEnd, w *waiting) {
	if !e.done.Load() {
		s.t.Fatalf("has not returned: %v (state %v)", e, e.pc.State())
	}
	took, limit := e.returned.Sub(e.began), time.Duration(0)
	switch e.how {
	case "CloseAndWait":
		limit = time.Second
	case "Shutdown":
		limit = closeTimeout // not documented, but little is buffered
		if e.limit > 0 {
			limit = e.limit + time.Second
		}
	}
	if took > limit {
		s.t.Errorf("returned after %v: %v", took, e)
	}
	if e.pc.State() != StateClosed {
		s.t.Errorf("state %v after %v", e.pc.State(), e)
	}
	if w != nil && w.closedAt.Sub(e.began) > closeTimeout {
		s.t.Errorf("closed after %v: %v", w.closedAt.Sub(e.began), e)
	}
	var undelivered *UndeliveredError
	if e.err != nil && (e.how != "Shutdown" || !errors.As(e.err, &undelivered) && !errors.Is(e.err, context.DeadlineExceeded)) {
		s.t.Errorf("%v", e)
	}
}

// checkClosed checks that an end of a channel has closed once. c is the direction towards it.
func (s *randomRun) checkClosed(dc *DataChannel, c *direction, silent map[*PeerConnection]bool) {
	if !dc.IsClosed() || dc.state != channelClosed {
		s.t.Errorf("channel %s is not closed", c.name)
	}
	if c.opened > 1 || c.closed > 1 || c.closed == 0 && !silent[dc.table.owner.(*PeerConnection)] {
		s.t.Errorf("channel %s: opened %d times, closed %d times", c.name, c.opened, c.closed)
	}
}

// checkComplete checks that all messages to an end of a channel have arrived, if the sender has no
// undelivered bytes. CloseAndWait of the receiver drops those that its callback has not got yet.
func (s *randomRun) checkComplete(c *direction, to *DataChannel, silent map[*PeerConnection]bool) {
	lost := c.from.table.owner.(*PeerConnection).Stats().Undelivered > 0
	if !lost && !c.reliability.Unreliable && !silent[to.table.owner.(*PeerConnection)] && len(c.got) != int(c.sent) {
		s.t.Errorf("channel %s: %d of %d messages arrived, and none counts as undelivered", c.name, len(c.got), c.sent)
	}
}
