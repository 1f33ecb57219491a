package rtc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/race"
)

func TestAddressesAndPair(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		_, err := p.a.LocalAddr()
		require.ErrorIs(t, err, ErrNotAvailable)
		_, err = p.a.RemoteAddr()
		require.ErrorIs(t, err, ErrNotAvailable)
		_, _, err = p.a.SelectedCandidatePair()
		require.ErrorIs(t, err, ErrNotAvailable)
		p.connect("x", nil)
		local, remote := must(p.a.LocalAddr()), must(p.a.RemoteAddr())
		require.Equal(t, local, must(p.b.RemoteAddr()))
		require.Equal(t, remote, must(p.b.LocalAddr()))
		require.Equal(t, address(0), local.Addr())
		require.Equal(t, address(1), remote.Addr())
		l, r, err := p.a.SelectedCandidatePair()
		require.NoError(t, err)
		for _, c := range []Candidate{l, r} {
			require.True(t, strings.HasPrefix(c.Candidate, "a=candidate:"), c.Candidate)
			require.Equal(t, "0", c.Mid)
			require.NoError(t, p.a.AddRemoteCandidate(c), "it takes both forms")
		}
		require.NoError(t, p.a.CloseAndWait())
		_, err = p.a.LocalAddr()
		require.ErrorIs(t, err, ErrNotAvailable)
	})
}

func TestPortRange(t *testing.T) {
	const begin, end = 41000, 41999
	p := newPair(t, Configuration{PortRangeBegin: begin, PortRangeEnd: end}, Configuration{PortRangeBegin: begin, PortRangeEnd: end})
	p.connect("x", nil)
	for _, addr := range []netip.AddrPort{must(p.a.LocalAddr()), must(p.b.LocalAddr())} {
		require.GreaterOrEqual(t, addr.Port(), uint16(begin))
		require.LessOrEqual(t, addr.Port(), uint16(end))
	}
}

// The zero Configuration connects on a machine with any network, or with loopback only.
func TestZeroConfiguration(t *testing.T) {
	a, err := NewPeerConnection(Configuration{})
	require.NoError(t, err)
	b, err := NewPeerConnection(Configuration{})
	require.NoError(t, err)
	checkLeaks(t)
	t.Cleanup(func() { _, _ = a.CloseAndWait(), b.CloseAndWait() })
	p := &pair{t: t, a: a, b: b}
	signal(t, a, b)
	signal(t, b, a)
	from, to := p.connect("x", nil)
	require.Equal(t, "x", string(exchange(t, from, to, Message{Data: []byte("x")}).Data))
}

func TestMTU(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		for _, mtu := range []int{576, 1280, 9000} {
			p := n.pair(place{a: Configuration{MTU: mtu}, b: Configuration{MTU: mtu}})
			a, b := p.connect("x", nil)
			before := p.a.Stats()
			exchange(t, a, b, Message{Data: make([]byte, 200_000)})
			after := p.a.Stats()
			size := float64(after.BytesSent-before.BytesSent) / float64(after.DatagramsSent-before.DatagramsSent)
			require.LessOrEqual(t, size, float64(mtu-link.IPUDPHeaders))
			require.Greater(t, size, float64(mtu)*0.6)
		}
	})
}

func TestWrongFingerprint(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		a, b := n.connection(Configuration{}), n.connection(Configuration{})
		tamper := func(d SessionDescription) SessionDescription {
			at := strings.Index(d.SDP, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
			wrong := "00:11"
			if strings.HasPrefix(d.SDP[at:], wrong) {
				wrong = "22:33"
			}
			d.SDP = d.SDP[:at] + wrong + d.SDP[at+len(wrong):]
			return d
		}
		a.OnLocalDescription(func(d SessionDescription) { require.NoError(t, b.SetRemoteDescription(tamper(d))) })
		a.OnLocalCandidate(func(c Candidate) { _ = b.AddRemoteCandidate(c) })
		signal(t, b, a)
		dc, err := a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		failed := make(chan error, 1)
		dc.OnError(func(err error) { failed <- err })
		require.ErrorIs(t, receive(t, failed, "error callback"), ErrFailure)
		eventually(t, "both failed", func() bool { return a.State() == StateFailed && b.State() == StateFailed })
		require.True(t, dc.IsClosed())
		require.NoError(t, a.Close())
		require.Equal(t, StateClosed, a.State())
	})
}

func TestFingerprintVerificationCanBeDisabled(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		c := Configuration{DisableFingerprintVerification: true}
		a, b := n.connection(c), n.connection(c)
		a.OnLocalDescription(func(d SessionDescription) {
			at := strings.Index(d.SDP, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
			d.SDP = d.SDP[:at] + strings.Repeat("00:", 31) + "00" + d.SDP[at+95:]
			require.NoError(t, b.SetRemoteDescription(d))
		})
		a.OnLocalCandidate(func(c Candidate) { _ = b.AddRemoteCandidate(c) })
		signal(t, b, a)
		dc, err := a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		eventually(t, "open", dc.IsOpen)
	})
}

func TestRSACertificate(t *testing.T) {
	inSimulation(t, 1, place{a: Configuration{CertificateType: CertificateTypeRSA}, b: Configuration{CertificateType: CertificateTypeECDSA}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	})
}

func TestGivenCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: must(rand.Int(rand.Reader, elliptic.P256().Params().N)), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, private, 0o600))
	inSimulation(t, 1, place{a: Configuration{CertificatePEMFile: string(certificate), KeyPEMFile: file}}, func(t *testing.T, p *simulation) {
		p.connect("x", nil)
		require.Equal(t, der, p.b.transport.dtls.PeerCertificate())
	})
}

// A cipher suite that dtlsconn does not implement itself: all records go through the DTLS library.
func TestSlowCipherSuite(t *testing.T) {
	inSimulation(t, 1, place{tune: tuning{cipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}}}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		require.False(t, p.a.transport.dtls.Fast())
		for range 20 {
			require.Len(t, exchange(t, a, b, Message{Data: make([]byte, 200_000)}).Data, 200_000)
		}
		require.NoError(t, p.a.Close())
		eventually(t, "closed", func() bool { return p.a.State() == StateClosed && p.b.State() == StateClosed })
	})
}

// In steady state neither a packet nor a message needs an allocation.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	p := newPair(t, Configuration{}, Configuration{})
	a, b := p.connect("x", nil)
	var got atomic.Int64
	b.OnMessage(func(m Message) { got.Add(int64(len(m.Data))) })
	const size = 16384 // 14 packets
	message := make([]byte, size)
	var sent int64
	stream := func(n int) {
		for range n {
			require.NoError(t, a.WriteMessage(t.Context(), Message{Data: message}))
			sent += size
		}
		eventually(t, "all received", func() bool { return got.Load() == sent })
	}
	stream(3000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stream(5000)
	runtime.ReadMemStats(&after)
	perMessage := float64(after.Mallocs-before.Mallocs) / 5000
	t.Logf("%.2f allocations for each message of 14 packets", perMessage)
	require.Less(t, perMessage, 1.0)
}

func TestStats(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		for range 10 {
			exchange(t, a, b, Message{Data: make([]byte, 100)})
		}
		eventually(t, "a round trip is measured", func() bool { return p.a.Stats().RTT > 0 }) // with the first SACK
		s := p.a.Stats()
		require.Equal(t, StateConnected, s.State)
		require.Equal(t, MessageStats{MessagesSent: 10, BytesSent: 1000}, s.Messages)
		require.Equal(t, s.Messages, a.Stats())
		require.Equal(t, MessageStats{MessagesReceived: 10, BytesReceived: 1000}, p.b.Stats().Messages)
		require.Greater(t, s.BytesSent, uint64(1000))
		require.NotZero(t, s.DatagramsSent)
		require.NotZero(t, s.DatagramsReceived)
		require.Equal(t, s.Local.Addr, must(p.a.LocalAddr()))
		require.Equal(t, 1, s.Channels)
		require.NotEmpty(t, s.CipherSuite)
		require.Zero(t, s.SendErrors)
		require.Positive(t, s.SCTP.CongestionWindow)
		require.NotZero(t, s.ICE)
	})
}

func TestStrangersAreDroppedAndCounted(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		stranger := must(p.net.host().Listen(address(2), 0, 0))
		defer stranger.Close()
		before := p.b.Stats()
		for _, first := range []byte{22, 23, 63, 64, 128, 200} {
			sendDatagram(t, stranger.PathTo(must(p.b.LocalAddr())), append([]byte{first}, make([]byte, 40)...))
		}
		pause(time.Second)
		after := p.b.Stats()
		require.EqualValues(t, 3, after.StrangersDropped-before.StrangersDropped)
		require.EqualValues(t, 3, after.UnknownDropped-before.UnknownDropped)
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	})
}

// An idle connection has one goroutine, the reader of its socket.
func TestIdleConnection(t *testing.T) {
	base := runtime.NumGoroutine()
	p := newTunedPair(t, Configuration{BindAddress: "0.0.0.0"}, Configuration{BindAddress: "0.0.0.0"},
		tuning{ice: ice.Config{NominationGrace: time.Millisecond, UnusedTimeout: 100 * time.Millisecond}})
	p.connect("x", nil)
	eventually(t, "unused sockets are closed", func() bool {
		p.a.mu.Lock()
		defer p.a.mu.Unlock()
		return len(p.a.transport.ice.Links()) == 1 && p.a.iceState == ICEStateCompleted
	})
	eventually(t, "at most three goroutines for each connection", func() bool { return runtime.NumGoroutine()-base <= 2*3 })
	require.NoError(t, p.a.CloseAndWait())
	require.NoError(t, p.b.CloseAndWait())
	wantNoGoroutines(t)
}

// A connection that was created and not used has no goroutine, no socket, and no timer.
func TestUnusedConnection(t *testing.T) {
	pc, err := NewPeerConnection(Configuration{})
	require.NoError(t, err)
	require.Empty(t, ownGoroutines())
	require.NoError(t, pc.CloseAndWait())
	require.Equal(t, StateClosed, pc.State())
	require.NoError(t, pc.CloseAndWait())
	require.NoError(t, pc.Close())
}

// Closing does not wait for a name server that never answers.
func TestNamesThatDoNotResolve(t *testing.T) {
	asked, given := make(chan struct{}, 10), make(chan error, 10)
	resolver := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		asked <- struct{}{}
		<-ctx.Done()
		given <- ctx.Err()
		return nil, ctx.Err()
	}}
	t.Cleanup(func() { net.DefaultResolver = resolver })
	pc := newConnection(t, Configuration{ICEServers: []string{"stun:no-such-name.invalid", "stun:127.0.0.1:9"}})
	_, err := pc.CreateDataChannel("x", nil)
	require.NoError(t, err)
	receive(t, asked, "question to the name server")
	require.NoError(t, pc.CloseAndWait())
	require.ErrorIs(t, receive(t, given, "end of the question"), context.Canceled, "it was not waited for to the end")
}

func TestRenegotiationOfARunningConnection(t *testing.T) {
	inSimulation(t, 1, place{}, func(t *testing.T, p *simulation) {
		a, b := p.connect("x", nil)
		for _, pc := range []*PeerConnection{p.a, p.b, p.a} {
			before := version(t, must(pc.LocalDescription()))
			require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
			eventually(t, "a new description", func() bool {
				return pc.SignalingState() == SignalingStateStable && version(t, must(pc.LocalDescription())) != before
			})
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
		}
		require.Equal(t, StateConnected, p.a.State())
	})
}

// Both sides offer at once, and each rolls its offer back when that of the other arrives. They
// connect nevertheless.
func TestGlare(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		for range 5 {
			p := n.pair(place{a: manual, b: manual})
			for _, pc := range []*PeerConnection{p.a, p.b} {
				pc.OnLocalDescription(nil)
				_, err := pc.CreateDataChannel("x", nil)
				require.NoError(t, err)
				require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
			}
			var got recorder
			p.a.OnDataChannel(func(*DataChannel) { got.add("a") })
			p.b.OnDataChannel(func(*DataChannel) { got.add("b") })
			offers := [2]SessionDescription{must(p.a.LocalDescription()), must(p.b.LocalDescription())}
			require.NoError(t, p.a.SetRemoteDescription(offers[1]))
			require.NoError(t, p.b.SetRemoteDescription(offers[0]))
			require.Equal(t, SignalingStateHaveRemoteOffer, p.a.SignalingState(), "rolled back")
			require.NoError(t, p.a.SetLocalDescription(DescriptionAuto))
			require.NoError(t, p.b.SetLocalDescription(DescriptionAuto))
			answers := [2]SessionDescription{must(p.a.LocalDescription()), must(p.b.LocalDescription())}
			require.NoError(t, p.a.SetRemoteDescription(answers[1]), "an answer to what was rolled back is ignored")
			require.NoError(t, p.b.SetRemoteDescription(answers[0]))
			require.ErrorIs(t, p.b.SetRemoteDescription(answers[0]), ErrFailure, "once")
			require.NotEqual(t, strings.Contains(answers[0].SDP, "setup:active"), strings.Contains(answers[1].SDP, "setup:active"))
			eventually(t, "both channels on both sides", func() bool { return len(got.all()) == 2 })
		}
	})
}

func TestPranswer(t *testing.T) {
	inSimulation(t, 1, place{b: manual}, func(t *testing.T, p *simulation) {
		p.b.OnSignalingStateChange(func(s SignalingState) {
			if s == SignalingStateHaveRemoteOffer {
				require.NoError(t, p.b.SetLocalDescription(DescriptionPranswer))
			}
		})
		a, _ := p.connect("x", nil)
		require.True(t, a.IsOpen(), "a provisional answer is enough to connect")
		require.Equal(t, SignalingStateHaveRemotePranswer, p.a.SignalingState())
		require.Equal(t, SignalingStateHaveLocalPranswer, p.b.SignalingState())
		require.NoError(t, p.b.SetLocalDescription(DescriptionAnswer))
		eventually(t, "stable", func() bool {
			return p.a.SignalingState() == SignalingStateStable && p.b.SignalingState() == SignalingStateStable
		})
		require.True(t, a.IsOpen())
	})
}
