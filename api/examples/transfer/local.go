package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// runLocal sends a file between two peers in this process. They share nothing but the signalling
// channel, and exchange packets over UDP sockets like any two peers.
func runLocal(ctx context.Context, o options, c *console) error {
	file, err := openSource(o)
	if err != nil {
		return err
	}
	defer file.Close()
	return transferLocally(ctx, file, o, c)
}

func transferLocally(ctx context.Context, file *source, o options, c *console) error {
	// A failure of one side ends the other side, and is the error of the program.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sender, err := newPeer(ctx, rtc.Configuration{})
	if err != nil {
		return err
	}
	defer sender.leave()
	receiver, err := newPeer(ctx, rtc.Configuration{})
	if err != nil {
		return err
	}
	defer receiver.leave()

	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	sender.signalOver(a)
	receiver.signalOver(b)

	start := time.Now()
	outgoing, err := sender.CreateDataChannel(channelLabel, nil) // creates the offer
	if err != nil {
		return err
	}
	c.printf("%s (%s) from one peer to another in this process\n", file.name, formatSize(file.size))

	// The sender runs in a goroutine of its own, the receiver in this one.
	var sent result
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		var err error
		if sent, _, err = send(sender.ctx, outgoing, file, int(o.chunk)); err != nil {
			fail(err)
		}
	}()
	received, err := receiveLocally(receiver, c, start)
	if err != nil {
		fail(err)
	}
	<-sending
	c.reportSent(sent)
	c.reportReceived(received)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if sent.sum != received.sum {
		return errDiffers // both sides have compared already; this check is the purpose of the program
	}
	c.printf("The SHA-256 is the same on both sides.\n")
	return nil
}

func receiveLocally(p *peer, c *console, start time.Time) (result, error) {
	dc, err := p.accept()
	if err != nil {
		return result{}, err
	}
	c.printf("connected in %.1f ms: %s\n", float64(time.Since(start).Microseconds())/1000, p.path())
	r := newReception(func(header) (destination, error) { return nowhere{}, nil })
	defer c.startProgress(r.progress).stop()
	return r.run(p.ctx, dc)
}

// signalOver sends the connection's signals over a stream, and applies those that arrive, until the
// stream ends. The stream may be any connection to the other side, such as a WebSocket; for a local
// transfer it is a pipe.
func (p *peer) signalOver(stream net.Conn) {
	// Callbacks are called one at a time, so that the signals are not interleaved. The error of a
	// closed stream is ignored: the connection is established, or no longer needed.
	encoder := json.NewEncoder(stream)
	p.OnSignal(func(s rtc.Signal) { _ = encoder.Encode(s) })
	go func() {
		decoder := json.NewDecoder(stream)
		for {
			var s rtc.Signal
			if decoder.Decode(&s) != nil {
				return
			}
			if err := p.ReceiveSignal(s); err != nil { // an offer is answered
				p.fail(fmt.Errorf("signalling: %w", err))
			}
		}
	}()
}
