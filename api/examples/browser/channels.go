package main

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	rtc "github.com/rtcstack/rtcstack/api"
)

// The data channels, all of which the page opens.
const (
	chatChannel  = "chat"  // text, for the room
	pingChannel  = "ping"  // echoed; unordered and without retransmission, so that it measures the network
	bulkChannel  = "bulk"  // bytes in both directions, as fast as possible
	statsChannel = "stats" // reports of this side
)

const (
	// maxBulkMessage is the size of the largest message that a page can request, in bytes: browsers
	// accept no larger ones.
	maxBulkMessage = 256 << 10
	// maxChatText is the longest text in the chat, in bytes.
	maxChatText = 1000
	// maxUnread is the buffered amount, in bytes, above which chat messages and reports to a page
	// that does not read are dropped.
	maxUnread = 64 << 10
	// reportInterval is the time between two reports to the page about this side of the connection.
	reportInterval = 200 * time.Millisecond
)

// accept is the callback for a data channel of the page. Callbacks that it sets miss no event.
func (v *visitor) accept(ctx context.Context, dc *rtc.DataChannel) {
	switch dc.Label() {
	case chatChannel:
		v.serveChat(dc)
	case pingChannel:
		dc.OnMessage(func(m rtc.Message) { _ = dc.Send(m.Data) })
	case bulkChannel:
		v.serveBulk(ctx, dc)
	case statsChannel:
		v.busy.Go(func() { v.report(ctx, dc) })
	default:
		_ = dc.Close()
	}
}

// serveBulk counts the bytes received, and sends messages of the size that the page has last
// requested in a text message; 0: none.
func (v *visitor) serveBulk(ctx context.Context, dc *rtc.DataChannel) {
	stop := func() {} // needs no mutex: the callbacks of a connection run one at a time
	dc.OnMessage(func(m rtc.Message) {
		if !m.IsText {
			v.received.Add(uint64(len(m.Data)))
			return
		}
		size, err := strconv.Atoi(string(m.Data))
		if err != nil || size < 0 || size > maxBulkMessage {
			_ = dc.Close()
			return
		}
		stop()
		if size > 0 {
			sending, cancel := context.WithCancel(ctx)
			done := make(chan struct{})
			v.busy.Go(func() {
				defer close(done)
				send(sending, dc, size)
			})
			stop = func() {
				cancel()
				<-done
			}
		}
	})
	dc.OnClosed(func() { stop() })
}

// send sends messages until ctx is done or the channel is closed. WriteMessage waits while too many
// earlier messages are not sent yet: a program needs no other flow control.
func send(ctx context.Context, dc *rtc.DataChannel, size int) {
	message := rtc.Message{Data: make([]byte, size)}
	for {
		if err := dc.WriteMessage(ctx, message); err != nil {
			return
		}
	}
}

// report is the state of this side of the connection, for the page to show.
type report struct {
	At       float64 `json:"at"`       // seconds since the channel was opened
	Received uint64  `json:"received"` // bytes on the bulk channel

	Local  candidate `json:"local"` // the selected pair
	Remote candidate `json:"remote"`

	CipherSuite       string  `json:"cipherSuite"`
	CongestionControl string  `json:"congestionControl"`
	RTT               float64 `json:"rtt"`              // seconds, as SCTP measures it
	CongestionWindow  int     `json:"congestionWindow"` // bytes
	MTU               int     `json:"mtu"`              // bytes of the largest SCTP packet
	Packets           uint64  `json:"packets"`          // UDP datagrams in both directions
	Chunks            uint64  `json:"chunks"`           // DATA chunks sent to the page, retransmissions included
	Retransmissions   uint64  `json:"retransmissions"`  // of DATA chunks
	Pages             int     `json:"pages"`            // that are connected
}

type candidate struct {
	Addr string `json:"addr"`
	Type string `json:"type"`
}

// report sends reports until ctx is done or the channel is closed.
func (v *visitor) report(ctx context.Context, dc *rtc.DataChannel) {
	start := time.Now()
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	for !dc.IsClosed() {
		message, err := json.Marshal(v.snapshot(time.Since(start)))
		if err != nil {
			panic(err) // a report can always be encoded
		}
		if dc.BufferedAmount() < maxUnread { // otherwise the report is dropped
			_ = dc.SendText(string(message))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (v *visitor) snapshot(at time.Duration) report {
	s := v.pc.Stats()
	return report{
		At:                at.Seconds(),
		Received:          v.received.Load(),
		Local:             candidate{Addr: s.Local.Addr.String(), Type: s.Local.Type.String()},
		Remote:            candidate{Addr: s.Remote.Addr.String(), Type: s.Remote.Type.String()},
		CipherSuite:       s.CipherSuite,
		CongestionControl: s.SCTP.CongestionControl.String(),
		RTT:               s.RTT.Seconds(),
		CongestionWindow:  s.SCTP.CongestionWindow,
		MTU:               s.SCTP.MTU,
		Packets:           s.DatagramsSent + s.DatagramsReceived,
		Chunks:            s.SCTP.ChunksSent,
		Retransmissions:   s.SCTP.Retransmissions,
		Pages:             v.room.size(),
	}
}

// serveChat adds the channel to the room.
func (v *visitor) serveChat(dc *rtc.DataChannel) {
	v.room.join(v, dc)
	dc.OnMessage(func(m rtc.Message) {
		if m.IsText && len(m.Data) > 0 && len(m.Data) <= maxChatText && utf8.Valid(m.Data) {
			v.room.post(v, string(m.Data))
		}
	})
}
