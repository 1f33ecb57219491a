package fuzz_test

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// sctpAfterlife is the maximum time for which the side that has sent the last packet of a shutdown
// answers a peer that did not receive it.
const sctpAfterlife = 20 * time.Second

// sctpSide is one association and its packets in flight to the other.
type sctpSide struct {
	*sctp.Association
	t       *testing.T
	out     [][]byte // in flight to the other side
	tag     []byte   // that the other side writes into its packets
	hold    bool     // messages stay unread
	lent    []sctp.Message
	ended   bool
	mtu     int
	packets int
}

// sctpPair consists of two associations and a clock.
type sctpPair struct {
	now  time.Time
	side [2]*sctpSide
}

func newSCTPPair(t *testing.T, seed uint64, options byte) *sctpPair {
	p := &sctpPair{now: time.Unix(1_700_000_000, 0)}
	for i := range p.side {
		r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(i)})
		cfg := sctp.Config{Rand: r, MTU: 600, MaxMessageSize: 20_000, MaxStreams: 300,
			DisableInterleaving: options&1 != 0, EnableZeroChecksum: options&2 != 0, Scheduler: min(sctp.Scheduler(options>>2&7), sctp.SchedulerWeightedFair),
			CongestionControl: sctp.CongestionControl(options >> 5 & 3), HeartbeatInterval: 3 * time.Second}
		if options&0x80 != 0 {
			cfg.MaxReceiveWindow, cfg.MaxSendBuffer, cfg.MaxMessageSize = 9000, 5000, 3000
		}
		a, err := sctp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p.side[i] = &sctpSide{Association: a, t: t, mtu: 65535}
	}
	return p
}

// drain takes all output, as an owner does after each call.
func (s *sctpSide) drain(now time.Time) {
	for {
		e, ok := s.Event()
		if !ok {
			break
		}
		if s.ended && e.Kind != sctp.EventStreamReset { // which is in order with unread messages
			s.t.Fatalf("event %+v after the end", e)
		}
		s.ended = s.ended || e.Kind == sctp.EventClosed
	}
	for !s.hold {
		m, ok := s.ReadMessage()
		if !ok {
			break
		}
		if len(m.Data) == 0 || len(m.Data) > 20_000 {
			s.t.Fatalf("a message of %d bytes", len(m.Data))
		}
		if s.lent = append(s.lent, m); len(s.lent) > 3 {
			s.Release(now, &s.lent[0])
			s.lent = s.lent[1:]
		}
	}
	for n := 0; ; n++ {
		packet, ok := s.Transmit(now, nil)
		if !ok {
			break
		}
		if n > 5000 {
			s.t.Fatal("there is always something more to send")
		}
		if len(packet) < 16 || len(packet) > s.mtu || len(packet)%4 != 0 {
			s.t.Fatalf("a packet of %d bytes", len(packet))
		}
		s.out = append(s.out, packet)
		s.packets++
	}
	if len(s.out) > 500 {
		s.out = s.out[len(s.out)-500:] // the rest was lost
	}
	stats := s.Stats()
	if stats.Buffered < 0 || stats.InFlight < 0 || stats.Held < 0 || stats.CongestionWindow <= 0 || stats.RTO <= 0 {
		s.t.Fatalf("%+v", stats)
	}
	if s.State() == sctp.StateClosed && s.ended && (stats.Buffered != 0 || stats.InFlight != 0 || s.Deadline().After(now.Add(sctpAfterlife))) {
		s.t.Fatalf("held after the end, until %v: %+v", s.Deadline(), stats)
	}
}

// deliver delivers packet i to the other side. With keep, the packet can be delivered again.
func (p *sctpPair) deliver(from int, i int, keep bool) {
	s, to := p.side[from], p.side[1-from]
	if len(s.out) == 0 {
		return
	}
	i %= len(s.out)
	packet := s.out[i]
	if !keep {
		s.out = append(s.out[:i], s.out[i+1:]...)
	}
	p.give(to, packet)
}

func (p *sctpPair) give(to *sctpSide, packet []byte) {
	if tag := packet[4:8]; binary.BigEndian.Uint32(tag) != 0 {
		to.tag = append(to.tag[:0], tag...)
	}
	to.Receive(p.now, packet)
	to.drain(p.now)
}

func fixSCTPChecksum(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], 0)
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, crc32.MakeTable(crc32.Castagnoli)))
}

// wait advances the time, from deadline to deadline.
func (p *sctpPair) wait(t *testing.T, d time.Duration) {
	end := p.now.Add(d)
	for n := 0; ; n++ {
		next := end
		for _, s := range p.side {
			if at := s.Deadline(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if n > 20_000 {
			t.Fatal("a deadline that never passes")
		}
		if next.After(p.now) {
			p.now = next
		}
		for _, s := range p.side {
			s.Advance(p.now)
			s.drain(p.now)
		}
		if !next.Before(end) {
			return
		}
	}
}

// run interprets the bytes of the fuzzer as a script of two associations and a network that loses,
// repeats, reorders, damages and forges packets.
func (p *sctpPair) run(t *testing.T, story []byte) {
	take := func() byte {
		if len(story) == 0 {
			return 0
		}
		b := story[0]
		story = story[1:]
		return b
	}
	for steps := 0; len(story) > 0 && steps < 2000; steps++ {
		op := take()
		at := int(op & 1)
		s := p.side[at]
		switch op >> 1 % 16 {
		case 0:
			s.Connect(p.now)
		case 1, 2: // all packets in flight
			for n := len(s.out); n > 0; n-- {
				p.deliver(at, 0, false)
			}
		case 3:
			p.deliver(at, int(take()), false)
		case 4:
			p.deliver(at, int(take()), true)
		case 5: // lost
			if len(s.out) > 0 {
				s.out = s.out[1:]
			}
		case 6: // damaged, but for tag and checksum
			if len(s.out) > 0 {
				packet := append([]byte(nil), s.out[0]...)
				packet[12+int(take())%(len(packet)-12)] ^= take()
				fixSCTPChecksum(packet)
				p.give(p.side[1-at], packet)
			}
		case 7, 8: // forged: the chunks are the fuzzer's
			n := min(int(take()), len(story))
			packet := append([]byte{0x13, 0x88, 0x13, 0x88}, append(append([]byte(nil), s.tag...), 0, 0, 0, 0)...)
			if len(s.tag) == 0 || take()&15 == 15 {
				packet = make([]byte, 12)
				copy(packet, []byte{0x13, 0x88, 0x13, 0x88})
			}
			packet = append(packet, story[:min(n, len(story))]...)
			story = story[min(n, len(story)):]
			fixSCTPChecksum(packet)
			s.Receive(p.now, packet)
		case 9:
			p.wait(t, time.Duration(take())*time.Millisecond)
		case 10:
			p.wait(t, time.Duration(take())*time.Second)
		case 11, 12:
			options := take()
			_ = s.Send(p.now, uint16(take()), 53, make([]byte, 1+int(take())*int(take())/4), sctp.SendOptions{Unordered: options&1 != 0,
				LimitRetransmits: options&2 != 0, MaxRetransmits: uint32(options >> 6), Lifetime: time.Duration(options&12) * 10 * time.Millisecond})
		case 13:
			_ = s.ResetStream(p.now, uint16(take()))
		case 14:
			s.hold = !s.hold
		case 15:
			switch b := take(); {
			case b < 4:
				s.Abort(p.now, "enough")
			case b < 60:
				s.Shutdown(p.now)
			}
		}
		s.drain(p.now)
	}
}

// finish simulates a perfect network until both sides are idle or have ended.
func (p *sctpPair) finish(t *testing.T) {
	for _, s := range p.side {
		s.hold = false
		s.drain(p.now)
	}
	for range 50 {
		for at, s := range p.side {
			for n := len(s.out); n > 0; n-- {
				p.deliver(at, 0, false)
			}
		}
		p.wait(t, 10*time.Millisecond)
	}
	for _, s := range p.side {
		s.Abort(p.now, "")
		s.drain(p.now)
		if s.State() != sctp.StateClosed || !s.ended {
			t.Fatal("not over after Abort")
		}
		if at := s.Deadline(); !at.IsZero() {
			s.Advance(at)
			s.drain(at)
			if !s.Deadline().IsZero() {
				t.Fatalf("still something to do at %v after the end", s.Deadline().Sub(at))
			}
		}
	}
}

// sctpSeeds are scripts: connect, deliver in both directions, send, and then the subject of each.
func sctpSeeds() [][]byte {
	connect := []byte{0, 1, 2, 3, 2, 3, 2, 3, 2, 3}
	with := func(more ...byte) []byte { return append(append([]byte(nil), connect...), more...) }
	chunk := func(b ...byte) []byte { return append([]byte{7 << 1, byte(len(b) + 1), 0}, b...) }
	return [][]byte{
		connect,
		{0, 2, 3, 2, 3},         // one side connects
		{0, 5 << 1, 10 << 1, 9}, // INIT lost
		with(11<<1, 0, 5, 100, 100, 2, 3, 2, 3),
		with(11<<1, 3, 5, 100, 100, 5<<1, 9<<1, 200, 2, 3, 9<<1, 200, 2, 3, 2, 3),
		with(11<<1, 0, 5, 200, 250, 12<<1, 1, 6, 10, 10, 3<<1, 2, 4<<1, 0, 4<<1, 0, 3<<1, 1, 3, 9<<1, 50, 2, 3),
		with(11<<1, 8, 5, 100, 100, 5<<1, 5<<1, 10<<1, 2, 3, 2, 3, 2),
		with(11<<1, 0, 5, 10, 10, 2, 3, 13<<1, 5, 13<<1|1, 5, 2, 3, 2, 3, 11<<1, 0, 5, 10, 10, 2, 3),
		with(11<<1, 0, 5, 100, 100, 15<<1, 20, 2, 3, 2, 3, 2, 3),
		with(15<<1, 20, 15<<1|1, 20, 2, 3, 2, 3),
		with(15<<1, 0, 2, 3),
		with(14<<1|1, 11<<1, 0, 5, 250, 250, 2, 3, 11<<1, 0, 5, 250, 250, 2, 3, 10<<1, 5, 2, 3, 14<<1|1, 2, 3),
		with(6<<1, 0, 0xff, 11<<1, 0, 5, 40, 40, 6<<1, 4, 0x55, 6<<1, 17, 1, 2, 3),
		with(chunk(0, 3, 0, 20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 51, 'x', 'y', 'z', 0)...),
		with(chunk(3, 0, 0, 20, 0, 0, 0, 0, 0, 0, 255, 255, 0, 1, 0, 0, 0, 2, 0, 3)...),
		with(chunk(192, 0, 0, 12, 0, 0, 0, 9, 0, 1, 0, 1)...),
		with(chunk(130, 0, 0, 22, 0, 13, 0, 18, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0)...),
		with(chunk(130, 0, 0, 16, 0, 16, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1)...),
		with(chunk(64, 2, 0, 21, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 'x', 0, 0, 0)...),
		with(chunk(194, 0, 0, 16, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1)...),
		with(chunk(4, 0, 0, 8, 0, 1, 0, 4)...),
		with(chunk(9, 0, 0, 12, 0, 3, 0, 8, 0, 0, 0, 1)...),
		with(chunk(6, 0, 0, 8, 0, 12, 0, 4)...),
		with(chunk(255, 0, 0, 4)...),
	}
}

func FuzzSCTP(f *testing.F) {
	for i, story := range sctpSeeds() {
		f.Add(uint64(i), byte(0), story)
		f.Add(uint64(i), byte(1), story)
		f.Add(uint64(i), byte(0xfe-i), story)
	}
	f.Fuzz(func(t *testing.T, seed uint64, options byte, story []byte) {
		p := newSCTPPair(t, seed, options)
		p.run(t, story)
		p.finish(t)
	})
}

// A network that only loses, repeats and reorders packets must not end an association, nor lose a
// reliable message.
func FuzzSCTPDelivery(f *testing.F) {
	for i := range 8 {
		f.Add(uint64(i), byte(i*37), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 255, 128, 64})
	}
	f.Add(uint64(9), byte(0x80), []byte("the quick brown fox jumps over the lazy dog, and again and again and again"))
	f.Fuzz(func(t *testing.T, seed uint64, options byte, story []byte) {
		p := newSCTPPair(t, seed, options&^2)
		for _, s := range p.side {
			s.Connect(p.now)
			s.drain(p.now)
		}
		sent, got := 0, 0
		read := func() {
			s := p.side[1]
			for m, ok := s.ReadMessage(); ok; m, ok = s.ReadMessage() {
				if int(binary.BigEndian.Uint32(m.Data)) != got {
					t.Fatalf("message %d came in place of %d", binary.BigEndian.Uint32(m.Data), got)
				}
				for i, b := range m.Data[4:] {
					if b != byte(got+i) {
						t.Fatalf("message %d is damaged", got)
					}
				}
				got++
				s.Release(p.now, &m)
			}
			s.drain(p.now)
		}
		p.side[1].hold = true
		send := func(size int) {
			b := make([]byte, 4+size)
			binary.BigEndian.PutUint32(b, uint32(sent))
			for i := range b[4:] {
				b[4+i] = byte(sent + i)
			}
			if p.side[0].Send(p.now, 7, 53, b, sctp.SendOptions{}) == nil {
				sent++
			}
			p.side[0].drain(p.now)
		}
		story = story[:min(len(story), 300)]
		for _, b := range story {
			switch at := int(b & 1); b >> 1 & 7 {
			case 0, 1:
				send(int(b>>4) * 150)
			case 2:
				p.deliver(at, int(b>>4), false)
			case 3:
				p.deliver(at, int(b>>4), true)
			case 4:
				if s := p.side[at]; len(s.out) > 0 {
					s.out = s.out[1:]
				}
			case 5:
				p.wait(t, time.Duration(b>>4)*5*time.Millisecond)
			default:
				for n := len(p.side[at].out); n > 0; n-- {
					p.deliver(at, 0, false)
				}
			}
			read()
		}
		for n := 0; got < sent || p.side[0].BufferedAmount() > 0; n++ {
			if n > 10_000 || p.side[0].ended || p.side[1].ended {
				t.Fatalf("%d of %d messages came: %v %v", got, sent, p.side[0].State(), p.side[1].State())
			}
			for at, s := range p.side {
				for n := len(s.out); n > 0; n-- {
					p.deliver(at, 0, false)
				}
			}
			read()
			p.wait(t, 10*time.Millisecond)
			read()
		}
		p.side[1].hold = false
		p.finish(t)
	})
}
