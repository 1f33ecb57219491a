package ice_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/stun"
)

// owner runs an agent over one socket.
type owner struct {
	agent *ice.Agent
	conn  *net.UDPConn
	base  ice.BaseID
}

func newOwner(config ice.Config) *owner {
	agent, err := ice.NewAgent(config)
	if err != nil {
		panic(err)
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		panic(err)
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	base, err := agent.AddLocal(time.Now(), ice.Local{Addr: local})
	if err != nil {
		panic(err)
	}
	agent.SetLocalComplete(time.Now())
	return &owner{agent, conn, base}
}

// signal passes the credentials and the known candidates to the peer. A program uses its signalling
// channel for that.
func (o *owner) signal(peer *owner) {
	ufrag, pwd := o.agent.LocalCredentials()
	if err := peer.agent.SetRemote(time.Now(), ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd}); err != nil {
		panic(err)
	}
	for {
		switch e, _ := o.agent.Event(); e.Kind {
		case ice.EventLocalCandidate:
			if err := peer.agent.AddRemoteCandidate(time.Now(), *e.Candidate); err != nil {
				panic(err)
			}
		case ice.EventGatheringComplete:
			peer.agent.SetRemoteComplete(time.Now())
			return
		}
	}
}

// run serves the agent until the socket is closed or received returns true. It calls selected with
// each selected pair, and received with the application data of the peer.
func (o *owner) run(selected func(ice.Pair), received func([]byte) bool) {
	defer o.conn.Close()
	in, out := make([]byte, 1500), make([]byte, 1500)
	for {
		now := time.Now()
		for {
			packet, path, ok := o.agent.Transmit(now, out[:0])
			if !ok {
				break
			}
			// An error concerns one path; the agent finds out that it does not work.
			_, _ = o.conn.WriteToUDPAddrPort(packet, path.Remote)
		}
		for {
			e, ok := o.agent.Event()
			if !ok {
				break
			}
			switch e.Kind {
			case ice.EventSelectedPair:
				selected(*e.Pair)
			case ice.EventPathLost:
				// The program must not send application data until the next EventSelectedPair.
			}
		}

		_ = o.conn.SetReadDeadline(o.agent.Deadline()) // it is the timer; zero means none in both
		n, from, err := o.conn.ReadFromUDPAddrPort(in)
		now = time.Now()
		path := ice.Path{Base: o.base, Remote: from}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			o.agent.Advance(now)
		case err != nil:
			return
		case stun.Is(in[:n]):
			o.agent.Receive(now, path, in[:n])
		case o.agent.Permits(path) && received(in[:n]):
			return
		}
	}
}

// Two agents, each with a socket, find a path, and one sends a datagram over it.
func ExampleAgent() {
	a, b := newOwner(ice.Config{Controlling: true}), newOwner(ice.Config{})
	a.signal(b)
	b.signal(a)
	go a.run(func(pair ice.Pair) {
		if pair.Nominated {
			_, _ = a.conn.WriteToUDPAddrPort([]byte("hello through the NATs"), pair.Path.Remote)
		}
	}, func([]byte) bool { return false })
	b.run(func(ice.Pair) {}, func(data []byte) bool {
		fmt.Printf("%s\n", data)
		return true
	})
	a.conn.Close()
	// Output: hello through the NATs
}
