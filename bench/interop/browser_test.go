package interop_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/ice"
)

// TestBrowser connects with Chromium. Each subtest has a tab and a connection of its own.
func TestBrowser(t *testing.T) {
	b := startBrowser(t, false)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser)
	}{
		{"the page alone", testPageAlone},
		{"browser offers", testBrowserOffers},
		{"browser answers", testBrowserAnswers},
		{"both offer", testBrowserAndWeOffer},
		{"without trickle", testBrowserWithoutTrickle},
		{"offer with media", testBrowserOffersMedia},
		{"RSA", testBrowserRSA},
		{"sizes", testBrowserSizes},
		{"twenty channels", testBrowserTwentyChannels},
		{"reliability", testBrowserReliability},
		{"negotiated", testBrowserNegotiated},
		{"channel closed by the browser", testBrowserClosesChannel},
		{"channel closed by us", testWeCloseChannel},
		{"connection closed by the browser", testBrowserClosesConnection},
		{"page left", testBrowserLeavesPage},
		{"connection closed by us", testWeCloseConnection},
		{"statistics", testBrowserStatistics},
		{"slow reader", testBrowserSlowReader},
		{"bulk", testBrowserBulk},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

// testPageAlone connects two peers of the page with each other. If it fails, the cause is the browser or peer.js.
func testPageAlone(t *testing.T, b *browser) {
	p := b.open(t)
	p.run(`
		const [a, b] = connectTwo();
		const channel = a.open('chat', {protocol: 'p'});
		(await b.accepted('chat')).echo();
		await channel.opened();
		for (const data of ['hello', pattern(1000, 1)]) {
			channel.send(data);
			const got = await channel.next();
			if (String(bytes(got)) !== String(bytes(data))) throw new Error('not the same: ' + bytes(got));
		}
		await a.reached('connected');
		b.pc.close();
		await channel.closed();`)
}

// channelFromBrowser makes the page open a channel, and returns our end of it. Scripts find it by its label.
func channelFromBrowser(p *page, pc *rtc.PeerConnection, label string, init map[string]any, media ...string) *rtc.DataChannel {
	p.t.Helper()
	accepted := make(chan *rtc.DataChannel, 1)
	pc.OnDataChannel(func(dc *rtc.DataChannel) { accepted <- dc })
	p.run(`
		for (const kind of args[2] ?? []) peer.pc.addTrack(track(kind));
		await peer.open(args[0], args[1] ?? {}).opened();`, label, init, media)
	dc := await(p.t, accepted, "data channel callback")
	pc.OnDataChannel(nil)
	require.Equal(p.t, label, dc.Label())
	require.True(p.t, dc.IsOpen())
	return dc
}

// channelToBrowser opens a channel, and waits until it is open on both sides.
func channelToBrowser(p *page, pc *rtc.PeerConnection, label string, init *rtc.DataChannelInit) *rtc.DataChannel {
	p.t.Helper()
	dc, err := pc.CreateDataChannel(label, init)
	require.NoError(p.t, err)
	opened := make(chan struct{})
	dc.OnOpen(func() { close(opened) })
	await(p.t, opened, "open callback")
	p.run(`await peer.accepted(args[0]);`, label)
	return dc
}

// await waits for a value of c, for browserPatience at most.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(browserPatience):
		t.Fatalf("no %s after %v", what, browserPatience)
		panic("unreachable")
	}
}

// awaitState waits until the connection is in a state.
func awaitState(t testing.TB, pc *rtc.PeerConnection, want rtc.State) {
	t.Helper()
	for deadline := time.Now().Add(browserPatience); pc.State() != want; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "not %v after %v, but %v", want, browserPatience, pc.State())
	}
}

// nextMessage waits for a message from the page.
func nextMessage(t testing.TB, dc *rtc.DataChannel) rtc.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	defer cancel()
	m, err := dc.ReadMessage(ctx)
	require.NoError(t, err)
	return m
}

// echoBothWays sends text and bytes from each side, and checks that the other side echoes them.
func echoBothWays(p *page, dc *rtc.DataChannel) {
	p.t.Helper()
	dc.OnMessage(func(m rtc.Message) {
		var err error
		if m.IsText {
			err = dc.SendText(string(m.Data))
		} else {
			err = dc.Send(m.Data)
		}
		if err != nil {
			p.t.Errorf("echo: %v", err)
		}
	})
	p.run(`
		const channel = peer.channel(args[0]);
		channel.onMessage = null;
		channel.send('grüße 👋');
		const text = await channel.next();
		if (text !== 'grüße 👋') throw new Error('text echoed as ' + text);
		channel.send(pattern(1000, 3));
		const data = await channel.next();
		if (!(data instanceof ArrayBuffer)) throw new Error('bytes echoed as ' + typeof data);
		if (String(bytes(data)) !== String(pattern(1000, 3))) throw new Error('bytes echoed as ' + bytes(data));
		channel.echo();`, dc.Label())
	dc.OnMessage(nil)
	require.NoError(p.t, dc.SendText("und zurück 👋"))
	require.Equal(p.t, rtc.Message{Data: []byte("und zurück 👋"), IsText: true}, nextMessage(p.t, dc))
	require.NoError(p.t, dc.Send(pattern(1000, 4)))
	require.Equal(p.t, rtc.Message{Data: pattern(1000, 4)}, nextMessage(p.t, dc))
}

func testBrowserOffers(t *testing.T, b *browser) {
	p := b.open(t)
	pc, session := p.connect(rtc.Configuration{}, peerOptions{})
	start := time.Now()
	dc := channelFromBrowser(p, pc, "from the browser", nil)
	t.Logf("open on both sides after %v", time.Since(start))
	echoBothWays(p, dc)
	awaitState(t, pc, rtc.StateConnected)
	p.run(`
		await peer.reached('connected');
		await peer.gathered();`)
	require.NotEmpty(t, session.remoteCandidates())
	for _, c := range session.remoteCandidates() {
		require.False(t, isLocalName(c), "a candidate with a multicast DNS name: %s", c)
	}
	require.Equal(t, "127.0.0.1", pc.Stats().Remote.Addr.Addr().String())

	// The answerer is the DTLS client. RFC 8832, section 6: the DTLS client uses even streams.
	stream, err := dc.Stream()
	require.NoError(t, err)
	require.Equal(t, uint16(1), stream%2, "the browser offered, so it is the DTLS server")
	// Further channels need no negotiation.
	require.False(t, pc.NegotiationNeeded())
	echoBothWays(p, channelToBrowser(p, pc, "from us", nil))
	require.Equal(t, "stable", value[string](p, `return peer.pc.signalingState;`))
}

func testBrowserAnswers(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	start := time.Now()
	dc := channelToBrowser(p, pc, "from us", nil)
	t.Logf("open on both sides after %v", time.Since(start))
	echoBothWays(p, dc)
	awaitState(t, pc, rtc.StateConnected)
	p.run(`await peer.reached('connected');`)

	stream, err := dc.Stream()
	require.NoError(t, err)
	require.Equal(t, uint16(1), stream%2, "we offered, so we are the DTLS server")
	require.False(t, pc.NegotiationNeeded())
	echoBothWays(p, channelFromBrowser(p, pc, "from the browser", nil))
	require.Equal(t, rtc.SignalingStateStable, pc.SignalingState())
}

// testBrowserAndWeOffer makes two offers cross. The browser is the impolite peer, and our offer is rolled back.
func testBrowserAndWeOffer(t *testing.T, b *browser) {
	p := b.open(t)
	pc, session := p.connect(rtc.Configuration{}, peerOptions{})
	session.gate.Lock() // until both have offered
	ours, err := pc.CreateDataChannel("from us", nil)
	require.NoError(t, err)
	require.Equal(t, rtc.SignalingStateHaveLocalOffer, pc.SignalingState())
	accepted := make(chan *rtc.DataChannel, 1)
	pc.OnDataChannel(func(dc *rtc.DataChannel) { accepted <- dc })
	p.run(`
		const offered = new Slot();
		peer.pc.addEventListener('signalingstatechange', offered.resolve, {once: true});
		peer.open('from the browser');
		await within(offered.promise, 'offer');`)
	session.gate.Unlock()
	its := await(t, accepted, "data channel callback")
	p.run(`await peer.accepted('from us');`)
	echoBothWays(p, its)
	echoBothWays(p, ours)
	require.Equal(t, rtc.SignalingStateStable, pc.SignalingState())
	require.Equal(t, "stable", value[string](p, `return peer.pc.signalingState;`))
	require.Equal(t, 1, value[int](p, `return peer.ignored;`))
	// The candidates that it ignored with our offer are in the answer.
	require.Contains(t, value[string](p, `return peer.pc.remoteDescription.sdp;`), "a=candidate:")
}

// testBrowserWithoutTrickle exchanges one description in each direction, with all candidates.
func testBrowserWithoutTrickle(t *testing.T, b *browser) {
	for _, offerer := range []string{"browser", "we"} {
		t.Run(offerer, func(t *testing.T) {
			p := b.open(t)
			pc, session := p.connect(rtc.Configuration{}, peerOptions{WithoutTrickle: true})
			if offerer == "browser" {
				echoBothWays(p, channelFromBrowser(p, pc, "chat", nil))
			} else {
				echoBothWays(p, channelToBrowser(p, pc, "chat", nil))
			}
			require.Empty(t, session.remoteCandidates())
			d, err := pc.RemoteDescription()
			require.NoError(t, err)
			require.Contains(t, d.SDP, "a=candidate:")
		})
	}
}

// testBrowserOffersMedia makes the browser offer audio before data, in the same BUNDLE group. The data channel works.
func testBrowserOffersMedia(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	p.run(`peer.pc.addTransceiver('audio');`)
	echoBothWays(p, channelFromBrowser(p, pc, "beside audio", nil))
	require.Equal(t, []string{"audio", "application"}, value[[]string](p, `
		return [...peer.pc.remoteDescription.sdp.matchAll(/^m=(\w+)/gm)].map((m) => m[1]);`), "an answer keeps the order")
	p.run(`await peer.reached('connected');`)
}

// testBrowserRSA connects with RSA keys on both sides; the default are ECDSA keys.
func testBrowserRSA(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{CertificateType: rtc.CertificateTypeRSA}, peerOptions{RSA: true})
	echoBothWays(p, channelFromBrowser(p, pc, "chat", nil))
	require.Contains(t, pc.Stats().CipherSuite, "_RSA_")
}

// TestBrowserHidesAddresses connects with a browser with the default settings, whose host candidates contain multicast
// DNS names. If they cannot be resolved, our side discovers its address from its checks, as a peer-reflexive candidate
// (RFC 8445, section 7.3.1.3).
func TestBrowserHidesAddresses(t *testing.T) {
	b := startBrowser(t, true)
	for _, offerer := range []string{"browser", "we"} {
		t.Run(offerer, func(t *testing.T) {
			p := b.open(t)
			pc, session := p.connect(rtc.Configuration{}, peerOptions{})
			if offerer == "browser" {
				echoBothWays(p, channelFromBrowser(p, pc, "chat", nil))
			} else {
				echoBothWays(p, channelToBrowser(p, pc, "chat", nil))
			}
			p.run(`await peer.gathered();`)
			require.NotEmpty(t, session.remoteCandidates())
			for _, c := range session.remoteCandidates() {
				require.True(t, isLocalName(c), "a candidate with an address: %s", c)
			}
			types := []ice.CandidateType{ice.CandidateTypePeerReflexive, ice.CandidateTypeHost}
			require.Contains(t, types, pc.Stats().Remote.Type)
			t.Logf("selected pair: %v – %v", pc.Stats().Local, pc.Stats().Remote)
		})
	}
}

func testBrowserStatistics(t *testing.T, b *browser) {
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dc := channelFromBrowser(p, pc, "counted", nil)
	p.run(`peer.channel('counted').echo();`)
	const messages, size = 10, 5000
	for i := range messages {
		require.NoError(t, dc.Send(pattern(size, i)))
		require.Equal(t, pattern(size, i), nextMessage(t, dc).Data)
	}

	type channelStats struct {
		Label, State                   string
		DataChannelIdentifier          uint16
		MessagesSent, MessagesReceived uint64
		BytesSent, BytesReceived       uint64
	}
	channels := value[[]channelStats](p, `return await peer.stats('data-channel');`)
	require.Len(t, channels, 1)
	stream, err := dc.Stream()
	require.NoError(t, err)
	require.Equal(t, channelStats{
		Label: "counted", State: "open", DataChannelIdentifier: stream,
		MessagesSent: messages, MessagesReceived: messages, BytesSent: messages * size, BytesReceived: messages * size,
	}, channels[0])
	ours := dc.Stats()
	require.Equal(t, rtc.MessageStats{
		MessagesSent: messages, MessagesReceived: messages, BytesSent: messages * size, BytesReceived: messages * size,
	}, ours)

	type transportStats struct {
		DTLSState, ICERole, ICEState     string
		TLSVersion, DTLSRole, DTLSCipher string
		SelectedCandidatePairID          string
	}
	transports := value[[]transportStats](p, `return await peer.stats('transport');`)
	require.Len(t, transports, 1)
	require.Equal(t, "connected", transports[0].DTLSState)
	require.Equal(t, "connected", transports[0].ICEState)
	require.Equal(t, "controlling", transports[0].ICERole)
	require.Equal(t, "server", transports[0].DTLSRole)
	require.Equal(t, "FEFD", transports[0].TLSVersion, "DTLS 1.2")
	require.Equal(t, pc.Stats().CipherSuite, transports[0].DTLSCipher)
	t.Logf("cipher suite: %s", transports[0].DTLSCipher)

	type pairStats struct {
		ID, State                           string
		Nominated                           bool
		ResponsesReceived, RequestsReceived uint64
		CurrentRoundTripTime                float64
	}
	// Channels can be open and used before the browser's own check of the pair has succeeded.
	var pairs []pairStats
	var selected *pairStats
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		transports = value[[]transportStats](p, `return await peer.stats('transport');`)
		pairs = value[[]pairStats](p, `return await peer.stats('candidate-pair');`)
		for i := range pairs {
			if pairs[i].ID == transports[0].SelectedCandidatePairID {
				selected = &pairs[i]
			}
		}
		if selected != nil && selected.State == "succeeded" && selected.Nominated {
			break
		}
	}
	require.NotNil(t, selected, "%v", pairs)
	require.Equal(t, "succeeded", selected.State)
	require.True(t, selected.Nominated)
	require.NotZero(t, selected.ResponsesReceived)
	require.NotZero(t, selected.RequestsReceived)

	type certificateStats struct{ Fingerprint, FingerprintAlgorithm string }
	certificates := value[[]certificateStats](p, `return await peer.stats('certificate');`)
	d, err := pc.LocalDescription()
	require.NoError(t, err)
	found := false
	for _, c := range certificates {
		found = found || containsLine(d.SDP, fmt.Sprintf("a=fingerprint:%s %s", c.FingerprintAlgorithm, c.Fingerprint))
	}
	require.True(t, found, "our fingerprint is not among %v", certificates)
}
