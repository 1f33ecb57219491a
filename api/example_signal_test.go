package rtc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// signalOver exchanges the signals of a connection over an open WebSocket. A page in a browser does
// the same:
//
//	ws.onmessage = async ({data}) => {
//		const signal = JSON.parse(data);
//		if (!signal.type) return pc.addIceCandidate(signal);
//		await pc.setRemoteDescription(signal);
//		if (signal.type === "offer") {
//			await pc.setLocalDescription();
//			ws.send(JSON.stringify(pc.localDescription));
//		}
//	};
//	pc.onicecandidate = ({candidate}) => candidate && ws.send(JSON.stringify(candidate));
func signalOver(ws *rtc.WebSocket, pc *rtc.PeerConnection) {
	pc.OnSignal(func(s rtc.Signal) {
		text, err := json.Marshal(s)
		if err == nil {
			err = ws.SendText(string(text))
		}
		if err != nil {
			log.Print(err)
		}
	})
	ws.OnMessage(func(m rtc.Message) {
		var s rtc.Signal
		err := json.Unmarshal(m.Data, &s)
		if err == nil {
			err = pc.ReceiveSignal(s) // an offer is answered
		}
		if err != nil {
			log.Print(err)
		}
	})
}

// A server and a client signal over a WebSocket and then exchange messages over a data channel.
func ExampleSignal() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	local := rtc.Configuration{BindAddress: "127.0.0.1"} // the example needs loopback only

	// The server has a connection for each client.
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *rtc.WebSocket) {
		pc, err := rtc.NewPeerConnection(local)
		if err != nil {
			log.Fatal(err)
		}
		signalOver(ws, pc)
		pc.OnDataChannel(func(dc *rtc.DataChannel) {
			dc.OnMessage(func(m rtc.Message) { _ = dc.SendText("hello, " + string(m.Data)) })
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ws, err := rtc.NewWebSocket(fmt.Sprintf("ws://127.0.0.1:%d/", server.Port()), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ws.CloseAndWait()
	pc, err := rtc.NewPeerConnection(local)
	if err != nil {
		log.Fatal(err)
	}
	dc, err := pc.CreateDataChannel("chat", nil) // makes the offer; OnSignal delivers it even if it is set later
	if err != nil {
		log.Fatal(err)
	}
	ws.OnOpen(func() { signalOver(ws, pc) })

	if err := dc.WriteMessage(ctx, rtc.Message{Data: []byte("world"), IsText: true}); err != nil { // waits until it is open
		log.Fatal(err)
	}
	m, err := dc.ReadMessage(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data))
	fmt.Println(pc.Shutdown(ctx))
	// Output:
	// hello, world
	// <nil>
}

// Without trickle ICE each side sends one description with all its candidates, for example by mail,
// or in an HTTP request and its response.
func ExamplePeerConnection_GatherComplete() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob := newConnections()
	defer alice.CloseAndWait()
	defer bob.CloseAndWait()

	if _, err := alice.CreateDataChannel("chat", nil); err != nil {
		log.Fatal(err)
	}
	offer, err := alice.GatherComplete(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// The application delivers the offer to Bob …
	if err := bob.SetRemoteDescription(offer); err != nil {
		log.Fatal(err)
	}
	answer, err := bob.GatherComplete(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// … and the answer to Alice.
	if err := alice.SetRemoteDescription(answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Wait(ctx, rtc.StateConnected))
	// Output: connected <nil>
}

// newConnections returns two connections on loopback.
func newConnections() (alice, bob *rtc.PeerConnection) {
	for _, pc := range []**rtc.PeerConnection{&alice, &bob} {
		var err error
		if *pc, err = rtc.NewPeerConnection(rtc.Configuration{BindAddress: "127.0.0.1"}); err != nil {
			log.Fatal(err)
		}
	}
	return alice, bob
}
