package interop_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// TestBrowserMedia connects with pages that have media besides their data channels. Our side accepts no media, and the
// channels work whatever the page does with its media.
//
// Two kinds of offers of Chromium are not tested: one that ends the first section of the BUNDLE group, and one that
// inserts another section before it. After both, Chromium moves the channels to a new transport with a new DTLS
// association and a new SCTP association, whatever the answer is.
func TestBrowserMedia(t *testing.T) {
	b := startBrowser(t, false)
	for _, policy := range []string{"balanced", "max-bundle", "max-compat"} {
		for name, test := range map[string]func(*testing.T, *browser, peerOptions){
			"in the first offer":  testBrowserMediaAtFirst,
			"added later":         testBrowserMediaLater,
			"before the data":     testBrowserMediaBeforeData,
			"data offered by us":  testBrowserMediaAfterOurOffer,
			"one section a codec": testBrowserCodecs,
		} {
			t.Run(policy+"/"+name, func(t *testing.T) { test(t, b, peerOptions{BundlePolicy: policy}) })
		}
		t.Run(policy+"/in the first offer, without trickle", func(t *testing.T) {
			testBrowserMediaAtFirst(t, b, peerOptions{BundlePolicy: policy, WithoutTrickle: true})
		})
	}
}

// agree calls action, which makes one side offer, and waits for the answer. Then it checks our sections in the page's
// remote description, and that the channel works.
func agree(p *page, dc *rtc.DataChannel, action func(), sections string) {
	p.t.Helper()
	before := value[int](p, `return peer.negotiations;`)
	action()
	p.run(`await peer.negotiated(args[0]);`, before+1)
	agreed(p, dc, sections)
}

// agreed is agree after the answer.
func agreed(p *page, dc *rtc.DataChannel, sections string) {
	p.t.Helper()
	require.Equal(p.t, sections, value[string](p, `return peer.sections();`))
	echoBothWays(p, dc)
	p.run(`
		if (peer.failure) throw peer.failure;
		await peer.reached('connected');`)
}

func testBrowserMediaAtFirst(t *testing.T, b *browser, options peerOptions) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, options)
	dc := channelFromBrowser(p, pc, "chat", nil, "audio", "video")
	const sections = "audio inactive,video inactive,application"
	agreed(p, dc, sections)
	require.Len(t, value[[]any](p, `return await peer.stats('transport');`), 1, "everything is bundled")

	// Our offer has the same sections. The first one has the transport and the new candidates.
	restart := func() { require.NoError(t, pc.RestartICE()) }
	agree(p, dc, restart, sections)
	if options.WithoutTrickle {
		return // the other answers have no new candidates, so that the end of gathering does not follow
	}
	agree(p, dc, func() { p.run(`peer.pc.restartIce();`) }, sections)
	agree(p, dc, func() { p.run(`peer.pc.removeTrack(peer.pc.getSenders()[0]);`) }, sections)
	// The page ends a section, and then reuses it.
	agree(p, dc, func() { p.run(`peer.pc.getTransceivers()[1].stop();`) }, "audio inactive,video rejected,application")
	agree(p, dc, restart, "audio inactive,video rejected,application")
	agree(p, dc, func() { p.run(`peer.pc.addTransceiver('audio');`) }, "audio inactive,audio inactive,application")
	agree(p, dc, restart, "audio inactive,audio inactive,application")
}

func testBrowserMediaLater(t *testing.T, b *browser, options peerOptions) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, options)
	dc := channelFromBrowser(p, pc, "chat", nil)
	addAndRemoveMedia(p, pc, dc)
}

func testBrowserMediaAfterOurOffer(t *testing.T, b *browser, options peerOptions) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, options)
	dc := channelToBrowser(p, pc, "chat", nil)
	addAndRemoveMedia(p, pc, dc)
}

// addAndRemoveMedia makes the page add tracks to a connection that has only data, and remove them.
func addAndRemoveMedia(p *page, pc *rtc.PeerConnection, dc *rtc.DataChannel) {
	p.t.Helper()
	run := func(script string) func() { return func() { p.run(script) } }
	restart := func() { require.NoError(p.t, pc.RestartICE()) }
	agreed(p, dc, "application")
	for range 2 {
		agree(p, dc, run(`globalThis.sender = peer.pc.addTrack(track('audio'));`), "application,audio inactive")
		agree(p, dc, run(`peer.pc.removeTrack(sender);`), "application,audio inactive")
	}
	agree(p, dc, run(`peer.pc.addTrack(track('video'));`), "application,audio inactive,video inactive")
	agree(p, dc, restart, "application,audio inactive,video inactive")
	agree(p, dc, run(`for (const transceiver of peer.pc.getTransceivers()) transceiver.stop();`),
		"application,audio rejected,video rejected")
	agree(p, dc, restart, "application,audio rejected,video rejected")
	agree(p, dc, run(`peer.pc.addTrack(track('video'));`), "application,video inactive,video rejected")
}

// testBrowserMediaBeforeData makes the page offer audio alone, without which there is no transport to connect, and data
// after that.
func testBrowserMediaBeforeData(t *testing.T, b *browser, options peerOptions) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, options)
	p.run(`
		peer.pc.addTrack(track('audio'));
		await peer.negotiated(1);`)
	require.Equal(t, "audio rejected", value[string](p, `return peer.sections();`))
	require.Equal(t, rtc.StateNew, pc.State())
	dc := channelFromBrowser(p, pc, "chat", nil)
	agreed(p, dc, "audio rejected,application")
	agree(p, dc, func() { require.NoError(t, pc.RestartICE()) }, "audio rejected,application")
}

// testBrowserCodecs makes the page offer one section for each of its codecs. The page rejects an answer in which a
// section with a single codec does not contain that codec.
func testBrowserCodecs(t *testing.T, b *browser, options peerOptions) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, options)
	dc := channelFromBrowser(p, pc, "chat", nil)
	counts := value[[]int](p, `
		const counts = [];
		for (const kind of ['audio', 'video']) {
			const all = RTCRtpReceiver.getCapabilities(kind).codecs;
			const besides = all.filter(({mimeType}) => /rtx|red|fec|telephone-event|CN/.test(mimeType));
			const codecs = all.filter((codec) => !besides.includes(codec));
			for (const codec of codecs) peer.pc.addTransceiver(kind).setCodecPreferences([codec, ...besides]);
			counts.push(codecs.length);
		}
		await peer.negotiated(2);
		return counts;`)
	t.Logf("%d codecs of audio, %d of video", counts[0], counts[1])
	agreed(p, dc, "application"+strings.Repeat(",audio inactive", counts[0])+strings.Repeat(",video inactive", counts[1]))
}
