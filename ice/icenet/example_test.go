package ice_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rtcstack/rtcstack/ice"
)

// Two connections in one process exchange what would go over the signalling channel, and then a datagram.
func Example() {
	loopback := ice.ConnOptions{BindAddress: netip.MustParseAddr("127.0.0.1")}
	a, err := ice.NewConn(ice.Config{Controlling: true}, loopback)
	if err != nil {
		panic(err)
	}
	defer a.Close()
	b, err := ice.NewConn(ice.Config{}, loopback)
	if err != nil {
		panic(err)
	}
	defer b.Close()

	ctx := context.Background()
	signal := func(from, to *ice.Conn) {
		ufrag, pwd := from.LocalCredentials()
		if err := to.SetRemote(ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd}); err != nil {
			panic(err)
		}
		candidates, err := from.Gather(ctx) // or OnCandidate, to trickle
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

func ExampleParseCandidate() {
	c, err := ice.ParseCandidate("a=candidate:842163049 1 udp 1677729535 203.0.113.7 61764 typ srflx raddr 192.168.1.2 rport 61764 generation 0")
	fmt.Println(c.Type, c.Addr, "from", c.Related, err)
	_, err = ice.ParseCandidate("candidate:1 1 udp 2122260223 192.0.2.1 65536 typ host")
	fmt.Println(err)
	// Output:
	// srflx 203.0.113.7:61764 from 192.168.1.2:61764 <nil>
	// ice: parse candidate "candidate:1 1 udp 2122260223 192.0.2.1 65536 typ host": port out of range
}
