package rtc_test

import (
	"fmt"
	"log"

	rtc "github.com/rtcstack/rtcstack/api"
)

// Two connections in one program, which signal to each other by function calls. Between two
// programs, the application delivers the descriptions and candidates, for example as JSON over a
// WebSocket.
func Example() {
	// The zero Configuration works, too; this one needs loopback only.
	configuration := rtc.Configuration{BindAddress: "127.0.0.1"}
	alice, err := rtc.NewPeerConnection(configuration)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.CloseAndWait()
	bob, err := rtc.NewPeerConnection(configuration)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.CloseAndWait()

	// Each side receives the signals of the other.
	alice.OnLocalDescription(func(d rtc.SessionDescription) { _ = bob.SetRemoteDescription(d) })
	alice.OnLocalCandidate(func(c rtc.Candidate) { _ = bob.AddRemoteCandidate(c) })
	bob.OnLocalDescription(func(d rtc.SessionDescription) { _ = alice.SetRemoteDescription(d) })
	bob.OnLocalCandidate(func(c rtc.Candidate) { _ = alice.AddRemoteCandidate(c) })

	bob.OnDataChannel(func(dc *rtc.DataChannel) {
		dc.OnMessage(func(m rtc.Message) {
			fmt.Printf("bob got %q on %q\n", m.Data, dc.Label())
			_ = dc.SendText("hello Alice")
		})
	})

	dc, err := alice.CreateDataChannel("chat", nil) // makes the offer
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	dc.OnOpen(func() { _ = dc.SendText("hello Bob") })
	dc.OnMessage(func(m rtc.Message) {
		fmt.Printf("alice got %q\n", m.Data)
		close(done)
	})
	<-done

	// Output:
	// bob got "hello Bob" on "chat"
	// alice got "hello Alice"
}
