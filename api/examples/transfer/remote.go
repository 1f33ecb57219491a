package main

import (
	"context"
	"os"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

func (o options) configuration() rtc.Configuration {
	configuration := rtc.Configuration{}
	if o.signal == "" {
		configuration.ConnectTimeout = 15 * time.Minute // users need time to copy the lines
	}
	if o.stun != "" {
		configuration.ICEServers = []string{o.stun}
	}
	return configuration
}

// runSend sends a file to a receiver. The user or a signalling server delivers the descriptions.
func runSend(ctx context.Context, o options, c *console) error {
	file, err := openFile(o.rest[0])
	if err != nil {
		return err
	}
	defer file.Close()
	p, err := newPeer(ctx, o.configuration())
	if err != nil {
		return err
	}
	defer p.leave() // nothing is sent after the receipt
	if o.signal != "" {
		server, err := p.joinRoom(o.signal)
		if err != nil {
			return err
		}
		defer server.CloseAndWait()
	}
	dc, err := p.CreateDataChannel(channelLabel, nil) // makes the offer
	if err != nil {
		return err
	}
	connected := make(chan struct{})
	dc.OnOpen(func() { close(connected) })

	if o.signal == "" {
		err = p.offerByHand(o, c, file)
	} else {
		c.printf("%s (%s)\nwaiting for the other side, at %s …\n", file.name, formatSize(file.size), o.signal)
	}
	if err != nil {
		return err
	}
	if _, err := waitFor(p.ctx, connected); err != nil {
		return err
	}
	c.printf("connected: %s\n", p.path())

	bar := c.startProgress(func() (moved, total int64) {
		// The bytes that the other side has received, including the header and the trailer of some
		// hundred bytes.
		return min(int64(dc.BytesAcknowledged()), file.size), file.size
	})
	sent, got, err := send(p.ctx, dc, file, int(o.chunk))
	bar.stop()
	c.reportSent(sent)
	if sent.elapsed > 0 {
		c.reportReceived(result{bytes: got.Bytes, elapsed: sent.elapsed, sum: got.SHA256})
	}
	return err
}

// offerByHand prints the offer for the user to copy, and asks for the answer.
func (p *peer) offerByHand(o options, c *console, file *source) error {
	offer, err := p.describe(o, c)
	if err != nil {
		return err
	}
	line, err := encodeLine(offer, "")
	if err != nil {
		return err
	}
	c.printf("%s (%s)\n\n"+
		"1. On the other side, run \"transfer receive DIR\" and paste this line:\n\n%s\n\n"+
		"2. Paste here the line that it prints:\n", file.name, formatSize(file.size), line)
	decode := func(text string) (rtc.SessionDescription, error) { return decodeAnswer(text, offer.SDP) }
	if err := c.ask(p.ctx, decode, p.SetRemoteDescription); err != nil {
		return err
	}
	c.printf("\nconnecting …\n")
	return nil
}

// runReceive receives a file from a sender. The user or a signalling server delivers the
// descriptions.
func runReceive(ctx context.Context, o options, c *console) error {
	dir, err := os.OpenRoot(o.rest[0])
	if err != nil {
		return err
	}
	defer dir.Close()
	p, err := newPeer(ctx, o.configuration())
	if err != nil {
		return err
	}
	defer p.finish() // the receipt has to arrive

	if o.signal == "" {
		err = p.answerByHand(o, c)
	} else {
		var server *rtc.WebSocket
		if server, err = p.joinRoom(o.signal); err == nil {
			defer server.CloseAndWait()
			c.printf("waiting for the other side, at %s …\n", o.signal)
		}
	}
	if err != nil {
		return err
	}
	dc, err := p.accept()
	if err != nil {
		return err
	}
	c.printf("connected: %s\n", p.path())

	var saved *savedFile
	r := newReception(func(h header) (destination, error) {
		var err error
		if saved, err = save(dir, h.Name); err != nil {
			return nil, err
		}
		c.printf("receiving %q (%s)\n", h.Name, formatSize(h.Size)) // quoted: it may contain any character
		return saved, nil
	})
	bar := c.startProgress(r.progress)
	received, err := r.run(p.ctx, dc)
	bar.stop()
	c.reportReceived(received)
	if err == nil {
		c.printf("saved as %s\n", saved.path())
	}
	return err
}

// answerByHand asks for the offer, and prints the answer for the user to copy.
func (p *peer) answerByHand(o options, c *console) error {
	c.printf("1. On the other side, run \"transfer send FILE\", and paste here the line that it prints:\n")
	var offer rtc.SessionDescription
	err := c.ask(p.ctx, decodeOffer, func(d rtc.SessionDescription) error {
		offer = d
		return p.SetRemoteDescription(d) // creates the answer
	})
	if err != nil {
		return err
	}
	answer, err := p.describe(o, c)
	if err != nil {
		return err
	}
	line, err := encodeLine(answer, offer.SDP)
	if err != nil {
		return err
	}
	c.printf("\n2. Paste this line there:\n\n%s\n\nwaiting …\n", line)
	return nil
}

// describe returns this side's description with all its candidates, because there is no second line
// for later ones.
func (p *peer) describe(o options, c *console) (rtc.SessionDescription, error) {
	if o.stun != "" {
		c.printf("asking %s …\n", o.stun) // a server that does not answer takes seconds
	}
	d, err := p.GatherComplete(p.ctx)
	if p.ctx.Err() != nil {
		err = context.Cause(p.ctx)
	}
	return d, err
}

// accept waits for the channel that the other side opens.
func (p *peer) accept() (*rtc.DataChannel, error) {
	incoming := make(chan *rtc.DataChannel, 1)
	p.OnDataChannel(func(dc *rtc.DataChannel) {
		select {
		case incoming <- dc:
		default:
			_ = dc.Close() // only one is used
		}
	})
	return waitFor(p.ctx, incoming)
}
