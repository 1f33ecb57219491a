package rtc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exchange sends a message and returns the one that arrives.
func exchange(t testing.TB, from, to Channel, m Message) Message {
	t.Helper()
	if m.IsText {
		require.NoError(t, from.SendText(string(m.Data)))
	} else {
		require.NoError(t, from.Send(m.Data))
	}
	return next(t, to)
}

// next returns the next message of a channel.
func next(t testing.TB, c Channel) Message {
	t.Helper()
	var m Message
	eventually(t, "a message", func() bool {
		var err error
		m, err = c.Receive()
		return err == nil
	})
	return m
}

func TestMessageSizes(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		require.Equal(t, DefaultMaxMessageSize, a.MaxMessageSize())
		for _, size := range []int{0, 1, 2, 1171, 1172, 1173, 16384, 65536, 262144} {
			data := bytes.Repeat([]byte{'a' + byte(size%7)}, size)
			for _, isText := range []bool{false, true} {
				got := exchange(t, a, b, Message{Data: data, IsText: isText})
				require.Equal(t, isText, got.IsText, size)
				require.True(t, bytes.Equal(data, got.Data), size)
				got = exchange(t, b, a, Message{Data: data, IsText: isText})
				require.True(t, bytes.Equal(data, got.Data), size)
			}
		}
		require.ErrorIs(t, a.Send(make([]byte, 262145)), ErrInvalid)
		require.ErrorIs(t, a.SendText(strings.Repeat("x", 262145)), ErrInvalid)
		require.True(t, a.IsOpen())
	})
}

func TestLargerMessages(t *testing.T) {
	const size = 5 << 20
	inSimulation(t, 1, place{a: Configuration{MaxMessageSize: size}, b: Configuration{MaxMessageSize: size}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		require.Equal(t, size, a.MaxMessageSize())
		data := bytes.Repeat([]byte("0123456789"), size/10)
		require.True(t, bytes.Equal(data, exchange(t, a, b, Message{Data: data}).Data))
		require.ErrorIs(t, a.Send(append(data, 1)), ErrInvalid)
	})
}

func TestLabelsAndProtocols(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		accepted := make(chan *DataChannel, 10)
		p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		for _, label := range []string{"", "plain", "größer", "数据通道", "👩‍👩‍👧‍👦", "line\nfeed\x00zero", strings.Repeat("x", 65535)} {
			dc, err := p.a.CreateDataChannel(label, &DataChannelInit{Protocol: label})
			require.NoError(t, err)
			require.Equal(t, label, dc.Label())
			got := receive(t, accepted, "channel")
			require.Equal(t, label, got.Label())
			require.Equal(t, label, got.Protocol())
		}
		for _, bad := range []string{strings.Repeat("x", 65536), "\xff"} {
			_, err := p.a.CreateDataChannel(bad, nil)
			require.ErrorIs(t, err, ErrInvalid)
			_, err = p.a.CreateDataChannel("", &DataChannelInit{Protocol: bad})
			require.ErrorIs(t, err, ErrInvalid)
		}
	})
}

func TestTwentyChannels(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		const n, each = 20, 50
		var r [n]recorder
		byLabel := make(chan *DataChannel, n)
		p.b.OnDataChannel(func(dc *DataChannel) {
			var i int
			_, _ = fmt.Sscan(dc.Label(), &i)
			dc.OnMessage(func(m Message) { r[i].add(string(m.Data)) })
			byLabel <- dc
		})
		var want []string
		for j := range each {
			want = append(want, fmt.Sprint(j))
		}
		for i := range n {
			dc, err := p.a.CreateDataChannel(fmt.Sprint(i), nil)
			require.NoError(t, err)
			dc.OnOpen(func() {
				for _, text := range want {
					require.NoError(t, dc.SendText(text))
				}
			})
		}
		for range n {
			receive(t, byLabel, "channel")
		}
		for i := range n {
			eventually(t, "all messages", func() bool { return len(r[i].all()) == each })
			require.Equal(t, want, r[i].all())
		}
	})
}

func TestStreamIdentifiers(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		alone := n.connection(manual)
		early, err := alone.CreateDataChannel("x", nil)
		require.NoError(t, err)
		_, err = early.Stream()
		require.ErrorIs(t, err, ErrNotAvailable, "before SCTP is up")
		require.Equal(t, 1023, must(alone.MaxDataChannelStream()))

		p := n.pair(place{})
		a, err := p.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		for _, c := range []struct {
			stream uint16
			err    error
		}{{100, nil}, {100, ErrInvalid}, {1023, nil}, {1024, ErrInvalid}} {
			dc, err := p.a.CreateDataChannel("manual", &DataChannelInit{ManualStream: true, Stream: c.stream})
			if c.err != nil {
				require.ErrorIs(t, err, c.err, "%+v", c)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, c.stream, must(dc.Stream()), "available when given")
		}
		eventually(t, "open", a.IsOpen)
		// RFC 8832, section 6: the DTLS client uses streams with even ids, the DTLS server those
		// with odd ids.
		require.EqualValues(t, 1, must(a.Stream()))
		b, err := p.b.CreateDataChannel("y", nil)
		require.NoError(t, err)
		// The peer's association may be established a moment later, when the COOKIE ACK arrives.
		eventually(t, "open at the peer", b.IsOpen)
		require.EqualValues(t, 0, must(b.Stream()))
		_, err = p.a.CreateDataChannel("z", &DataChannelInit{ManualStream: true, Stream: 1})
		require.ErrorIs(t, err, ErrInvalid, "in use")
	})
}

func TestReliabilityReachesTheOtherSide(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		accepted := make(chan *DataChannel, 1)
		p.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
		for _, c := range []struct{ given, want Reliability }{
			{Reliability{}, Reliability{}},
			{Reliability{Unordered: true}, Reliability{Unordered: true}},
			// If Unreliable is set and both limits are 0, there is no retransmission. Without it,
			// the limits are ignored.
			{Reliability{Unreliable: true}, Reliability{Unreliable: true}},
			{Reliability{MaxRetransmits: 3, MaxPacketLifeTime: 4}, Reliability{}},
			{Reliability{Unreliable: true, MaxRetransmits: 3}, Reliability{Unreliable: true, MaxRetransmits: 3}},
			// MaxRetransmits is ignored if MaxPacketLifeTime is above 0.
			{Reliability{Unordered: true, Unreliable: true, MaxRetransmits: 3, MaxPacketLifeTime: 1000},
				Reliability{Unordered: true, Unreliable: true, MaxPacketLifeTime: 1000}},
		} {
			dc, err := p.a.CreateDataChannel("x", &DataChannelInit{Reliability: c.given})
			require.NoError(t, err)
			require.Equal(t, c.given, dc.Reliability())
			got := receive(t, accepted, "channel")
			require.Equal(t, c.want, got.Reliability())
			eventually(t, "open", dc.IsOpen)
			require.Equal(t, "x", string(exchange(t, dc, got, Message{Data: []byte("x")}).Data))
			require.Equal(t, "y", string(exchange(t, got, dc, Message{Data: []byte("y")}).Data))
		}
	})
}

func TestMessagesGoOrderedUntilThePeerKnowsTheChannel(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(manual)
		dc, err := pc.CreateDataChannel("x", &DataChannelInit{Reliability: Reliability{Unordered: true}})
		require.NoError(t, err)
		require.False(t, dc.options(53, time.Time{}).Unordered)
		dc.acked = true
		require.True(t, dc.options(53, time.Time{}).Unordered)
		require.False(t, dc.options(50, time.Time{}).Unordered, "nor does the establishment protocol")
	})
}

func TestNegotiatedChannels(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		p.b.OnDataChannel(func(dc *DataChannel) { t.Errorf("channel %q", dc.Label()) })
		init := &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 7}
		b, err := p.b.CreateDataChannel("b", init) // b offers as well
		require.NoError(t, err)
		a, err := p.a.CreateDataChannel("a", init)
		require.NoError(t, err)
		eventually(t, "both open", func() bool { return a.IsOpen() && b.IsOpen() })
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
		require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
	})
}

// The peer does not create the negotiated channel: it resets the stream when a message arrives.
func TestNegotiatedChannelOfOneSide(t *testing.T) {
	inOpenWorld(t, func(t *testing.T, w *world, other, _ *DataChannel) {
		alone, err := w.a.CreateDataChannel("a", &DataChannelInit{Negotiated: true, ManualStream: true, Stream: 8})
		require.NoError(t, err)
		pause(time.Minute)
		require.True(t, alone.IsOpen())
		closed := 0
		alone.OnClosed(func() { closed++ })
		require.NoError(t, alone.Send([]byte("anybody?")))
		pause(10 * time.Second)
		require.Equal(t, 1, closed)
		require.True(t, other.IsOpen())
	})
}

func TestClosingAChannel(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		var r recorder
		got := 0
		b.OnMessage(func(m Message) { got += len(m.Data) })
		b.OnClosed(func() { r.add(fmt.Sprint("closed after ", got)) })
		aClosed := make(chan struct{}, 2)
		a.OnClosed(func() { aClosed <- struct{}{} })
		const n, size = 100, 100_000 // far more than the send buffer holds
		for range n {
			require.NoError(t, a.Send(make([]byte, size)))
		}
		require.NoError(t, a.Close())
		require.NoError(t, a.Close(), "a second close succeeds")
		require.True(t, a.IsClosed())
		require.False(t, a.IsOpen())
		require.ErrorIs(t, a.Send([]byte("x")), ErrFailure)
		receive(t, aClosed, "closed callback")
		eventually(t, "closed on the other side", func() bool { return len(r.all()) == 1 })
		// The buffered messages are sent before the channel closes.
		require.Equal(t, []string{fmt.Sprint("closed after ", n*size)}, r.all())
		require.ErrorIs(t, b.Send([]byte("x")), ErrFailure)
		require.Zero(t, a.BufferedAmount())
		idle(t, p.a)
		require.Empty(t, aClosed, "closed fires once")
		require.Equal(t, StateConnected, p.a.State())

		// The stream can be used again when both sides have reset it.
		eventually(t, "the stream is free", func() bool { return p.a.Stats().Channels == 0 && p.b.Stats().Channels == 0 })
		for i := range 20 {
			a, b = p.connect(fmt.Sprint(i), nil)
			require.EqualValues(t, 1, must(a.Stream()))
			require.Equal(t, "again", string(exchange(t, a, b, Message{Data: []byte("again")}).Data))
			require.NoError(t, b.Close()) // now the other side closes
			eventually(t, "the stream is free", func() bool { return p.a.Stats().Channels == 0 && p.b.Stats().Channels == 0 })
		}
	})
}

func TestBothSidesCloseAChannelAtOnce(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		for i := range 20 {
			a, b := p.connect(fmt.Sprint(i), nil)
			go func() { _ = a.Close() }()
			require.NoError(t, b.Close())
			eventually(t, "the stream is free", func() bool { return p.a.Stats().Channels == 0 && p.b.Stats().Channels == 0 })
		}
	})
}

func TestAChannelThatNeverOpened(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(manual)
		dc, err := pc.CreateDataChannel("x", &DataChannelInit{ManualStream: true, Stream: 3})
		require.NoError(t, err)
		require.ErrorIs(t, dc.Send([]byte("x")), ErrFailure)
		require.False(t, dc.IsOpen())
		require.False(t, dc.IsClosed())
		closed := make(chan struct{})
		dc.OnClosed(func() { close(closed) })
		require.NoError(t, dc.Close())
		receive(t, closed, "closed callback")
		_, err = pc.CreateDataChannel("y", &DataChannelInit{ManualStream: true, Stream: 3})
		require.NoError(t, err, "its stream is free again")
	})
}
