package rtc

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const worldDelay = 20 * time.Millisecond

// inOpenWorld runs a test with a channel that is open on both sides.
func inOpenWorld(t *testing.T, f func(t *testing.T, w *world, a, b *DataChannel)) {
	t.Helper()
	inWorld(t, 1, worldDelay, 0, manual, manual, func(t *testing.T, w *world) {
		a, b := w.connect("x", nil)
		time.Sleep(time.Second)
		f(t, w, a, b)
	})
}

// underWay is the largest number of bytes that may have arrived without being acknowledged, when
// the peer reads a message now and then.
const underWay = 8 << 10

// fill sends messages of 1000 bytes until that many are buffered in the channel, and returns the
// number of bytes it has sent.
func fill(t *testing.T, dc *DataChannel, buffered int) (sent int) {
	t.Helper()
	for ; dc.BufferedAmount() < buffered; sent += 1000 {
		require.NoError(t, dc.Send(make([]byte, 1000)))
	}
	return sent
}

// closeTime closes a connection and returns how long it took.
func closeTime(t *testing.T, pc *PeerConnection) time.Duration {
	t.Helper()
	closed := make(chan struct{})
	pc.OnStateChange(func(s State) {
		if s == StateClosed {
			close(closed)
		}
	})
	began := time.Now()
	require.NoError(t, pc.Close())
	select {
	case <-closed:
	case <-time.After(time.Hour):
		t.Fatal("not closed after an hour")
	}
	return time.Since(began)
}

// Close takes as long as the peer acknowledges buffered messages, within limits that do not depend
// on their size, and counts the lost bytes exactly.
func TestCloseIsBounded(t *testing.T) {
	for _, c := range []struct {
		name     string
		buffered int
		peer     func(w *world, b *DataChannel) // called while a closes
		min, max time.Duration
		lost     bool
	}{
		{"nothing is buffered", 0, nil, worldDelay, time.Second, false},
		{"the peer reads", 4 << 20, func(_ *world, b *DataChannel) { b.OnMessage(func(Message) {}) }, worldDelay, time.Minute, false},
		{"the peer never reads", 4 << 20, nil, closeStall, closeStall + time.Second, true},
		{"the path is dead", 4 << 20, func(w *world, _ *DataChannel) { w.losing(everything) }, closeLinger, closeLinger + time.Second, true},
		{"the path is dead, and nothing is buffered", 0, func(w *world, _ *DataChannel) { w.losing(everything) },
			closeLinger, closeLinger + time.Second, false},
		{"the peer reads, but too little", 4 << 20, func(w *world, b *DataChannel) { go readSlowly(w, b, 1) },
			closeStall, closeTimeout, true},
		{"the peer reads slowly", 20 << 20, func(w *world, b *DataChannel) { go readSlowly(w, b, 300) },
			closeTimeout, closeTimeout, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
				sent := 0
				if c.buffered > 0 {
					sent = fill(t, a, c.buffered)
					time.Sleep(30 * time.Second) // the receive window is full
				}
				arrived := func() int { return int(w.b.Stats().Messages.BytesReceived) }
				if c.peer != nil {
					c.peer(w, b)
				}
				took := closeTime(t, w.a)
				require.GreaterOrEqual(t, took, c.min)
				require.LessOrEqual(t, took, c.max)
				time.Sleep(time.Second)
				require.Equal(t, c.lost, w.a.Stats().Undelivered > 0)
				lost := w.a.Stats().Undelivered
				require.GreaterOrEqual(t, lost, sent-arrived(), "every byte arrived or is known to be lost")
				require.LessOrEqual(t, lost, sent-arrived()+underWay, "and what arrived is not called lost")
				require.Zero(t, w.a.Stats().BufferedAmount)
			})
		})
	}
}

// readSlowly reads a number of messages every two and a half seconds, until a is closed.
func readSlowly(w *world, dc *DataChannel, messages int) {
	for ; w.a.State() != StateClosed; time.Sleep(2500 * time.Millisecond) {
		for range messages {
			_, _ = dc.Receive()
		}
	}
}

// Bytes that are lost at other ends than Close are counted as well.
func TestUndelivered(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, a, b *DataChannel){
		"CloseAndWait": func(t *testing.T, w *world, _, _ *DataChannel) { require.NoError(t, w.a.CloseAndWait()) },
		"CloseAndWait of the peer": func(t *testing.T, w *world, _, _ *DataChannel) {
			require.NoError(t, w.b.CloseAndWait())
		},
		"Close of the peer":           func(t *testing.T, w *world, _, _ *DataChannel) { require.NoError(t, w.b.Close()) },
		"the peer closes the channel": func(t *testing.T, _ *world, _, b *DataChannel) { require.NoError(t, b.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
				sent := fill(t, a, 4<<20)
				time.Sleep(30 * time.Second)
				end(t, w, a, b)
				time.Sleep(time.Minute)
				lost := w.a.Stats().Undelivered
				require.Positive(t, lost)
				if name != "the peer closes the channel" { // it acknowledges the messages that arrive, and drops them
					require.GreaterOrEqual(t, lost, sent-int(w.b.Stats().Messages.BytesReceived))
				}
				require.NoError(t, w.a.CloseAndWait())
				require.Equal(t, lost, w.a.Stats().Undelivered, "it stays")
			})
		})
	}
}

// Bytes that the channel has not yet passed to the association when the peer shuts down are
// counted, too.
func TestUndeliveredWhenAPeerThatReadsCloses(t *testing.T) {
	for wait := range 10 {
		inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
			b.OnMessage(func(Message) {})
			sent := fill(t, a, 4<<20)
			pause(time.Duration(wait) * 15 * time.Millisecond)
			require.NoError(t, w.b.Close())
			time.Sleep(time.Minute)
			require.Zero(t, w.a.Stats().BufferedAmount)
			require.GreaterOrEqual(t, w.a.Stats().Undelivered, sent-int(w.b.Stats().Messages.BytesReceived))
		})
	}
}

// endOf contains the errors of reading and writing a channel after an end.
type endOf struct {
	read, write       []error // all of which the errors match
	notRead, notWrite []error // none of which they match
}

var (
	// closedHere is the end of a side that has closed.
	closedHere = endOf{
		read: []error{net.ErrClosed}, notRead: []error{io.EOF, io.ErrUnexpectedEOF, ErrPathLost},
		write: []error{net.ErrClosed, io.ErrClosedPipe}, notWrite: []error{io.EOF, ErrPathLost},
	}
	// closedThere is the end of a side whose peer has closed.
	closedThere = endOf{
		read: []error{io.EOF}, notRead: []error{net.ErrClosed, io.ErrUnexpectedEOF, ErrPathLost},
		write: []error{net.ErrClosed, io.ErrClosedPipe}, notWrite: []error{io.EOF, ErrPathLost},
	}
	// cutThere is the end of a side whose peer has dropped messages, or may have.
	cutThere = endOf{
		read: []error{io.EOF, io.ErrUnexpectedEOF}, notRead: []error{net.ErrClosed, ErrPathLost},
		write: []error{net.ErrClosed, io.ErrClosedPipe}, notWrite: []error{io.EOF, ErrPathLost},
	}
	// noPath is the state of both sides without a path.
	noPath = endOf{
		read: []error{ErrPathLost}, notRead: []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed},
		write: []error{ErrPathLost}, notWrite: []error{io.EOF, net.ErrClosed, io.ErrClosedPipe},
	}
)

// Each way in which a channel ends has its error, the same in all calls that wait for the end or
// are made after it. It matches the errors that programs for net.Conn and io.Reader check for.
func TestWhatTheEndsAreCalled(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, w *world, a, b *DataChannel)
		a, b endOf
	}{
		{"Close of the channel", func(t *testing.T, _ *world, a, _ *DataChannel) { require.NoError(t, a.Close()) }, closedHere, closedThere},
		{"Close of the connection", func(t *testing.T, w *world, _, _ *DataChannel) { require.NoError(t, w.a.Close()) },
			closedHere, closedThere},
		{"CloseAndWait with nothing to send", func(t *testing.T, w *world, _, _ *DataChannel) {
			require.NoError(t, w.a.CloseAndWait())
		}, closedHere, closedThere},
		{"CloseAndWait with something to send", func(t *testing.T, w *world, _, _ *DataChannel) {
			w.b.OnDataChannel(nil)
			other, err := w.a.CreateDataChannel("other", nil)
			require.NoError(t, err)
			require.NoError(t, other.Send(make([]byte, 1<<16)))
			require.NoError(t, w.a.CloseAndWait())
		}, closedHere, cutThere},
		{"an abort, as browsers close", func(t *testing.T, w *world, _, _ *DataChannel) {
			w.a.lock()
			defer w.a.unlock()
			w.a.beginClosing()
			w.a.transport.sctp.Abort(w.a.now, "the page was closed")
		}, closedHere, cutThere},
		{"a lost path", func(t *testing.T, w *world, _, _ *DataChannel) {
			for _, pc := range []*PeerConnection{w.a, w.b} {
				pc.lock()
				pc.setState(StateFailed)
				pc.unlock()
			}
		}, noPath, noPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
				channels := []*DataChannel{a, b}
				waiting := []<-chan error{startReaders(a), startReaders(b)}
				synctest.Wait()
				c.end(t, w, a, b)
				time.Sleep(10 * time.Second)
				for i, want := range []endOf{c.a, c.b} {
					for _, reading := range []<-chan error{waiting[i], startReaders(channels[i])} {
						wantErrors(t, <-reading, want.read, want.notRead)
						wantErrors(t, <-reading, want.read, want.notRead)
					}
					writing := startWriters(channels[i])
					wantErrors(t, <-writing, want.write, want.notWrite)
					wantErrors(t, <-writing, want.write, want.notWrite)
					wantErrors(t, channels[i].Send(nil), want.write, want.notWrite)
				}
			})
		})
	}
}

// A writer that waits for space in the buffer returns the error of the end.
func TestWhatABlockedWriterIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, w *world, a, b *DataChannel)
		want endOf
	}{
		"Close of the channel":    {func(t *testing.T, _ *world, a, _ *DataChannel) { require.NoError(t, a.Close()) }, closedHere},
		"Close of the connection": {func(t *testing.T, w *world, _, _ *DataChannel) { require.NoError(t, w.a.Close()) }, closedHere},
		"Close of the peer's channel": {func(t *testing.T, _ *world, _, b *DataChannel) { require.NoError(t, b.Close()) },
			closedThere},
		"CloseAndWait of the peer": {func(t *testing.T, w *world, _, _ *DataChannel) { require.NoError(t, w.b.CloseAndWait()) },
			closedThere},
		"a lost path": {func(t *testing.T, w *world, _, _ *DataChannel) {
			w.a.lock()
			defer w.a.unlock()
			w.a.setState(StateFailed)
		}, noPath},
	} {
		t.Run(name, func(t *testing.T) {
			inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
				fill(t, a, 4*writeHighWater)
				time.Sleep(30 * time.Second)
				writing := startWriters(a)
				synctest.Wait()
				c.end(t, w, a, b)
				wantErrors(t, soon(t, writing, "end"), c.want.write, c.want.notWrite)
				wantErrors(t, soon(t, writing, "end"), c.want.write, c.want.notWrite)
			})
		})
	}
}

// A peer that closes the connection ends the association before the channel: it waits for the
// messages in flight.
func TestSendingWhileThePeerCloses(t *testing.T) {
	inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
		b.OnMessage(func(Message) {})
		var refused []error
		while := func(d time.Duration) {
			for range d / time.Millisecond {
				if err := a.Send(make([]byte, 1000)); err != nil {
					require.False(t, len(refused) == 0 && a.IsClosed(), "the first refusal comes before the end")
					refused = append(refused, err)
				}
				pause(time.Millisecond)
			}
		}
		while(time.Second)
		require.Empty(t, refused)
		require.NoError(t, w.b.Close())
		while(time.Second)
		require.True(t, a.IsClosed())
		for _, err := range refused {
			wantErrors(t, err, closedThere.write, closedThere.notWrite)
			require.Equal(t, refused[0].Error(), err.Error(), "the same before the end and after it")
		}
	})
}

// The calls succeed again when there is a path again.
func TestLostPathThatIsFound(t *testing.T) {
	inOpenWorld(t, func(t *testing.T, w *world, a, b *DataChannel) {
		accepted := make(chan *DataChannel, 1)
		w.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		for _, s := range []State{StateFailed, StateConnected} {
			for _, pc := range []*PeerConnection{w.a, w.b} {
				pc.lock()
				pc.setState(s)
				pc.unlock()
			}
			if s == StateFailed {
				require.ErrorIs(t, a.SendText("lost"), ErrPathLost)
				late, err := w.a.CreateDataChannel("late", nil)
				require.NoError(t, err)
				require.ErrorIs(t, late.SendText("lost"), ErrPathLost)
				require.True(t, a.IsOpen())
			}
		}
		require.NoError(t, a.SendText("hello"))
		m, err := b.ReadMessage(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
		require.Equal(t, "late", receive(t, accepted, "the channel made meanwhile").Label())
	})
}

// startReaders starts all reading calls that wait, and returns their errors.
func startReaders(dc *DataChannel) <-chan error {
	errs := make(chan error, 2)
	go func() {
		_, err := dc.ReadMessage(context.Background())
		errs <- err
	}()
	go func() {
		_, err := dc.NetConn().Read(make([]byte, 1))
		errs <- err
	}()
	return errs
}

// startWriters does the same for writing.
func startWriters(dc *DataChannel) <-chan error {
	errs := make(chan error, 2)
	go func() { errs <- dc.WriteMessage(context.Background(), Message{}) }()
	go func() {
		_, err := dc.NetConn().Write([]byte{1})
		errs <- err
	}()
	return errs
}

func wantErrors(t *testing.T, err error, all, none []error) {
	t.Helper()
	for _, target := range all {
		require.ErrorIs(t, err, target)
	}
	for _, target := range none {
		require.NotErrorIs(t, err, target)
	}
	if err != io.EOF { // a stream must return io.EOF itself
		wantClass(t, err, ErrFailure)
	}
}

// After every kind of end, Stats returns the last state of the connection.
func TestStatsAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(p *pair) error{
		"Close":                    func(p *pair) error { return p.a.Close() },
		"CloseAndWait":             func(p *pair) error { return p.a.CloseAndWait() },
		"CloseAndWait of the peer": func(p *pair) error { return p.b.CloseAndWait() },
		"failure": func(p *pair) error {
			p.a.lock()
			defer p.a.unlock()
			p.a.finish(StateFailed, failuref("something"))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
				a, b := p.connect("x", nil)
				exchange(t, a, b, Message{Data: []byte("hello")})
				exchange(t, b, a, Message{Data: []byte("hello")})
				eventually(t, "connected", func() bool {
					return p.a.Stats().ICEState == ICEStateCompleted && p.b.Stats().ICEState == ICEStateCompleted && p.a.Stats().Undelivered == 0
				})
				before := p.a.Stats()
				require.NotEmpty(t, before.CipherSuite)
				require.Positive(t, before.RTT)
				require.True(t, before.Local.Addr.IsValid() && before.Remote.Addr.IsValid())
				require.NoError(t, end(&p.pair))
				eventually(t, "ended", func() bool { return p.a.State() >= StateFailed })
				<-p.a.ending.done
				after := p.a.Stats()
				require.Equal(t, before.CipherSuite, after.CipherSuite)
				require.Positive(t, after.RTT)
				require.Equal(t, before.Local, after.Local)
				require.Equal(t, before.Remote, after.Remote)
				require.Equal(t, before.Messages, after.Messages)
				require.GreaterOrEqual(t, after.BytesSent, before.BytesSent)
				require.GreaterOrEqual(t, after.BytesReceived, before.BytesReceived)
				require.GreaterOrEqual(t, after.ICE.RequestsSent, before.ICE.RequestsSent)
				require.GreaterOrEqual(t, after.ICE.ResponsesReceived, before.ICE.ResponsesReceived)
				require.GreaterOrEqual(t, after.SCTP.PacketsSent, before.SCTP.PacketsSent)
				require.GreaterOrEqual(t, after.SCTP.MessagesReceived, before.SCTP.MessagesReceived)
				require.Zero(t, after.Undelivered)
				require.Zero(t, after.BufferedAmount)
				require.Equal(t, after, p.a.Stats(), "nothing changes any more")
			})
		})
	}
}

// Counters continue over an ICE restart, and the selected pair is the last one until there is
// another.
func TestStatsOverARestart(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		s := newRollbackTest(n)
		for range 3 {
			before := s.a.Stats().ICE
			require.NoError(t, s.a.RestartICE())
			s.negotiate(t, s.a, s.b)
			for _, pc := range []*PeerConnection{s.a, s.b} {
				stats := pc.Stats()
				require.True(t, stats.Local.Addr.IsValid() && stats.Remote.Addr.IsValid())
			}
			s.wantPath(t)
			after := s.a.Stats().ICE
			require.Greater(t, after.RequestsSent, before.RequestsSent)
			require.Greater(t, after.ResponsesReceived, before.ResponsesReceived)
		}
	})
}
