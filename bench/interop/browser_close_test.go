package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// closeAtOnce is the time in which the other side must detect the end, also on a busy machine. ICE alone would detect
// it after 30 s.
const closeAtOnce = 10 * time.Second

// onClosed returns a Go channel that the callback OnClosed closes.
func onClosed(dc *rtc.DataChannel) <-chan struct{} {
	closed := make(chan struct{})
	dc.OnClosed(func() { close(closed) })
	return closed
}

// testBrowserClosesChannel closes channels of each side in the browser, while messages are on their way.
func testBrowserClosesChannel(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	kept := channelFromBrowser(p, pc, "kept", nil)
	for _, dc := range []*rtc.DataChannel{
		channelFromBrowser(p, pc, "its", nil),
		channelToBrowser(p, pc, "ours", nil),
	} {
		stream, err := dc.Stream()
		require.NoError(t, err)
		closed := onClosed(dc)
		start := time.Now()
		p.run(`
			const channel = peer.channel(args[0]);
			for (let i = 0; i < 10; i++) channel.send(pattern(20000, i));
			channel.dc.close();
			await channel.closed();`, dc.Label())
		await(t, closed, "closed callback")
		require.Less(t, time.Since(start), closeAtOnce)
		require.True(t, dc.IsClosed())
		require.ErrorIs(t, dc.SendText("too late"), rtc.ErrFailure)
		// The messages that were sent before close() are delivered, and can be read after it.
		for i := range 10 {
			m, err := dc.Receive()
			require.NoError(t, err, "message %d", i)
			require.Equal(t, pattern(20000, i), m.Data)
		}

		// RFC 8831, section 6.7: the stream can be used for another channel.
		again := channelFromBrowser(p, pc, "again after "+dc.Label(), map[string]any{})
		echoBothWays(p, again)
		if dc.Label() == "its" {
			reused, err := again.Stream()
			require.NoError(t, err)
			require.Equal(t, stream, reused)
		}
	}
	require.True(t, kept.IsOpen())
	echoBothWays(p, kept)
	require.Equal(t, "connected", value[string](p, `return peer.pc.connectionState;`))
}

// testWeCloseChannel closes channels of each side on our side, while messages are on their way.
func testWeCloseChannel(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	kept := channelFromBrowser(p, pc, "kept", nil)
	for _, dc := range []*rtc.DataChannel{
		channelFromBrowser(p, pc, "its", nil),
		channelToBrowser(p, pc, "ours", nil),
	} {
		closed := onClosed(dc)
		for i := range 10 {
			require.NoError(t, dc.Send(pattern(20000, i)))
		}
		start := time.Now()
		require.NoError(t, dc.Close())
		require.NoError(t, dc.Close(), "a second time")
		p.run(`
			const channel = peer.channel(args[0]);
			await channel.closed();
			for (let i = 0; i < 10; i++) {
				const data = await channel.next();
				if (String(bytes(data)) !== String(pattern(20000, i))) throw new Error('message ' + i + ' is another');
			}
			if (channel.events.some((e) => e.startsWith('error'))) throw new Error(String(channel.events));`, dc.Label())
		await(t, closed, "closed callback")
		require.Less(t, time.Since(start), closeAtOnce)
		echoBothWays(p, channelToBrowser(p, pc, "again after "+dc.Label(), nil))
	}
	require.True(t, kept.IsOpen())
	echoBothWays(p, kept)
	require.Equal(t, rtc.StateConnected, pc.State())
}

// testBrowserClosesConnection calls close() in the page. Our connection and its channels close without a timeout.
func testBrowserClosesConnection(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dcs := []*rtc.DataChannel{
		channelFromBrowser(p, pc, "its", nil),
		channelToBrowser(p, pc, "ours", nil),
	}
	var closed []<-chan struct{}
	for _, dc := range dcs {
		closed = append(closed, onClosed(dc))
	}
	start := time.Now()
	p.run(`peer.pc.close();`)
	for _, c := range closed {
		await(t, c, "closed callback")
	}
	awaitState(t, pc, rtc.StateClosed)
	t.Logf("closed after %v", time.Since(start))
	require.Less(t, time.Since(start), closeAtOnce)
}

// testBrowserLeavesPage loads another page without closing the connection. Chromium then closes its socket, and sends
// neither an SCTP ABORT nor a close_notify. Only missing consent (RFC 7675) shows that, first as StateDisconnected.
func testBrowserLeavesPage(t *testing.T, b *browser) {
	if testing.Short() {
		t.Skip("takes 10 s, the time without answers to consent checks until the state is disconnected")
	}
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dc := channelFromBrowser(p, pc, "its", nil)
	start := time.Now()
	p.within(scriptTime, "leave the page", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Navigate("about:blank"))
	})
	awaitState(t, pc, rtc.StateDisconnected)
	t.Logf("disconnected after %v", time.Since(start))
	require.True(t, dc.IsOpen(), "the peer might become reachable again")
	closed := onClosed(dc)
	require.NoError(t, pc.Close())
	await(t, closed, "closed callback")
	awaitState(t, pc, rtc.StateClosed)
}

// testWeCloseConnection calls Close and CloseAndWait. The browser's channels close without a timeout.
func testWeCloseConnection(t *testing.T, b *browser) {
	for _, test := range []struct {
		name  string
		close func(*rtc.PeerConnection) error
	}{
		{"Close", (*rtc.PeerConnection).Close},
		{"CloseAndWait", (*rtc.PeerConnection).CloseAndWait},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := b.open(t)
			pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
			dc := channelFromBrowser(p, pc, "its", nil)
			channelToBrowser(p, pc, "ours", nil)
			p.run(`
				await peer.reached('connected');
				peer.sctp = peer.pc.sctp;`)
			if test.name == "Close" { // which sends the buffered messages first
				for i := range 100 {
					require.NoError(t, dc.Send(pattern(20000, i)))
				}
			}
			start := time.Now()
			require.NoError(t, test.close(pc))
			p.run(`for (const label of ['its', 'ours']) await peer.channel(label).closed();`)
			t.Logf("the browser's channels closed after %v", time.Since(start))
			require.Less(t, time.Since(start), closeAtOnce)
			awaitState(t, pc, rtc.StateClosed)
			if test.name == "Close" {
				p.run(`
					for (let i = 0; i < 100; i++) {
						const data = await peer.channel('its').next();
						if (String(bytes(data)) !== String(pattern(20000, i))) throw new Error('message ' + i + ' is another');
					}`)
			}
			t.Logf("events in the browser: %v", value[[]string](p, `return peer.channel('its').events;`))
			// Its connection state changes only when ICE detects the end, but its transports are closed.
			require.Equal(t, []string{"closed", "closed"}, value[[]string](p, `
				return [peer.sctp.state, peer.sctp.transport.state];`))
		})
	}
}
