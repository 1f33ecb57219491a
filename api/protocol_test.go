package rtc

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/stun"
)

// inject sends a message from a below its channels, as another implementation might.
func (p *pair) inject(stream uint16, ppid uint32, data string) {
	p.t.Helper()
	p.a.lock()
	defer p.a.unlock()
	require.NoError(p.t, p.a.transport.sctp.Send(p.a.now, stream, ppid, []byte(data), sctp.SendOptions{}))
}

func TestDeprecatedPartsAreJoined(t *testing.T) {
	inSimulation(t, 1, place{b: Configuration{MaxMessageSize: 1000}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		stream := must(a.Stream())
		p.inject(stream, dcep.PPIDStringPartial, "one ")
		p.inject(stream, dcep.PPIDStringPartial, "message ")
		p.inject(stream, dcep.PPIDString, "in parts")
		require.Equal(t, Message{Data: []byte("one message in parts"), IsText: true}, next(t, b))
		p.inject(stream, dcep.PPIDBinaryPartial, "a")
		p.inject(stream, dcep.PPIDBinary, "b")
		require.Equal(t, Message{Data: []byte("ab")}, next(t, b))

		for range 3 { // together larger than the maximum: dropped
			p.inject(stream, dcep.PPIDBinaryPartial, strings.Repeat("x", 400))
		}
		p.inject(stream, dcep.PPIDBinary, "end")
		p.inject(stream, 99, "of an unknown kind")
		p.inject(stream, dcep.PPIDStringEmpty, "\x00")
		p.inject(stream, dcep.PPIDBinaryEmpty, "ignored")
		require.Equal(t, Message{Data: []byte{}, IsText: true}, next(t, b))
		require.Equal(t, Message{Data: []byte{}}, next(t, b))
		require.Equal(t, 0, b.AvailableAmount())
	})
}

func TestPeersThatBreakTheEstablishmentProtocol(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		stream := must(a.Stream())
		open, err := dcep.Open{Label: "second"}.Append(nil)
		require.NoError(t, err)
		p.inject(stream, dcep.PPIDDCEP, string(open)) // on a stream in use
		p.inject(stream, dcep.PPIDDCEP, "\x03garbage")
		p.inject(500, dcep.PPIDDCEP, "\x02") // an ACK of nothing
		for range 3 {
			p.inject(501, dcep.PPIDString, "data without a channel") // kept for a channel
		}
		require.Equal(t, "still there", string(exchange(t, a, b, Message{Data: []byte("still there")}).Data))
		require.Equal(t, 1, p.b.Stats().Channels)
		require.Equal(t, "x", b.Label())
		p.b.mu.Lock()
		require.LessOrEqual(t, len(p.b.channels.streams), 1)
		p.b.mu.Unlock()
		// A channel that the peer opens correctly on that stream afterwards works.
		p.inject(503, dcep.PPIDDCEP, string(open))
		eventually(t, "the channel", func() bool { return p.b.Stats().Channels == 2 })
	})
}

func TestTheEventQueueStopsThePeer(t *testing.T) {
	var mu sync.Mutex
	var q callbackQueue
	var dc DataChannel
	resumed := make(chan struct{})
	q.init(&mu, func() { close(resumed) })
	dc.owner, dc.queue = &dc, &q
	mu.Lock()
	entered, leave := make(chan struct{}), make(chan struct{})
	dc.onOpen = func() { close(entered); <-leave }
	dc.push(event{kind: eventOpen})
	mu.Unlock()
	<-entered
	mu.Lock()
	for range maxQueuedEvents {
		require.False(t, q.overloaded())
		dc.push(event{kind: eventLow})
	}
	require.True(t, q.overloaded())
	mu.Unlock()
	close(leave)
	receive(t, resumed, "call that there is room")
}

func TestInbox(t *testing.T) {
	var q inbox
	message := func(i int) received { return received{Message: Message{Data: []byte(fmt.Sprint(i))}} }
	for round := range 3 {
		for i := range 100 {
			require.Equal(t, i == 0, q.push(message(i)), round)
		}
		require.Equal(t, 190, q.bytes)
		require.Equal(t, "0", string(q.front().Data))
		first, second := q.take(), q.take()
		q.putBack(second)
		q.putBack(first)
		for i := range 100 {
			require.Equal(t, fmt.Sprint(i), string(q.take().Data))
		}
		require.Zero(t, q.len())
		require.Zero(t, q.bytes)
		q.trim()
		require.Zero(t, q.queue.Cap(), "what was full once is not kept")
	}
	q.putBack(message(7))
	require.Equal(t, "7", string(q.take().Data))
}

func TestServerReflexiveCandidates(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer server.Close()
	go func() { // a STUN server that returns the same address to all
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if m, err := stun.Parse(buf[:n]); err == nil {
				b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
				b.AddXORAddress(stun.AttributeXORMappedAddress, netip.MustParseAddrPort("192.0.2.33:4444"))
				_, _ = server.WriteToUDPAddrPort(b.Bytes(), from)
			}
		}
	}()
	port := server.LocalAddr().(*net.UDPAddr).Port
	for _, host := range []string{"127.0.0.1", "localhost"} {
		pc := newConnection(t, Configuration{ICEServers: []string{fmt.Sprintf("stun:%s:%d", host, port)}})
		_, err = pc.CreateDataChannel("x", nil)
		require.NoError(t, err)
		eventually(t, "gathered", func() bool { return pc.GatheringState() == GatheringStateComplete })
		require.Contains(t, must(pc.LocalDescription()).SDP, " 192.0.2.33 4444 typ srflx raddr 127.0.0.1 ", host)
	}
}

// RFC 8831, section 6.7: data channels need outgoing stream resets by the peer. Firefox also adds
// outgoing streams. The other re-configuration requests of the peer are denied.
func TestReconfigurationRequestsAreDenied(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		request := func(f func(association *sctp.Association) error) {
			p.a.lock()
			require.NoError(t, f(p.a.transport.sctp))
			p.a.unlock()
		}
		request(func(s *sctp.Association) error { return s.ResetAssociation(p.a.now) })
		request(func(s *sctp.Association) error { return s.RequestStreamReset(p.a.now) })
		request(func(s *sctp.Association) error { return s.AddStreams(p.a.now, 1, 1) })
		for i := range 20 { // the requests are sent together with messages
			require.NoError(t, a.Send([]byte{byte(i)}))
			require.Equal(t, []byte{byte(i)}, next(t, b).Data)
			require.NoError(t, b.Send([]byte{byte(i)}))
			require.Equal(t, []byte{byte(i)}, next(t, a).Data)
		}
		eventually(t, "one more stream", func() bool {
			p.b.lock()
			defer p.b.unlock()
			_, in := p.b.transport.sctp.Streams()
			return in == maxStreams+1
		})
		p.b.lock()
		out, _ := p.b.transport.sctp.Streams()
		p.b.unlock()
		require.EqualValues(t, maxStreams, out)
	})
}
