package icenet_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
)

// Two connections in one process exchange their parameters, in place of a signalling channel, and
// then a datagram.
func ExampleConn() {
	ctx := context.Background()
	loopback := icenet.Options{BindAddress: netip.MustParseAddr("127.0.0.1")}
	a, err := icenet.NewConn(ctx, ice.Config{Controlling: true}, loopback)
	if err != nil {
		panic(err)
	}
	defer a.Close()
	b, err := icenet.NewConn(ctx, ice.Config{}, loopback)
	if err != nil {
		panic(err)
	}
	defer b.Close()

	signal := func(from, to *icenet.Conn) {
		ufrag, pwd := from.LocalCredentials()
		if err := to.SetRemote(ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd}); err != nil {
			panic(err)
		}
		candidates, err := from.Gather(ctx) // or Options.OnCandidate, for trickle
		if err != nil {
			panic(err)
		}
		for _, c := range candidates {
			line := c.String() // "candidate:1 1 udp 2113937151 127.0.0.1 41234 typ host"
			if c, err = ice.ParseCandidate(line); err != nil {
				panic(err)
			}
			if err := to.AddRemoteCandidate(c); err != nil {
				panic(err)
			}
		}
		to.SetRemoteComplete()
	}
	signal(a, b)
	signal(b, a)

	if err := a.Wait(ctx); err != nil {
		panic(err)
	}
	if _, err := a.Write([]byte("hello through the NATs")); err != nil {
		panic(err)
	}
	buf := make([]byte, 1500)
	n, err := b.Read(buf)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", buf[:n])
	// Output: hello through the NATs
}
