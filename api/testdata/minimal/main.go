// This is a minimal program with a data channel; TestBinarySize builds it.
package main

import (
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
)

func main() {
	pc, err := rtc.NewPeerConnection(rtc.Configuration{})
	if err != nil {
		panic(err)
	}
	dc, err := pc.CreateDataChannel("data", nil)
	if err != nil {
		panic(err)
	}
	dc.OnMessage(func(m rtc.Message) { fmt.Println(len(m.Data)) })
	_ = dc.Send([]byte("hello"))
}
