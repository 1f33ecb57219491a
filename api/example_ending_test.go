package rtc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// A clean end between two programs. The one that has nothing more to send calls Shutdown, which
// reports whether the other one has received everything. The other one reads until io.EOF.
func ExamplePeerConnection_Shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob, from, to := connect(ctx)

	go func() {
		for i := range 3 {
			if err := from.SendText(fmt.Sprint("line ", i)); err != nil {
				log.Fatal(err)
			}
		}
		err := alice.Shutdown(ctx)
		var undelivered *rtc.UndeliveredError
		switch {
		case errors.As(err, &undelivered):
			log.Fatalf("%d bytes may not have arrived: %v", undelivered.Bytes, err)
		case err != nil:
			log.Fatal(err)
		}
	}()

	for {
		m, err := to.ReadMessage(ctx)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			log.Fatal("there may have been more: ", err)
		case errors.Is(err, io.EOF):
			fmt.Println("that is all")
			fmt.Println(bob.Shutdown(ctx))
			return
		case err != nil:
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// line 0
	// line 1
	// line 2
	// that is all
	// <nil>
}

// A program restarts ICE when its path is lost, or when it knows that its network has changed. Its
// channels stay open, and no message is lost.
func ExamplePeerConnection_RestartICE() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob, from, to := connect(ctx)
	defer alice.CloseAndWait()
	defer bob.CloseAndWait()

	alice.OnStateChange(func(s rtc.State) {
		if s == rtc.StateDisconnected || s == rtc.StateFailed {
			_ = alice.RestartICE()
		}
	})

	// For example, the operating system has reported another network.
	before, _ := alice.LocalDescription()
	if err := alice.RestartICE(); err != nil { // makes an offer, which is signalled like the first one
		log.Fatal(err)
	}
	after, _ := alice.LocalDescription()
	fmt.Println("new credentials:", before.SDP != after.SDP)

	if err := from.SendText("still here"); err != nil {
		log.Fatal(err)
	}
	m, err := to.ReadMessage(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data))
	// Output:
	// new credentials: true
	// still here
}
