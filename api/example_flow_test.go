package rtc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// connect returns the two ends of a data channel between two connections that signal by function
// calls.
func connect(ctx context.Context) (alice, bob *rtc.PeerConnection, from, to *rtc.DataChannel) {
	alice, bob = newConnections()
	alice.OnSignal(func(s rtc.Signal) { _ = bob.ReceiveSignal(s) })
	bob.OnSignal(func(s rtc.Signal) { _ = alice.ReceiveSignal(s) })
	accepted := make(chan *rtc.DataChannel, 1)
	bob.OnDataChannel(func(dc *rtc.DataChannel) { accepted <- dc })
	from, err := alice.CreateDataChannel("data", nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := alice.Wait(ctx, rtc.StateConnected); err != nil {
		log.Fatal(err)
	}
	return alice, bob, from, <-accepted
}

// Back-pressure in a goroutine: WriteMessage waits while more than 1 MiB is buffered, because the
// network or the receiver is slow. ReadMessageInto reads into the same buffer again and again.
func ExampleDataChannel_WriteMessage() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob, from, to := connect(ctx)
	defer bob.CloseAndWait()

	const size = 8 << 20
	go func() {
		block := make([]byte, 64<<10)
		for range size / len(block) {
			if err := from.WriteMessage(ctx, rtc.Message{Data: block}); err != nil {
				log.Fatal(err)
			}
		}
		if err := alice.Shutdown(ctx); err != nil { // when everything has arrived
			log.Fatal(err)
		}
	}()
	received := 0
	buf := make([]byte, 256<<10)
	for {
		n, _, err := to.ReadMessageInto(ctx, buf)
		if err != nil {
			fmt.Println(received, "bytes until", err)
			return
		}
		received += n
	}
	// Output: 8388608 bytes until rtc: read message: closed by the peer
}

// Back-pressure with callbacks: Send never blocks. The program stops sending when enough is
// buffered, and continues when OnBufferedAmountLow is called.
func ExampleDataChannel_OnBufferedAmountLow() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob, from, to := connect(ctx)
	defer alice.CloseAndWait()
	defer bob.CloseAndWait()

	const size, high, low = 8 << 20, 1 << 20, 256 << 10
	received, done := 0, make(chan struct{})
	to.OnMessage(func(m rtc.Message) {
		if received += len(m.Data); received == size {
			close(done)
		}
	})

	block := make([]byte, 64<<10)
	left := size
	send := func() {
		for left > 0 && from.BufferedAmount() < high {
			if err := from.Send(block); err != nil {
				log.Fatal(err)
			}
			left -= len(block)
		}
	}
	from.SetBufferedAmountLowThreshold(low)
	from.OnBufferedAmountLow(send) // callbacks are called one at a time: left needs no mutex
	from.OnOpen(send)
	<-done
	fmt.Println(received, "bytes")
	// Output: 8388608 bytes
}
