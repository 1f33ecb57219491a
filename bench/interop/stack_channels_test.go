package interop_test

import (
	"context"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// read waits for a message and returns it.
func (s *stackSession) read(dc *rtc.DataChannel) (rtc.Message, error) {
	ctx, cancel := context.WithTimeout(s.theirs.life, stackPatience)
	defer cancel()
	return dc.ReadMessage(ctx)
}

// write sends a message, and waits while the send buffer is full.
func (s *stackSession) write(dc *rtc.DataChannel, m rtc.Message) error {
	ctx, cancel := context.WithTimeout(s.theirs.life, stackPatience)
	defer cancel()
	return dc.WriteMessage(ctx, m)
}

func uintPointer(u uint) *uint { return &u }

// stackChannel is a kind of data channel.
type stackChannel struct {
	name              string
	protocol          string
	unordered         bool
	maxRetransmits    *uint
	maxPacketLifeTime *uint
}

var stackChannels = []stackChannel{
	{name: "reliable"},
	{name: "unordered", unordered: true},
	{name: "no retransmission", maxRetransmits: uintPointer(0)},
	{name: "three retransmissions", unordered: true, maxRetransmits: uintPointer(3)},
	{name: "for half a second", protocol: "v1.chat", maxPacketLifeTime: uintPointer(500)},
	{name: "für eine Sekunde 🕐", protocol: "протокол", unordered: true, maxPacketLifeTime: uintPointer(1000)},
}

func (c stackChannel) reliability() rtc.Reliability {
	r := rtc.Reliability{Unordered: c.unordered, Unreliable: c.maxRetransmits != nil || c.maxPacketLifeTime != nil}
	if c.maxRetransmits != nil {
		r.MaxRetransmits = *c.maxRetransmits
	}
	if c.maxPacketLifeTime != nil {
		r.MaxPacketLifeTime = *c.maxPacketLifeTime
	}
	return r
}

func (c stackChannel) command(label string) command {
	options := command{"label": label, "protocol": c.protocol, "ordered": !c.unordered}
	if c.maxRetransmits != nil {
		options["maxRetransmits"] = *c.maxRetransmits
	}
	if c.maxPacketLifeTime != nil {
		options["maxPacketLifeTime"] = *c.maxPacketLifeTime
	}
	return options
}

// testStackChannels opens channels of all kinds on each side, and sends a message in each direction on each of them.
func testStackChannels(t *testing.T, s *stackSession) {
	for _, c := range stackChannels {
		label := "ours: " + c.name
		dc := s.openOurs(label, &rtc.DataChannelInit{Protocol: c.protocol, Reliability: c.reliability()})
		stream, err := dc.Stream()
		require.NoError(t, err)
		want := stackLine{Event: "channel", Label: label, Protocol: c.protocol, Stream: stream}
		if !s.stack.hidesReliability {
			want.Ordered, want.MaxRetransmits, want.MaxPacketLifeTime = !c.unordered, c.maxRetransmits, c.maxPacketLifeTime
		}
		require.Equal(t, want, s.theirs.await("channel", label))
		s.theirs.await("open", label)
		s.greet(dc)

		if s.stack.asciiOnly {
			c.name, c.protocol = strconv.QuoteToASCII(c.name), strconv.QuoteToASCII(c.protocol)
		}
		label = "theirs: " + c.name
		s.theirs.do("open", c.command(label))
		dc = s.accept(label)
		require.Equal(t, c.protocol, dc.Protocol())
		reliability := c.reliability()
		if s.stack.unreliableIsOrdered && reliability.Unreliable {
			reliability.Unordered = false
		}
		require.Equal(t, reliability, dc.Reliability())
		s.theirs.await("open", label)
		s.greet(dc)
	}
}

// testStackEmpty sends empty messages. RFC 8831, section 6.6: an empty message is sent as one zero byte with a PPID of its
// own, and the receiver ignores the byte.
func testStackEmpty(t *testing.T, s *stackSession) {
	for _, text := range []bool{false, true} {
		require.NoError(t, s.write(s.kept, rtc.Message{IsText: text}))
		want := stackLine{Event: "message", Label: "kept", Text: text != s.stack.emptySwapped}
		require.Equal(t, want, s.theirs.await("message", "kept"))
		if s.stack.noEmpty {
			continue
		}
		message := command{"label": "kept", "size": 0, "seed": 0}
		if text {
			message = command{"label": "kept", "text": ""}
		}
		s.theirs.do("send", message)
		m, err := s.read(s.kept)
		require.NoError(t, err)
		require.Empty(t, m.Data)
		require.Equal(t, text, m.IsText)
	}
}

// greet sends a message in each direction on a new channel.
func (s *stackSession) greet(dc *rtc.DataChannel) {
	s.t.Helper()
	require.NoError(s.t, dc.SendText("grüß Gott"))
	sum := crc32.ChecksumIEEE([]byte("grüß Gott"))
	got := s.theirs.await("message", dc.Label())
	require.Equal(s.t, stackLine{Event: "message", Label: dc.Label(), Text: true, Size: len("grüß Gott"), Sum: sum}, got)
	s.theirs.do("send", command{"label": dc.Label(), "text": "čau 🖐"})
	m, err := s.read(dc)
	require.NoError(s.t, err)
	require.Equal(s.t, rtc.Message{Data: []byte("čau 🖐"), IsText: true}, m)
}

// stackMessages returns text and binary messages of many sizes, up to the largest one of the stack.
func stackMessages(k *stack) (messages []rtc.Message) {
	for i, size := range []int{1, 2, 3, 1000, 1199, 1200, 1201, 16 << 10, 65535, 65536, 65537, 200_000, 256 << 10} {
		if size > k.maxMessage {
			break
		}
		messages = append(messages, rtc.Message{Data: pattern(size, i)},
			rtc.Message{Data: []byte(strings.Repeat("é", size/2) + strings.Repeat("x", size%2)), IsText: true})
	}
	return messages
}

// testStackEcho sends messages of many sizes, which the other stack sends back.
func testStackEcho(t *testing.T, s *stackSession) {
	s.theirs.do("mode", command{"label": "kept", "mode": "echo"})
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for i, m := range stackMessages(s.stack) {
			if err := s.write(s.kept, m); err != nil {
				t.Errorf("write message %d of %d bytes: %v", i, len(m.Data), err)
				return
			}
		}
	})
	for i, want := range stackMessages(s.stack) {
		m, err := s.read(s.kept)
		if err != nil {
			t.Fatalf("message %d of %d bytes: %v; ours: %s", i, len(want.Data), err, s.ourState())
		}
		require.Equal(t, want.IsText, m.IsText, "message %d of %d bytes", i, len(want.Data))
		require.Len(t, m.Data, len(want.Data), "message %d", i)
		require.Equal(t, crc32.ChecksumIEEE(want.Data), crc32.ChecksumIEEE(m.Data), "message %d of %d bytes", i, len(want.Data))
	}
}

// testStackBulk sends much data in one direction, and then in the other.
func testStackBulk(t *testing.T, s *stackSession) {
	const (
		piece = 32 << 10
		count = 128 // 4 MiB, many times the receive window of any stack
		size  = count * piece
	)
	data := pattern(piece, 7)
	var sum uint32
	for range count {
		sum = crc32.Update(sum, crc32.IEEETable, data)
	}
	s.theirs.do("mode", command{"label": "kept", "mode": "count", "size": size})
	for range count {
		require.NoError(t, s.write(s.kept, rtc.Message{Data: data}))
	}
	got := s.theirs.await("counted", "kept")
	require.Equal(t, stackLine{Event: "counted", Label: "kept", Sum: sum}, got)

	sent := make(chan error, 1)
	go func() {
		_, err := s.theirs.ask("bulk", command{"label": "kept", "size": piece, "seed": 7, "count": count})
		sent <- err
	}()
	for i := range count {
		m, err := s.read(s.kept)
		require.NoError(t, err, "message %d of %d", i, count)
		require.False(t, m.IsText)
		require.Len(t, m.Data, piece)
		require.Equal(t, crc32.ChecksumIEEE(data), crc32.ChecksumIEEE(m.Data), "message %d of %d", i, count)
	}
	require.NoError(t, <-sent)
	s.theirs.do("mode", command{"label": "kept", "mode": "report"})
}
