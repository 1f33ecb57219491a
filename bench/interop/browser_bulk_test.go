package interop_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// testBrowserBulk sends a large amount of data in each direction, compares the digests, and logs the rates.
func testBrowserBulk(t *testing.T, b *browser) {
	total, piece := 64<<20, 64<<10
	if testing.Short() {
		total = 8 << 20
	}
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dc := channelFromBrowser(p, pc, "bulk", nil)
	ctx, cancel := context.WithTimeout(context.Background(), bulkTime)
	defer cancel()
	rate := func(start time.Time) float64 { return float64(total) / 1e6 / time.Since(start).Seconds() }

	// The rate between two peers in the browser, as the upper limit for the other rates.
	t.Run("inside the browser", func(t *testing.T) {
		p := p.in(t)
		took := valueWithin[float64](p, bulkTime, `
			const [a, b] = connectTwo(), all = new Slot(), pieces = randomPieces(args[0], args[1]);
			const channel = a.open('bulk');
			let left = args[0];
			(await b.accepted('bulk')).onMessage = (data) => {
				left -= data.byteLength;
				if (left === 0) all.resolve();
			};
			await channel.opened();
			const start = performance.now();
			await channel.sendAll(pieces);
			await all.promise;
			const took = performance.now() - start;
			a.pc.close();
			b.pc.close();
			return took / 1000;`, total, piece)
		t.Logf("%d MiB: %.1f MB/s", total>>20, float64(total)/1e6/took)
	})

	t.Run("to the browser", func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %#x", seed)
		data := make([]byte, total)
		_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(data)
		sum := sha256.Sum256(data)
		p := p.in(t)
		p.run(`
			const channel = peer.channel('bulk'), all = new Slot(), pieces = [];
			let left = args[0];
			channel.onMessage = (data) => {
				pieces.push(data);
				left -= data.byteLength;
				if (left <= 0) all.resolve(performance.now());
			};
			globalThis.bulk = {pieces, done: all.promise, start: performance.now()};`, total)
		start := time.Now()
		for offset := 0; offset < total; offset += piece {
			require.NoError(t, dc.WriteMessage(ctx, rtc.Message{Data: data[offset : offset+piece]}))
		}
		valueWithin[float64](p, bulkTime, `return await bulk.done;`)
		t.Logf("%d MiB: %.1f MB/s", total>>20, rate(start))
		logSCTP(t, pc)
		got := valueWithin[string](p, bulkTime, `return sha256(await joined(bulk.pieces));`)
		require.Equal(t, hex.EncodeToString(sum[:]), got)
	})

	t.Run("from the browser", func(t *testing.T) {
		p := p.in(t)
		want := valueWithin[string](p, bulkTime, `
			globalThis.bulk = randomPieces(args[0], args[1]);
			return sha256(await joined(bulk));`, total, piece)
		hash, received := sha256.New(), 0
		done := make(chan struct{})
		dc.OnMessage(func(m rtc.Message) {
			_, _ = hash.Write(m.Data)
			if received += len(m.Data); received == total {
				close(done)
			}
		})
		start := time.Now()
		p.within(bulkTime, "send", func(context.Context) error {
			valueWithin[bool](p, bulkTime, `await peer.channel('bulk').sendAll(bulk); return true;`)
			return nil
		})
		select {
		case <-done:
		case <-ctx.Done():
			t.Fatalf("only %d of %d bytes after %v", received, total, time.Since(start))
		}
		t.Logf("%d MiB: %.1f MB/s", total>>20, rate(start))
		logSCTP(t, pc)
		require.Equal(t, want, hex.EncodeToString(hash.Sum(nil)))
	})
}

// testBrowserSlowReader does not read the browser's messages until the receive window stays closed. Then it reads all.
func testBrowserSlowReader(t *testing.T, b *browser) {
	const messages, size = 4000, 8000 // more than all buffers together
	p := b.open(t)
	pc, _ := p.connect(rtc.Configuration{}, peerOptions{})
	dc := channelFromBrowser(p, pc, "slow", nil)
	p.run(`
		const pieces = [];
		for (let i = 0; i < args[0]; i++) pieces.push(pattern(args[1], i));
		globalThis.sending = peer.channel('slow').sendAll(pieces);`, messages, size)

	// The browser stops when the window is closed, except for window probes, some of which deliver a chunk.
	var stalled int
	for start := time.Now(); ; {
		before := dc.AvailableAmount()
		time.Sleep(time.Second)
		if stalled = dc.AvailableAmount(); stalled > 0 && stalled-before < 10*size {
			break
		}
		require.Less(t, time.Since(start), browserPatience, "the browser still sends, with %d bytes unread", stalled)
	}
	t.Logf("stopped with %d bytes unread", stalled)
	require.Less(t, stalled, messages*size/2)
	require.Positive(t, value[int](p, `return peer.channel('slow').dc.bufferedAmount;`))

	start := time.Now()
	for i := range messages {
		require.Equal(t, pattern(size, i), nextMessage(t, dc).Data, "message %d", i)
	}
	t.Logf("all was read after %v", time.Since(start))
	p.run(`await within(sending, 'end of sending');`)
	echoBothWays(p, dc)
}

func logSCTP(t *testing.T, pc *rtc.PeerConnection) {
	s := pc.Stats().SCTP
	t.Logf("SCTP: %d packets sent, %d received, %d retransmissions, %d timeouts, RTT %v, congestion window %d",
		s.PacketsSent, s.PacketsReceived, s.Retransmissions, s.Timeouts, s.SRTT, s.CongestionWindow)
}
