package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// closeAtOnce is how soon the end has to be seen by the other side, on a machine that is busy. ICE alone would give a lost
// peer up after 30 s.
const closeAtOnce = 10 * time.Second

// onClosed gives a channel that is closed by the closed callback.
func onClosed(dc *rtc.DataChannel) <-chan struct{} {
	closed := make(chan struct{})
	dc.OnClosed(func() { close(closed) })
	return closed
}

// testBrowserClosesChannel closes channels that either side opened, with messages still on the way.
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
		// "Closing a data channel lets what was sent go out first" (RFC 8831 section 6.7), and it can be read afterwards.
		for i := range 10 {
			m, err := dc.Receive()
			require.NoError(t, err, "message %d", i)
			require.Equal(t, pattern(20000, i), m.Data)
		}

		// The stream is free for another channel (RFC 8831 section 6.7).
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

// testWeCloseChannel is the same from our side.
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

// testBrowserClosesConnection calls close() in the page: all of ours closes at once, not after a timeout.
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

// testBrowserLeavesPage loads another page without closing anything. Chromium then ends without a word: no SCTP ABORT, no
// close_notify, its socket is gone. Only consent (RFC 7675) tells, first by StateDisconnected.
func testBrowserLeavesPage(t *testing.T, b *browser) {
	if testing.Short() {
		t.Skip("takes 10 s, until answers to consent checks have been missing for long enough")
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
	require.True(t, dc.IsOpen(), "it might come back")
	closed := onClosed(dc)
	require.NoError(t, pc.Close())
	await(t, closed, "closed callback")
	awaitState(t, pc, rtc.StateClosed)
}

// testWeCloseConnection closes in both ways that there are; the browser's channels close at once.
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
			if test.name == "Close" { // what is buffered is sent first
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
			// Its connection stays as it is until ICE notices, but its transports are closed.
			require.Equal(t, []string{"closed", "closed"}, value[[]string](p, `
				return [peer.sctp.state, peer.sctp.transport.state];`))
		})
	}
}
