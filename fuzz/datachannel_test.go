package fuzz_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

const (
	// channelPatience bounds every wait for the other side; a busy machine may take seconds.
	channelPatience = 30 * time.Second
	// channelSteps bounds the steps of a script.
	channelSteps = 100
	// channelStreams is the number of streams that a script uses; the test uses channelLast
	// afterwards, which has the parity of a DTLS client.
	channelStreams = 12
	channelLast    = 1000
)

// channelPeer is a peer of a PeerConnection that does not implement data channels: it sends the
// fuzzer's messages on any streams.
type channelPeer struct {
	conn *icenet.Conn
	dtls *dtlsconn.Conn
	read sync.WaitGroup

	sending sync.Mutex // of transmitDTLS

	mu    sync.Mutex
	sctp  *sctp.Association
	timer *time.Timer
	up    chan struct{} // closed when the association is connected
	idle  chan struct{} // closed when nothing is outstanding; nil: no goroutine waits
	ended error         // the reason that the association is over
	last  chan []byte   // messages on stream channelLast
}

var channelCertificate = sync.OnceValues(func() (tls.Certificate, error) {
	return certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
})

// newChannelPeer connects a peer to pc, on which create creates the first data channel, and so the
// offer.
func newChannelPeer(t *testing.T, pc *rtc.PeerConnection, create func()) *channelPeer {
	ctx, cancel := context.WithTimeout(t.Context(), channelPatience)
	defer cancel()
	p := &channelPeer{up: make(chan struct{}), last: make(chan []byte, 16)}
	var err error
	p.conn, err = icenet.NewConn(ctx, ice.Config{}, icenet.Options{BindAddress: netip.MustParseAddr("127.0.0.1")})
	require.NoError(t, err)
	p.sctp, err = sctp.New(sctp.Config{})
	require.NoError(t, err)
	p.timer = time.AfterFunc(time.Hour, func() {
		p.do(func(now time.Time) { p.sctp.Advance(now) })
	})

	certificate, err := channelCertificate()
	require.NoError(t, err)
	fingerprint, err := sdp.NewFingerprint(sdp.SHA256, certificate.Certificate[0])
	require.NoError(t, err)
	p.dtls, err = dtlsconn.New(dtlsconn.Config{
		Client: true, Certificate: certificate,
		Ready: p.transmitDTLS,
		Data:  func(packet []byte) { p.do(func(now time.Time) { p.sctp.Receive(now, packet) }) },
		Handshaked: func(err error) {
			if err == nil {
				p.do(func(now time.Time) { p.sctp.Connect(now) })
			}
		},
	})
	require.NoError(t, err)

	offers := make(chan rtc.SessionDescription, 1)
	pc.OnLocalDescription(func(d rtc.SessionDescription) { offers <- d })
	pc.OnLocalCandidate(func(c rtc.Candidate) {
		if candidate, err := ice.ParseCandidate(c.Candidate); err == nil {
			_ = p.conn.AddRemoteCandidate(candidate)
		}
	})
	create()
	var offer rtc.SessionDescription
	select {
	case offer = <-offers:
	case <-ctx.Done():
		t.Fatal("no offer")
	}
	d, err := sdp.ParseDescription(offer.SDP)
	require.NoError(t, err)
	transport := d.TransportOf(&d.Media[0])
	require.NoError(t, p.conn.SetRemote(ice.RemoteParameters{Ufrag: transport.ICEUfrag, Pwd: transport.ICEPwd}))
	candidates, err := p.conn.Gather(ctx)
	require.NoError(t, err)
	ufrag, pwd := p.conn.LocalCredentials()
	answer := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %[1]s\r\n"+
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:%[1]s\r\na=sctp-port:5000\r\n"+
		"a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:%s\r\na=setup:active\r\n", d.Media[0].Mid, ufrag, pwd, fingerprint)
	for _, c := range candidates {
		answer += "a=" + c.String() + "\r\n"
	}
	require.NoError(t, pc.SetRemoteDescription(rtc.SessionDescription{Type: rtc.DescriptionAnswer, SDP: answer}))
	require.NoError(t, p.conn.Wait(ctx))
	p.read.Go(p.receive)
	p.dtls.Start()
	select {
	case <-p.up:
	case <-ctx.Done():
		t.Fatal("no association")
	}
	return p
}

// receive reads datagrams until the connection is closed.
func (p *channelPeer) receive() {
	buf := make([]byte, 2048)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		p.dtls.Receive(buf[:n], nil)
		p.transmitDTLS()
	}
}

// do calls f, then handles the messages and events that the association has, and sends its packets.
func (p *channelPeer) do(f func(now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	f(now)
	for {
		if m, ok := p.sctp.ReadMessage(); ok {
			if m.Stream == channelLast {
				select {
				case p.last <- bytes.Clone(m.Data):
				default:
				}
			}
			p.sctp.Release(now, &m)
		} else if e, ok := p.sctp.Event(); ok {
			switch e.Kind {
			case sctp.EventConnected:
				close(p.up)
			case sctp.EventClosed:
				p.ended = fmt.Errorf("the association is over: %v", e.Err)
			}
		} else if packet, ok := p.sctp.Transmit(now, nil); ok {
			if record, err := p.dtls.Seal(nil, packet); err == nil {
				_, _ = p.conn.Write(record)
			}
		} else {
			break
		}
	}
	if inFlight, unsent := p.sctp.Outstanding(); p.idle != nil && (inFlight+unsent == 0 || p.ended != nil) {
		close(p.idle)
		p.idle = nil
	}
	if at := p.sctp.Deadline(); !at.IsZero() {
		p.timer.Reset(time.Until(at))
	}
}

// transmitDTLS sends the datagrams that the DTLS association has queued.
func (p *channelPeer) transmitDTLS() {
	p.sending.Lock()
	defer p.sending.Unlock()
	for datagram, ok := p.dtls.Transmit(nil); ok; datagram, ok = p.dtls.Transmit(nil) {
		_, _ = p.conn.Write(datagram)
	}
}

// settle waits until all sent data is acknowledged.
func (p *channelPeer) settle(t *testing.T) {
	idle := make(chan struct{})
	p.do(func(time.Time) { p.idle = idle })
	select {
	case <-idle:
	case <-time.After(channelPatience):
		t.Fatal("what was sent is not acknowledged")
	}
}

func (p *channelPeer) close() {
	p.timer.Stop()
	_ = p.conn.Close()
	p.read.Wait()
	p.dtls.Close()
	p.transmitDTLS()
	p.dtls.Wait()
}

// The steps of a script; the step's stream is in the low bits of the byte after it.
const (
	channelSend   = iota // a message of 1 to 15 bytes that follow, with a PPID of channelPPIDs
	channelOpen          // a valid OPEN with the options that follow
	channelReset         // the peer resets its side of the stream
	channelAsk           // the peer requests a reset of the other side
	channelSettle        // the peer waits until all is acknowledged
	channelCreate        // the program creates a channel, on that stream if it is odd
	channelClose         // the program closes a channel
	channelWrite         // the program sends on a channel
	channelMute          // the program stops reading a channel
	channelKinds
)

var channelPPIDs = [...]uint32{dcep.PPIDDCEP, dcep.PPIDString, dcep.PPIDBinary, dcep.PPIDBinaryEmpty, dcep.PPIDStringEmpty,
	dcep.PPIDBinaryPartial, dcep.PPIDStringPartial, 0, 55, 0xffffffff}

// channelProgram is the program above the PeerConnection: it reads all channels and checks the
// order of their callbacks.
type channelProgram struct {
	mu       sync.Mutex
	channels []*rtc.DataChannel
	broken   []string
}

func (g *channelProgram) add(dc *rtc.DataChannel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.channels = append(g.channels, dc)
	opened, closed := false, false
	// The callbacks of a connection run one at a time.
	check := func(right bool, what string) {
		if !right {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.broken = append(g.broken, fmt.Sprintf("%s (opened %t, closed %t)", what, opened, closed))
		}
	}
	dc.OnOpen(func() {
		check(!opened && !closed, "open")
		opened = true
	})
	dc.OnMessage(func(rtc.Message) { check(opened && !closed, "message") })
	dc.OnClosed(func() {
		check(!closed, "closed")
		closed = true
	})
}

func (g *channelProgram) pick(n byte) *rtc.DataChannel {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.channels[int(n)%len(g.channels)]
}

// FuzzDataChannels runs a peer that sends arbitrary messages and resets on streams, while the
// program creates, closes and uses channels: the connection remains usable, keeps the order of
// callbacks, and the next channel of the peer works.
func FuzzDataChannels(f *testing.F) {
	f.Add([]byte{channelOpen, 2, 0, channelSend, 2, 2, 3, 'a', 'b', 'c', channelReset, 2, channelSettle})
	// A stream's second life, with and without the answer to the end of the first.
	f.Add([]byte{channelOpen, 2, 0, channelReset, 2, channelOpen, 2, 1, channelSend, 2, 1, 1, 'x', channelSettle, channelClose, 1, channelOpen, 2, 2})
	f.Add([]byte{channelCreate, 5, channelSend, 5, 0, 1, 2, channelSettle, channelClose, 1, channelSettle, channelCreate, 5, channelWrite, 2})
	f.Add([]byte{channelOpen, 4, 0x80, channelOpen, 4, 0x02, channelSend, 6, 2, 9, channelOpen, 6, 0, channelMute, 1, channelSend, 4, 1, 5})
	f.Add([]byte{channelSend, 8, 0, 12, 3, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, channelAsk, 3, channelReset, 1, channelReset, 1})
	f.Add([]byte{channelOpen, 1, 0, channelOpen, 3, 0, channelCreate, 3, channelSend, 3, 5, 2, 'a', 'b', channelSend, 3, 2, 1, 'c', channelAsk, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		pc, err := rtc.NewPeerConnection(rtc.Configuration{BindAddress: "127.0.0.1"})
		require.NoError(t, err)
		defer func() { require.NoError(t, pc.CloseAndWait()) }()
		program := &channelProgram{}
		pc.OnDataChannel(func(dc *rtc.DataChannel) {
			if dc.Label() == "last" {
				dc.OnMessage(func(m rtc.Message) { _ = dc.Send(m.Data) })
				return
			}
			program.add(dc)
		})
		p := newChannelPeer(t, pc, func() {
			first, err := pc.CreateDataChannel("first", nil)
			require.NoError(t, err)
			program.add(first)
		})
		defer p.close()

		take := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		for range channelSteps {
			if len(script) == 0 {
				break
			}
			step, which := take()%channelKinds, take()
			stream := uint16(which % channelStreams)
			switch step {
			case channelSend:
				ppid := channelPPIDs[int(take())%len(channelPPIDs)]
				data := make([]byte, 1+take()%15)
				script = script[copy(data, script):]
				p.do(func(now time.Time) {
					_ = p.sctp.Send(now, stream, ppid, data, sctp.SendOptions{Unordered: which >= 0x80})
				})
			case channelOpen:
				options := take()
				open, err := dcep.Open{ChannelType: dcep.ChannelType(options & 0x83), ReliabilityParameter: uint32(options >> 2 & 7),
					Label: "label"[:options>>4&3], Protocol: "x"[:options>>3&1]}.Append(nil)
				require.NoError(t, err)
				p.do(func(now time.Time) { _ = p.sctp.Send(now, stream, dcep.PPIDDCEP, open, sctp.SendOptions{}) })
			case channelReset:
				p.do(func(now time.Time) { _ = p.sctp.ResetStream(now, stream) })
			case channelAsk:
				p.do(func(now time.Time) { _ = p.sctp.RequestStreamReset(now, stream) })
			case channelSettle:
				p.settle(t)
			case channelCreate:
				init := &rtc.DataChannelInit{Negotiated: which >= 0x80, ManualStream: stream%2 == 1 || which >= 0x80, Stream: stream}
				dc, err := pc.CreateDataChannel("made", init)
				classed(t, err)
				if err == nil {
					program.add(dc)
				}
			case channelClose:
				require.NoError(t, program.pick(which).Close())
			case channelWrite:
				classed(t, program.pick(which).Send([]byte{1, 2, 3}))
			case channelMute:
				program.pick(which).OnMessage(nil)
			}
		}

		open, err := dcep.Open{Label: "last"}.Append(nil)
		require.NoError(t, err)
		p.do(func(now time.Time) {
			_ = p.sctp.Send(now, channelLast, dcep.PPIDDCEP, open, sctp.SendOptions{})
			_ = p.sctp.Send(now, channelLast, dcep.PPIDBinary, []byte("echo"), sctp.SendOptions{})
		})
		for _, want := range [][]byte{dcep.AppendAck(nil), []byte("echo")} {
			select {
			case got := <-p.last:
				require.Equal(t, want, got)
			case <-time.After(channelPatience):
				p.mu.Lock()
				defer p.mu.Unlock()
				t.Fatalf("the next channel does not work: the connection is %v, %v", pc.State(), p.ended)
			}
		}
		program.mu.Lock()
		defer program.mu.Unlock()
		require.Empty(t, program.broken)
		require.Equal(t, rtc.StateConnected, pc.State())
	})
}
