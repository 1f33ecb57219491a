package main

import (
	"context"
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// oursMTU makes our largest datagram as large as pion's, 1,225 bytes of UDP payload, so that the
// numbers of packets and the cost of a packet are comparable. A configured MTU disables path MTU
// discovery.
const oursMTU = 1284

type ours struct{}

func (ours) name() string          { return oursName }
func (ours) version() string       { return result.ModuleVersion("github.com/rtcstack/rtcstack") }
func (ours) environment() []string { return nil }

func (ours) settings() string {
	return fmt.Sprintf("defaults; MTU %d, for datagrams as large as the others'", oursMTU)
}

func (ours) newPeer(o peerOptions) (peer, error) {
	pc, err := rtc.NewPeerConnection(rtc.Configuration{BindAddress: "127.0.0.1", MTU: oursMTU})
	if err != nil {
		return nil, err
	}
	p := &oursPeer{pc, o}
	pc.OnLocalDescription(func(d rtc.SessionDescription) {
		o.signal(signal{Description: d.Type.String(), SDP: d.SDP})
	})
	pc.OnLocalCandidate(func(c rtc.Candidate) { o.signal(signal{Candidate: c.Candidate, Mid: c.Mid}) })
	pc.OnDataChannel(func(dc *rtc.DataChannel) { o.opened(p.channel(dc)) })
	return p, nil
}

type oursPeer struct {
	*rtc.PeerConnection
	options peerOptions
}

func (p *oursPeer) channel(dc *rtc.DataChannel) oursChannel {
	c := oursChannel{dc}
	dc.OnMessage(func(m rtc.Message) { p.options.message(c, m.Data) })
	return c
}

func (p *oursPeer) open(o channelOptions) error {
	dc, err := p.CreateDataChannel("bench", &rtc.DataChannelInit{
		Reliability: rtc.Reliability{Unordered: o.unordered, Unreliable: o.noRetransmissions},
	})
	if err != nil {
		return err
	}
	c := p.channel(dc)
	dc.OnOpen(func() { p.options.opened(c) })
	return nil
}

func (p *oursPeer) accept(s signal) error {
	switch s.Description {
	case "":
		return p.AddRemoteCandidate(rtc.Candidate{Candidate: s.Candidate, Mid: s.Mid})
	case rtc.DescriptionOffer.String():
		return p.SetRemoteDescription(rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: s.SDP})
	default:
		return p.SetRemoteDescription(rtc.SessionDescription{Type: rtc.DescriptionAnswer, SDP: s.SDP})
	}
}

func (p *oursPeer) close() error { return p.CloseAndWait() }

type oursChannel struct{ dc *rtc.DataChannel }

// write calls WriteMessage, which waits above the same buffered amount.
func (c oursChannel) write(data []byte) error {
	return c.dc.WriteMessage(context.Background(), rtc.Message{Data: data})
}

func (c oursChannel) send(data []byte) error { return c.dc.Send(data) }
