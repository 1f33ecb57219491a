package interop_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/stretchr/testify/require"
)

// ourChannel is our end of a data channel, with its messages and events.
type ourChannel struct {
	*rtc.DataChannel
	messages       chan message
	opened, closed *milestone
}

// pionChannel is pion's end of a data channel, with its messages and events.
type pionChannel struct {
	*webrtc.DataChannel
	messages       chan message
	opened, closed *milestone
}

// message is a message on a data channel of either implementation.
type message struct {
	text bool
	data []byte
}

func (m message) String() string {
	if len(m.data) > 32 {
		return fmt.Sprintf("text %v, %d bytes", m.text, len(m.data))
	}
	return fmt.Sprintf("text %v, %q", m.text, m.data)
}

// pendingMessages is larger than the number of messages that a test leaves unread.
const pendingMessages = 8192

func watchOurs(dc *rtc.DataChannel) *ourChannel {
	c := &ourChannel{dc, make(chan message, pendingMessages),
		newMilestone("our channel %q open", dc.Label()), newMilestone("our channel %q closed", dc.Label())}
	dc.OnOpen(c.opened.reach)
	dc.OnClosed(c.closed.reach)
	dc.OnMessage(func(m rtc.Message) { c.messages <- message{m.IsText, bytes.Clone(m.Data)} })
	return c
}

func watchPion(dc *webrtc.DataChannel) *pionChannel {
	c := &pionChannel{dc, make(chan message, pendingMessages),
		newMilestone("pion's channel %q open", dc.Label()), newMilestone("pion's channel %q closed", dc.Label())}
	dc.OnOpen(c.opened.reach)
	dc.OnClose(c.closed.reach)
	dc.OnMessage(func(m webrtc.DataChannelMessage) { c.messages <- message{m.IsString, m.Data} })
	return c
}

func (c *ourChannel) sendMessage(m message) error {
	if m.text {
		return c.SendText(string(m.data))
	}
	return c.Send(m.data)
}

func (c *pionChannel) sendMessage(m message) error {
	if m.text {
		return c.SendText(string(m.data))
	}
	return c.Send(m.data)
}

// channelPair has both ends of a data channel.
type channelPair struct {
	ours *ourChannel
	pion *pionChannel
}

// toOurs sends messages from pion, and checks that all arrive in order.
func (p channelPair) toOurs(t *testing.T, messages ...message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, p.pion.sendMessage(m), "pion sends %v", m)
	}
	for i, m := range messages {
		requireMessage(t, m, next(t, p.ours.messages, "message %d of %d at our side: %v", i, len(messages), m))
	}
}

// toPion sends messages to pion, and checks that all arrive in order.
func (p channelPair) toPion(t *testing.T, messages ...message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, p.ours.sendMessage(m), "we send %v", m)
	}
	for i, m := range messages {
		requireMessage(t, m, next(t, p.pion.messages, "message %d of %d at pion: %v", i, len(messages), m))
	}
}

func (p channelPair) exchange(t *testing.T, messages ...message) {
	t.Helper()
	p.toPion(t, messages...)
	p.toOurs(t, messages...)
}

// requireMessage compares two messages. Its failure does not print the data of large ones.
func requireMessage(t *testing.T, want, got message) {
	t.Helper()
	if want.text != got.text || !bytes.Equal(want.data, got.data) {
		t.Fatalf("want %v, got %v", want, got)
	}
}

// open creates a channel on one side, and returns both ends when they are open. If there is no connection yet, that
// side makes the offer.
func (s *pionSession) open(fromOurs bool, label string, r rtc.Reliability, protocol string) channelPair {
	s.t.Helper()
	var p channelPair
	if fromOurs {
		arrived := make(chan *pionChannel, 1)
		s.pion.OnDataChannel(func(dc *webrtc.DataChannel) { arrived <- watchPion(dc) })
		dc, err := s.ours.CreateDataChannel(label, &rtc.DataChannelInit{Reliability: r, Protocol: protocol})
		require.NoError(s.t, err)
		p.ours = watchOurs(dc)
		p.pion = next(s.t, arrived, "pion accepts our channel %q", label)
	} else {
		arrived := make(chan *ourChannel, 1)
		s.ours.OnDataChannel(func(dc *rtc.DataChannel) { arrived <- watchOurs(dc) })
		dc, err := s.pion.CreateDataChannel(label, pionInit(r, protocol))
		require.NoError(s.t, err)
		p.pion = watchPion(dc)
		if s.pion.LocalDescription() == nil {
			s.offerFromPion()
		}
		p.ours = next(s.t, arrived, "our side accepts pion's channel %q", label)
	}
	p.ours.opened.wait(s.t)
	p.pion.opened.wait(s.t)
	return p
}

// connect establishes the connection, with one ordered and reliable channel.
func (s *pionSession) connect(oursOffers bool) channelPair {
	s.t.Helper()
	p := s.open(oursOffers, "first", rtc.Reliability{}, "")
	s.connected()
	return p
}

func pionInit(r rtc.Reliability, protocol string) *webrtc.DataChannelInit {
	ordered := !r.Unordered
	init := &webrtc.DataChannelInit{Ordered: &ordered, Protocol: &protocol}
	switch n, ms := uint16(r.MaxRetransmits), uint16(r.MaxPacketLifeTime); {
	case r.Unreliable && ms > 0:
		init.MaxPacketLifeTime = &ms
	case r.Unreliable:
		init.MaxRetransmits = &n
	}
	return init
}

// bothWays runs a test with each side as the offerer.
func bothWays(t *testing.T, test func(t *testing.T, oursOffers bool)) {
	t.Run("we offer", func(t *testing.T) { test(t, true) })
	t.Run("pion offers", func(t *testing.T) { test(t, false) })
}

// noise returns pseudorandom bytes, the same for equal arguments.
func noise(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestPionMessageSizes(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		p := newPionSession(t, pionOptions{}).connect(oursOffers)
		for i, size := range []int{0, 1, 2, 3, 1100, 1200, 16 << 10, 65535, 64 << 10, 64<<10 + 1, 256 << 10} {
			p.exchange(t, message{data: noise(uint64(i), size)})
			p.exchange(t, message{text: true, data: []byte(strings.Repeat("z", size))})
		}
		// All at once, so that several of them share packets.
		p.exchange(t, message{data: nil}, message{text: true, data: nil},
			message{data: []byte{0}}, message{text: true, data: []byte("\x00")},
			message{data: noise(1, 256<<10)}, message{text: true, data: nil}, message{text: true, data: []byte("käse 🧀")})
	})
}

// RFC 8841, section 6: neither side sends messages larger than the max-message-size of the other.
func TestPionMaxMessageSize(t *testing.T) {
	s := newPionSession(t, pionOptions{
		ours:   rtc.Configuration{MaxMessageSize: 100_000},
		engine: func(e *webrtc.SettingEngine) { e.SetSCTPMaxMessageSize(65536) },
	})
	p := s.connect(true)
	require.Equal(t, 65536, p.ours.MaxMessageSize())
	require.ErrorIs(t, p.ours.Send(make([]byte, 65537)), rtc.ErrInvalid)
	require.Error(t, p.pion.Send(make([]byte, 100_001)))
	p.toOurs(t, message{data: noise(1, 100_000)})
	p.toPion(t, message{data: noise(1, 65535)})
}

func TestPionReliability(t *testing.T) {
	kinds := []rtc.Reliability{
		{},
		{Unordered: true},
		{Unreliable: true},
		{Unreliable: true, MaxRetransmits: 3},
		{Unreliable: true, MaxPacketLifeTime: 250},
		{Unordered: true, Unreliable: true},
		{Unordered: true, Unreliable: true, MaxRetransmits: 65535},
		{Unordered: true, Unreliable: true, MaxPacketLifeTime: 65535},
	}
	// Characters of one to four bytes.
	const label, protocol = "Kanal №1 – チャンネル 🛰", "протокол/1 ☎"
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		s.connect(oursOffers)
		for _, fromOurs := range []bool{true, false} {
			for _, kind := range kinds {
				p := s.open(fromOurs, label, kind, protocol)
				require.Equal(t, kind, p.ours.Reliability())
				require.Equal(t, pionInit(kind, protocol).MaxRetransmits, p.pion.MaxRetransmits())
				require.Equal(t, pionInit(kind, protocol).MaxPacketLifeTime, p.pion.MaxPacketLifeTime())
				require.Equal(t, !kind.Unordered, p.pion.Ordered())
				require.Equal(t, label, p.ours.Label())
				require.Equal(t, label, p.pion.Label())
				require.Equal(t, protocol, p.ours.Protocol())
				require.Equal(t, protocol, p.pion.Protocol())
				stream, err := p.ours.Stream()
				require.NoError(t, err)
				require.Equal(t, stream, *p.pion.ID())
				// The loopback interface loses no packets, so that messages of unreliable channels arrive, too. They
				// are sent one at a time, since those of unordered channels may overtake each other.
				for i := range 5 {
					p.exchange(t, message{data: noise(uint64(i), 100)})
					p.exchange(t, message{text: true, data: []byte("text")})
				}
				p.exchange(t, message{data: noise(9, 50_000)})
			}
		}
	})
}

// Both programs create negotiated channels, and no OPEN messages are sent.
func TestPionNegotiatedChannel(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		s.ours.OnDataChannel(func(dc *rtc.DataChannel) { t.Errorf("channel %q was announced to us", dc.Label()) })
		s.pion.OnDataChannel(func(dc *webrtc.DataChannel) { t.Errorf("channel %q was announced to pion", dc.Label()) })
		kinds := map[uint16]rtc.Reliability{0: {}, 7: {Unordered: true}, 1000: {Unreliable: true, MaxRetransmits: 1}}
		var pairs []channelPair
		for id, kind := range kinds {
			init, negotiated := pionInit(kind, "p"), true
			init.ID, init.Negotiated = &id, &negotiated
			theirs, err := s.pion.CreateDataChannel("negotiated", init)
			require.NoError(t, err)
			pairs = append(pairs, channelPair{pion: watchPion(theirs)})
		}
		if !oursOffers {
			// The answerer creates its channels after the offer, since creating one before would make it offer.
			s.offerFromPion()
			s.connected()
		}
		for i := range pairs {
			id := *pairs[i].pion.ID()
			pairs[i].ours = createNegotiated(t, s, id, kinds[id])
		}
		for _, p := range pairs {
			p.ours.opened.wait(t)
			p.pion.opened.wait(t)
			p.exchange(t, message{data: []byte("binary")})
			p.exchange(t, message{text: true, data: []byte("text")})
		}
	})
}

func createNegotiated(t *testing.T, s *pionSession, id uint16, r rtc.Reliability) *ourChannel {
	dc, err := s.ours.CreateDataChannel("negotiated", &rtc.DataChannelInit{
		Reliability: r, Protocol: "p", Negotiated: true, ManualStream: true, Stream: id,
	})
	require.NoError(t, err)
	return watchOurs(dc)
}

// Each side opens ten channels at the same time, and all are used at once. RFC 8832, section 6: the streams do not
// collide, because the DTLS client uses even and the DTLS server odd ones.
func TestPionManyChannels(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		s.connect(oursOffers)
		const each = 10
		atOurs, atPion := make(chan *ourChannel, each), make(chan *pionChannel, each)
		s.ours.OnDataChannel(func(dc *rtc.DataChannel) { atOurs <- watchOurs(dc) })
		s.pion.OnDataChannel(func(dc *webrtc.DataChannel) { atPion <- watchPion(dc) })
		pairs := make(map[string]*channelPair)
		for i := range each {
			label := fmt.Sprintf("our %d", i)
			dc, err := s.ours.CreateDataChannel(label, nil)
			require.NoError(t, err)
			pairs[label] = &channelPair{ours: watchOurs(dc)}
			label = fmt.Sprintf("pion's %d", i)
			theirs, err := s.pion.CreateDataChannel(label, nil)
			require.NoError(t, err)
			pairs[label] = &channelPair{pion: watchPion(theirs)}
		}
		for range each {
			ours := next(t, atOurs, "all of pion's channels")
			pairs[ours.Label()].ours = ours
			theirs := next(t, atPion, "all of our channels at pion")
			pairs[theirs.Label()].pion = theirs
		}
		streams := make(map[uint16]string)
		for label, p := range pairs {
			p.ours.opened.wait(t)
			p.pion.opened.wait(t)
			id, err := p.ours.Stream()
			require.NoError(t, err)
			require.Equal(t, id, *p.pion.ID(), label)
			require.NotContains(t, streams, id)
			streams[id] = label
		}
		const messages = 20
		for i := range messages {
			for label, p := range pairs {
				m := message{text: true, data: fmt.Appendf(nil, "%s: %d", label, i)}
				require.NoError(t, p.ours.sendMessage(m))
				require.NoError(t, p.pion.sendMessage(m))
			}
		}
		for label, p := range pairs {
			for i := range messages {
				m := message{text: true, data: fmt.Appendf(nil, "%s: %d", label, i)}
				requireMessage(t, m, next(t, p.ours.messages, "%v at our side", m))
				requireMessage(t, m, next(t, p.pion.messages, "%v at pion", m))
			}
		}

		// The largest messages on all channels at once are five times as large as the receive window. All of them are
		// received, in whatever order the sender interleaves them.
		large := message{data: noise(1, 256<<10)}
		for _, p := range pairs {
			require.NoError(t, p.ours.sendMessage(large))
			require.NoError(t, p.pion.sendMessage(large))
		}
		for label, p := range pairs {
			requireMessage(t, large, next(t, p.ours.messages, "a large message of channel %q at our side", label))
			requireMessage(t, large, next(t, p.pion.messages, "a large message of channel %q at pion", label))
		}
	})
}
