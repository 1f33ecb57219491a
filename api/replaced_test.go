package rtc

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// agreeOn makes an offer of one connection and the answer of the other one.
func agreeOn(t *testing.T, from, to *PeerConnection) {
	t.Helper()
	require.NoError(t, from.SetLocalDescription(DescriptionOffer))
	require.NoError(t, to.SetRemoteDescription(gatheredDescription(t, from)))
	require.NoError(t, to.SetLocalDescription(DescriptionAnswer))
	require.NoError(t, from.SetRemoteDescription(gatheredDescription(t, to)))
}

// replacements is a connection whose peer is replaced by another one, as often as the test calls
// next.
type replacements struct {
	*simulation
	accepted chan *DataChannel // channels of the peers, at the connection
}

// inReplacements runs f with a connection that has no peer yet.
func inReplacements(t *testing.T, f func(t *testing.T, r *replacements)) {
	t.Helper()
	inSimulation(t, 1, place{a: manual, b: manual, unconnected: true}, func(t *testing.T, s *simulation) {
		r := &replacements{simulation: s, accepted: make(chan *DataChannel, maxStreams)}
		s.b.OnDataChannel(func(dc *DataChannel) { r.accepted <- dc })
		f(t, r)
	})
}

// next connects to another peer, which has created a channel with each of the labels, and returns
// these.
func (r *replacements) next(t *testing.T, labels ...string) []*DataChannel {
	t.Helper()
	peer := r.net.connection(manual)
	// A connection without channels has nothing to offer.
	_, err := peer.CreateDataChannel("", &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 1000})
	require.NoError(t, err)
	var channels []*DataChannel
	for _, label := range labels {
		dc, err := peer.CreateDataChannel(label, nil)
		require.NoError(t, err)
		channels = append(channels, dc)
	}
	agreeOn(t, peer, r.b)
	r.await(time.Minute, "connected", func() bool {
		return peer.State() == StateConnected && r.b.State() == StateConnected
	})
	return channels
}

// newHold returns a channel on which callbacks wait until release is called, or the test ends.
func newHold(t *testing.T) (hold <-chan struct{}, release func()) {
	c := make(chan struct{})
	release = sync.OnceFunc(func() { close(c) })
	t.Cleanup(release)
	return c, release
}

// wantWindow checks that no message counts in the receive window of the current association.
func (r *replacements) wantWindow(t *testing.T) {
	t.Helper()
	require.Zero(t, r.b.Stats().SCTP.Held)
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	require.Zero(t, r.b.channels.unread.charged)
}

// Messages that the program still has when the association is replaced count in no window any more:
// neither when they are read, nor when they are dropped. They are not lost.
func TestMessagesOfReplacedAssociationsLeaveTheWindow(t *testing.T) {
	const count, size = 40, 20000
	for name, read := range map[string]func(dc *DataChannel, got *int, hold <-chan struct{}){
		"OnMessage that is running": func(dc *DataChannel, got *int, hold <-chan struct{}) {
			dc.OnMessage(func(Message) {
				<-hold
				*got++
			})
		},
		"ReadMessage": func(dc *DataChannel, got *int, hold <-chan struct{}) {
			go func() {
				<-hold
				for {
					if _, err := dc.ReadMessage(context.Background()); err != nil {
						return
					}
					*got++
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inReplacements(t, func(t *testing.T, r *replacements) {
				for range 3 {
					x := r.next(t, "x")[0]
					hold, release := newHold(t)
					got := 0
					read(receive(t, r.accepted, "channel"), &got, hold)
					for range count {
						require.NoError(t, x.Send(make([]byte, size)))
					}
					pause(5 * time.Second)
					require.Positive(t, r.b.Stats().SCTP.Held)

					r.next(t)
					r.wantWindow(t)
					release()
					pause(time.Second)
					require.Equal(t, count, got)
					r.wantWindow(t)
				}
			})
		})
	}
}

// The unread messages of all replaced associations together are bounded, although each association
// had a receive window of its own and OnMessage does not return.
func TestMessagesOfReplacedAssociationsAreBounded(t *testing.T) {
	inReplacements(t, func(t *testing.T, r *replacements) {
		hold, release := newHold(t)
		r.b.OnDataChannel(func(dc *DataChannel) { dc.OnMessage(func(Message) { <-hold }) })
		x := r.next(t, "x")[0]
		const others = maxRetained - 2<<20 // as if other closed channels had retained so much
		r.b.channels.unread.retained = others
		for range 3 {
			fillWith(t, x, 2<<20)
			pause(readerPatience + time.Second)
			require.Greater(t, r.b.Stats().SCTP.Held, 1<<20)
			x = r.next(t, "x")[0]
			r.wantWindow(t)
			r.b.mu.Lock()
			retained := r.b.channels.unread.retained
			r.b.mu.Unlock()
			require.LessOrEqual(t, retained, maxRetained)
			require.Greater(t, retained, others+1<<20)
		}
		release()
		pause(time.Second)
		r.wantWindow(t)
		require.Equal(t, others, r.b.channels.unread.retained)
		require.Empty(t, r.b.channels.unread.retaining)
	})
}

// Messages that wait for their channel are dropped with their association.
func TestEarlyMessagesOfReplacedAssociations(t *testing.T) {
	inReplacements(t, func(t *testing.T, r *replacements) {
		peer := r.net.connection(manual)
		early, err := peer.CreateDataChannel("early", &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 7})
		require.NoError(t, err)
		agreeOn(t, peer, r.b)
		r.await(time.Minute, "open", early.IsOpen)
		require.NoError(t, early.Send(make([]byte, 1000)))
		pause(time.Second)
		require.Positive(t, r.b.Stats().SCTP.Held)
		r.next(t)
		r.wantWindow(t)
		require.Zero(t, r.b.channels.earlyBytes)
	})
}

// The names of the channels of a replaced association do not count any more, so that the channels
// of each peer are accepted.
func TestNamesOfReplacedAssociationsDoNotCount(t *testing.T) {
	inReplacements(t, func(t *testing.T, r *replacements) {
		var labels []string
		for range 30 {
			labels = append(labels, strings.Repeat("x", 60000))
		}
		require.Greater(t, 3*30*60000, maxNameBytes)
		for range 4 {
			r.next(t, labels...)
			pause(10 * time.Second)
			require.Equal(t, len(labels), len(r.accepted))
			for range labels {
				require.True(t, (<-r.accepted).IsOpen())
			}
			require.Equal(t, 30*60000, r.b.channels.nameBytes)
		}
		r.next(t)
		require.Zero(t, r.b.channels.nameBytes)
	})
}

// The bytes that a replaced association has not delivered count once.
func TestUndeliveredBytesOfReplacedAssociationsCountOnce(t *testing.T) {
	inReplacements(t, func(t *testing.T, r *replacements) {
		x := r.next(t, "x")[0]
		y := receive(t, r.accepted, "channel")
		wantTraffic(t, x, y)
		pause(time.Second)
		up := r.hosts[1].Attachment(0).Up
		r.net.Do(func() { up.SetConfig(netsim.LinkConfig{Loss: 1}) })
		sent := 0
		for range 100 {
			require.NoError(t, y.Send(make([]byte, 60000)))
			sent += 60000
		}
		require.Positive(t, y.BufferedAmount())
		require.Equal(t, sent, r.b.Stats().Undelivered)
		r.net.Do(func() { up.SetConfig(hostLink) })
		r.next(t)
		require.Equal(t, sent, r.b.Stats().Undelivered)
		var undelivered *UndeliveredError
		require.ErrorAs(t, r.b.Shutdown(context.Background()), &undelivered)
		require.Equal(t, sent, undelivered.Bytes)
		require.Equal(t, sent, r.b.Stats().Undelivered)
	})
}
