package rtc

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStall(t *testing.T) {
	if os.Getenv("STALL") == "" {
		t.Skip()
	}
	for i := range 25 {
		p := newPair(t, Configuration{}, Configuration{})
		from, to := p.connect("bulk", nil)
		done := make(chan struct{})
		received, want := 0, 2000
		to.OnMessage(func(Message) {
			if received++; received == want {
				close(done)
			}
		})
		message := make([]byte, 65536)
		start := time.Now()
		for range want {
			require.NoError(t, from.WriteMessage(t.Context(), Message{Data: message}))
		}
		receive(t, done, "end of the stream")
		el := time.Since(start)
		fmt.Println(i, el)
		if el > 260*time.Millisecond {
			a, b := p.a.Stats(), p.b.Stats()
			fmt.Printf("A %+v\nB %+v\n senderr %d\n", a.SCTP, b.SCTP, a.SendErrors)
		}
		p.a.CloseAndWait()
		p.b.CloseAndWait()
	}
}
