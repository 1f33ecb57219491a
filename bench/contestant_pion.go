package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"sync"

	"github.com/pion/datachannel"
	"github.com/pion/ice/v4"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"
	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// pionSocketBuffer is the size in bytes of each buffer of the tuned sockets. The default buffer loses
// datagrams of bursts.
const pionSocketBuffer = 4 << 20

// pion is github.com/pion/webrtc, with its defaults or with the best known settings for these
// workloads.
type pion struct {
	label string
	tuned bool
	gogc  int // 0: the default
}

func (c pion) name() string    { return c.label }
func (c pion) version() string { return result.ModuleVersion("github.com/pion/webrtc/v4") }

func (c pion) settings() string {
	if !c.tuned {
		return "defaults"
	}
	s := fmt.Sprintf("zero checksum, socket buffers of %d MiB, detached channels, one certificate, no HelloVerifyRequest",
		pionSocketBuffer>>20)
	if c.gogc != 0 {
		s += fmt.Sprintf(", GOGC=%d", c.gogc)
	}
	return s
}

func (c pion) environment() []string {
	if c.gogc == 0 {
		return nil
	}
	return []string{fmt.Sprintf("GOGC=%d", c.gogc)}
}

// pionShared holds the settings that the connections of a process share.
type pionShared struct {
	api           *webrtc.API
	configuration webrtc.Configuration
}

var (
	pionOnce  sync.Once
	pionFound pionShared
	pionError error
)

func (c pion) shared(maxMessage int) (pionShared, error) {
	pionOnce.Do(func() { pionFound, pionError = c.makeShared(maxMessage) })
	return pionFound, pionError
}

func (c pion) makeShared(maxMessage int) (pionShared, error) {
	var s pionShared
	var engine webrtc.SettingEngine
	// Only the loopback address, as for all contestants.
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	engine.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	if maxMessage >= 1<<16 { // pion refuses messages of exactly the limit
		engine.SetSCTPMaxMessageSize(uint32(2 * maxMessage))
	}
	if c.tuned {
		engine.EnableSCTPZeroChecksum(true)
		engine.DetachDataChannels()
		engine.SetDTLSInsecureSkipHelloVerify(true)
		sockets, err := stdnet.NewNet()
		if err != nil {
			return s, err
		}
		engine.SetNet(bufferedNet{sockets})
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return s, err
		}
		certificate, err := webrtc.GenerateCertificate(key)
		if err != nil {
			return s, err
		}
		s.configuration.Certificates = []webrtc.Certificate{*certificate}
	}
	s.api = webrtc.NewAPI(webrtc.WithSettingEngine(engine))
	return s, nil
}

// bufferedNet opens sockets with larger buffers.
type bufferedNet struct{ *stdnet.Net }

func (n bufferedNet) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.Net.ListenUDP(network, local)
	if err == nil {
		_ = conn.SetReadBuffer(pionSocketBuffer) // as much as the system allows
		_ = conn.SetWriteBuffer(pionSocketBuffer)
	}
	return conn, err
}

func (c pion) newPeer(o peerOptions) (peer, error) {
	shared, err := c.shared(o.maxMessage)
	if err != nil {
		return nil, err
	}
	pc, err := shared.api.NewPeerConnection(shared.configuration)
	if err != nil {
		return nil, err
	}
	p := &pionPeer{PeerConnection: pc, options: o, detach: c.tuned}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil { // end of candidates
			return
		}
		init := c.ToJSON()
		p.order.Lock()
		defer p.order.Unlock()
		o.signal(signal{Candidate: init.Candidate, Mid: *init.SDPMid})
	})
	pc.OnDataChannel(p.adopt)
	return p, nil
}

type pionPeer struct {
	*webrtc.PeerConnection
	options peerOptions
	detach  bool
	order   sync.Mutex // orders the signals: the description comes before its candidates
}

func (p *pionPeer) open(o channelOptions) error {
	ordered := !o.unordered
	init := &webrtc.DataChannelInit{Ordered: &ordered}
	if o.noRetransmissions {
		init.MaxRetransmits = new(uint16)
	}
	dc, err := p.CreateDataChannel("bench", init)
	if err != nil {
		return err
	}
	p.adopt(dc)
	offer, err := p.CreateOffer(nil)
	if err != nil {
		return err
	}
	return p.describe(offer)
}

// describe sets and signals the local description.
func (p *pionPeer) describe(d webrtc.SessionDescription) error {
	p.order.Lock()
	defer p.order.Unlock()
	if err := p.SetLocalDescription(d); err != nil {
		return err
	}
	p.options.signal(signal{Description: d.Type.String(), SDP: d.SDP})
	return nil
}

func (p *pionPeer) accept(s signal) error {
	switch s.Description {
	case "":
		return p.AddICECandidate(webrtc.ICECandidateInit{Candidate: s.Candidate, SDPMid: &s.Mid})
	case webrtc.SDPTypeOffer.String():
		if err := p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: s.SDP}); err != nil {
			return err
		}
		answer, err := p.CreateAnswer(nil)
		if err != nil {
			return err
		}
		return p.describe(answer)
	default:
		return p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.SDP})
	}
}

func (p *pionPeer) close() error { return p.PeerConnection.Close() }

// adopt sets the callbacks of a channel.
func (p *pionPeer) adopt(dc *webrtc.DataChannel) {
	c := &pionChannel{dc: dc, low: make(chan struct{}, 1)}
	dc.SetBufferedAmountLowThreshold(highWater / 2)
	dc.OnBufferedAmountLow(func() {
		select {
		case c.low <- struct{}{}:
		default:
		}
	})
	if !p.detach {
		dc.OnMessage(func(m webrtc.DataChannelMessage) { p.options.message(c, m.Data) })
	}
	dc.OnOpen(func() {
		if p.detach {
			raw, err := dc.Detach()
			if err != nil {
				return // the channel does not open, and the measurement fails
			}
			c.raw = raw
			go p.read(c)
		}
		p.options.opened(c)
	})
}

// read reads the messages of a detached channel. Its buffer holds the largest message.
func (p *pionPeer) read(c *pionChannel) {
	buf := make([]byte, p.options.maxMessage)
	for {
		n, _, err := c.raw.ReadDataChannel(buf)
		if err != nil {
			return
		}
		p.options.message(c, buf[:n])
	}
}

type pionChannel struct {
	dc  *webrtc.DataChannel
	raw datachannel.ReadWriteCloser // of a detached channel
	low chan struct{}
}

func (c *pionChannel) write(data []byte) error {
	for c.dc.BufferedAmount() > highWater {
		<-c.low
	}
	return c.send(data)
}

func (c *pionChannel) send(data []byte) error {
	if c.raw != nil {
		_, err := c.raw.Write(data)
		return err
	}
	return c.dc.Send(data)
}
