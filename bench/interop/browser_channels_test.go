package interop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// containsLine reports whether a session description has a line.
func containsLine(description, line string) bool {
	for l := range strings.Lines(description) {
		if strings.EqualFold(strings.TrimRight(l, "\r\n"), line) {
			return true
		}
	}
	return false
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// testBrowserSizes sends messages of all sizes in both directions. The largest message that Chromium receives and sends
// has 256 KiB, which is its max-message-size.
func testBrowserSizes(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dc := channelFromBrowser(p, pc, "sizes", nil)
	const most = 256 << 10
	require.Equal(t, most, dc.MaxMessageSize())
	require.Equal(t, most, value[int](p, `return peer.pc.sctp.maxMessageSize;`))

	sizes := []int{0, 1, 16 << 10, 64 << 10, most}
	for _, size := range sizes {
		data := pattern(size, size>>10)
		text := strings.Repeat("x", size)

		// To the browser. RFC 8831, section 6.6: an empty message is sent as one byte, with a PPID of its own.
		require.NoError(t, dc.Send(data))
		require.NoError(t, dc.SendText(text))
		require.Equal(t, []string{"object", digest(data), "string", digest([]byte(text))}, value[[]string](p, `
			const channel = peer.channel('sizes'), result = [];
			for (let i = 0; i < 2; i++) {
				const data = await channel.next();
				if (bytes(data).length !== args[0]) throw new Error(bytes(data).length + ' bytes instead of ' + args[0]);
				result.push(typeof data, await sha256(bytes(data)));
			}
			return result;`, size), "size %d", size)

		// From the browser.
		p.run(`
			const channel = peer.channel('sizes');
			channel.send(pattern(args[0], args[0] >> 10));
			channel.send('x'.repeat(args[0]));`, size)
		m := nextMessage(t, dc)
		require.False(t, m.IsText, "size %d", size)
		require.Equal(t, digest(data), digest(m.Data), "size %d", size)
		m = nextMessage(t, dc)
		require.True(t, m.IsText, "size %d", size)
		require.Equal(t, digest([]byte(text)), digest(m.Data), "size %d", size)
	}
	require.ErrorIs(t, dc.Send(make([]byte, most+1)), rtc.ErrInvalid)
	require.Equal(t, "TypeError", value[string](p, `
		try { peer.channel('sizes').send(new Uint8Array(args[0])); } catch (e) { return e.name; }
		return 'sent';`, most+1), "larger than the max-message-size in our description")
	echoBothWays(p, dc)
}

// testBrowserTwentyChannels opens ten channels from each side at the same time, and uses all of them.
func testBrowserTwentyChannels(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	const each = 10
	type received struct{ label, text string }
	fromBrowser := make(chan received, each)
	pc.OnDataChannel(func(dc *rtc.DataChannel) {
		dc.OnMessage(func(m rtc.Message) {
			fromBrowser <- received{dc.Label(), string(m.Data)}
			if err := dc.Send(m.Data); err != nil {
				t.Errorf("echo on %s: %v", dc.Label(), err)
			}
		})
	})
	p.run(`for (let i = 0; i < args[0]; i++) peer.open('browser ' + i);`, each)
	echoed := make(chan received, each)
	for i := range each {
		dc, err := pc.CreateDataChannel(fmt.Sprintf("ours %d", i), nil)
		require.NoError(t, err)
		dc.OnOpen(func() {
			if err := dc.SendText("on " + dc.Label()); err != nil {
				t.Errorf("send on %s: %v", dc.Label(), err)
			}
		})
		dc.OnMessage(func(m rtc.Message) { echoed <- received{dc.Label(), string(m.Data)} })
	}
	p.run(`
		for (let i = 0; i < args[0]; i++) (await peer.accepted('ours ' + i)).echo();
		const mine = [];
		for (let i = 0; i < args[0]; i++) mine.push(peer.channel('browser ' + i));
		for (const channel of mine) {
			await channel.opened();
			channel.send('on ' + channel.label);
		}
		for (const channel of mine) {
			const text = new TextDecoder().decode(bytes(await channel.next()));
			if (text !== 'on ' + channel.label) throw new Error(text + ' came on ' + channel.label);
		}
		const ids = new Set([...peer.channels.values()].map((c) => c.dc.id));
		if (ids.size !== 2 * args[0]) throw new Error('streams used twice: ' + [...ids]);`, each)
	var fromUs, fromThem []string
	for range each {
		e, r := await(t, echoed, "echo"), await(t, fromBrowser, "message")
		require.Equal(t, "on "+e.label, e.text)
		require.Equal(t, "on "+r.label, r.text)
		fromUs, fromThem = append(fromUs, e.label), append(fromThem, r.label)
	}
	for i := range each {
		require.Contains(t, fromUs, fmt.Sprintf("ours %d", i))
		require.Contains(t, fromThem, fmt.Sprintf("browser %d", i))
	}
	require.Equal(t, 2*each, pc.Stats().Channels)
}

// channelProperties are the attributes of an RTCDataChannel.
type channelProperties struct {
	Label, Protocol   string
	Ordered           bool
	MaxRetransmits    *int
	MaxPacketLifeTime *int
	Negotiated        bool
	ID                uint16
}

func pointer[T any](v T) *T { return &v }

// testBrowserReliability opens channels of each kind from each side; the other side sees the same kind.
func testBrowserReliability(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	// After the first channel, the others need no negotiation.
	channelFromBrowser(p, pc, "first", nil)
	for _, test := range []struct {
		name        string
		label       string
		init        map[string]any
		reliability rtc.Reliability
		properties  channelProperties
	}{
		{"reliable", "ordered, reliable", nil, rtc.Reliability{}, channelProperties{Ordered: true}},
		{
			"unordered", "unordered", map[string]any{"ordered": false},
			rtc.Reliability{Unordered: true}, channelProperties{},
		},
		{
			"retransmissions", "two retransmissions", map[string]any{"maxRetransmits": 2},
			rtc.Reliability{Unreliable: true, MaxRetransmits: 2}, channelProperties{Ordered: true, MaxRetransmits: pointer(2)},
		},
		{
			"no retransmission", "none", map[string]any{"ordered": false, "maxRetransmits": 0},
			rtc.Reliability{Unordered: true, Unreliable: true}, channelProperties{MaxRetransmits: pointer(0)},
		},
		{
			"lifetime", "lifetime", map[string]any{"maxPacketLifeTime": 300},
			rtc.Reliability{Unreliable: true, MaxPacketLifeTime: 300},
			channelProperties{Ordered: true, MaxPacketLifeTime: pointer(300)},
		},
		{
			"unordered lifetime", "unordered lifetime", map[string]any{"ordered": false, "maxPacketLifeTime": 65535},
			rtc.Reliability{Unordered: true, Unreliable: true, MaxPacketLifeTime: 65535},
			channelProperties{MaxPacketLifeTime: pointer(65535)},
		},
		{"UTF-8", "Ünïcödé 🛰️ 通道", nil, rtc.Reliability{}, channelProperties{Ordered: true}},
		{"no label", "", nil, rtc.Reliability{}, channelProperties{Ordered: true}},
		{"long label", strings.Repeat("ß", 1000), nil, rtc.Reliability{}, channelProperties{Ordered: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			protocol := "protöcol of " + test.label
			init := map[string]any{"protocol": protocol}
			for k, v := range test.init {
				init[k] = v
			}
			dc := channelFromBrowser(p, pc, test.label, init)
			require.Equal(t, test.reliability, dc.Reliability())
			require.Equal(t, protocol, dc.Protocol())
			echoBothWays(p, dc)

			ourInit := &rtc.DataChannelInit{Reliability: test.reliability, Protocol: protocol}
			ours := channelToBrowser(p, pc, test.label+" back", ourInit)
			want := test.properties
			want.Label, want.Protocol = test.label+" back", protocol
			stream, err := ours.Stream()
			require.NoError(t, err)
			want.ID = stream
			require.Equal(t, want, value[channelProperties](p, `return peer.channel(args[0]).properties();`, ours.Label()))
			echoBothWays(p, ours)
		})
	}
}

// testBrowserNegotiated uses negotiated channels: both sides create them, and send no OPEN messages.
func testBrowserNegotiated(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	reliability := rtc.Reliability{Unordered: true, Unreliable: true, MaxRetransmits: 3}
	dc, err := pc.CreateDataChannel("agreed", &rtc.DataChannelInit{
		Negotiated: true, ManualStream: true, Stream: 100, Reliability: reliability, Protocol: "ours",
	})
	require.NoError(t, err)
	pc.OnDataChannel(func(dc *rtc.DataChannel) { t.Errorf("%s is negotiated, and was announced", dc.Label()) })
	p.run(`
		const init = {negotiated: true, id: 100, ordered: false, maxRetransmits: 3, protocol: 'its'};
		await peer.open('agreed', init).opened();`)
	opened := make(chan struct{})
	dc.OnOpen(func() { close(opened) })
	await(t, opened, "open callback")
	stream, err := dc.Stream()
	require.NoError(t, err)
	require.Equal(t, uint16(100), stream)
	require.Equal(t, "ours", dc.Protocol())
	require.Equal(t, reliability, dc.Reliability())
	echoBothWays(p, dc)
	require.True(t, value[bool](p, `return peer.channel('agreed').dc.negotiated && peer.expected.size === 0;`))
	pc.OnDataChannel(nil)
}
