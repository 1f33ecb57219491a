package sctp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// udpTransport makes the packets of one peer a transport. Over DTLS or a connected UDP socket, the
// net.Conn is the transport itself.
type udpTransport struct {
	*net.UDPConn
	peer netip.AddrPort
}

func (u udpTransport) Write(packet []byte) (int, error) {
	return u.WriteToUDPAddrPort(packet, u.peer)
}

func (u udpTransport) Read(b []byte) (int, error) {
	for {
		n, from, err := u.ReadFromUDPAddrPort(b)
		if err != nil || from == u.peer {
			return n, err
		}
	}
}

// SCTP over UDP (RFC 6951), between two sockets of this machine.
func ExampleConn() {
	listen := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		return conn
	}
	address := func(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
	clientSocket, serverSocket := listen(), listen()
	ctx := context.Background()

	// The server sends every message back, until the client shuts down.
	served := make(chan error)
	go func() {
		served <- func() error {
			conn, err := sctp.Accept(ctx, udpTransport{serverSocket, address(clientSocket)}, sctp.ConnConfig{})
			if err != nil {
				return err
			}
			defer conn.Close()
			for {
				m, err := conn.Receive(ctx)
				if err != nil {
					return err
				}
				err = conn.Send(ctx, m.Stream, m.PPID, m.Data, sctp.SendOptions{})
				conn.Release(&m)
				if err != nil {
					return err
				}
			}
		}()
	}()

	conn, err := sctp.Connect(ctx, udpTransport{clientSocket, address(serverSocket)}, sctp.ConnConfig{})
	if err != nil {
		panic(err)
	}
	for stream, text := range []string{"hello", "world"} {
		if err := conn.Send(ctx, uint16(stream), 0, []byte(text), sctp.SendOptions{}); err != nil {
			panic(err)
		}
	}
	echoes := map[uint16]string{}
	for len(echoes) < 2 {
		m, err := conn.Receive(ctx)
		if err != nil {
			panic(err)
		}
		echoes[m.Stream] = string(m.Data)
		conn.Release(&m)
	}
	fmt.Println(echoes[0], echoes[1])
	fmt.Println("shutdown:", conn.Shutdown(ctx))
	fmt.Println("server:", errors.Is(<-served, io.EOF))
	fmt.Println("close:", conn.Close())
	// Output:
	// hello world
	// shutdown: <nil>
	// server: true
	// close: <nil>
}

// Two associations exchange packets in memory. Time is an argument: a round trip takes 20 ms of
// simulated time, and the example no real time.
func ExampleAssociation() {
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	a, err := sctp.New(sctp.Config{})
	if err != nil {
		panic(err)
	}
	b, err := sctp.New(sctp.Config{})
	if err != nil {
		panic(err)
	}

	// move passes all packets of one association to the other.
	move := func(from, to *sctp.Association) {
		for {
			packet, ok := from.Transmit(now, nil)
			if !ok {
				return
			}
			to.Receive(now, packet)
		}
	}
	roundTrip := func() {
		for _, direction := range [][2]*sctp.Association{{a, b}, {b, a}} {
			now = now.Add(10 * time.Millisecond)
			move(direction[0], direction[1])
		}
		for _, x := range []*sctp.Association{a, b} {
			if at := x.Deadline(); !at.IsZero() && !at.After(now) {
				x.Advance(now)
			}
		}
	}

	a.Connect(now) // b could do the same
	for a.State() != sctp.StateEstablished || b.State() != sctp.StateEstablished {
		roundTrip()
	}
	out, in := a.Streams()
	fmt.Println("connected:", out, "streams out,", in, "in")

	const stream, ppid = 1, 51
	if err := a.Send(now, stream, ppid, []byte("in order and reliable"), sctp.SendOptions{}); err != nil {
		fmt.Println(err)
	}
	if err := a.Send(now, stream, ppid, []byte("at once or never"), sctp.SendOptions{Unordered: true, LimitRetransmits: true}); err != nil {
		fmt.Println(err)
	}
	roundTrip()
	for m, ok := b.ReadMessage(); ok; m, ok = b.ReadMessage() {
		fmt.Printf("stream %d: %s\n", m.Stream, m.Data)
		b.Release(now, &m)
	}

	a.Shutdown(now)
	for a.State() != sctp.StateClosed || b.State() != sctp.StateClosed {
		roundTrip()
	}
	for e, ok := b.Event(); ok; e, ok = b.Event() {
		if e.Kind == sctp.EventClosed {
			fmt.Println("closed:", e.Err)
		}
	}
	// Output:
	// connected: 1024 streams out, 1024 in
	// stream 1: in order and reliable
	// stream 1: at once or never
	// closed: <nil>
}

// A network that loses a fifth of the packets and reorders the others, the same ones each time: its
// randomness and that of the associations come from a seed, and its clock is a variable. An hour of
// it takes less than a second.
func ExampleAssociation_lossyNetwork() {
	type flying struct {
		at     time.Time
		to     int
		packet []byte
	}
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	var ends [2]*sctp.Association
	for i := range ends {
		var err error
		if ends[i], err = sctp.New(sctp.Config{Rand: rand.NewChaCha8([32]byte{seed, byte(i)})}); err != nil {
			panic(err)
		}
	}
	var network []flying
	received := 0
	ends[0].Connect(now)
	for next, sent := now, 0; received < 1000; now = next {
		next = now.Add(time.Hour)
		for i, end := range ends {
			end.Advance(now) // calling it early is allowed
			for n := 0; n < len(network); n++ {
				if f := network[n]; f.to == i && !f.at.After(now) {
					end.Receive(now, f.packet)
					network = append(network[:n], network[n+1:]...)
					n--
				}
			}
			for m, ok := end.ReadMessage(); ok; m, ok = end.ReadMessage() {
				received++
				end.Release(now, &m)
			}
			for i == 0 && sent < 1000 && end.Send(now, 1, 53, make([]byte, 1000), sctp.SendOptions{}) == nil {
				sent++
			}
			for packet, ok := end.Transmit(now, nil); ok; packet, ok = end.Transmit(now, nil) {
				if delay := time.Duration(10+rng.IntN(10)) * time.Millisecond; rng.Float64() > 0.2 {
					network = append(network, flying{now.Add(delay), 1 - i, packet})
				}
			}
			if at := end.Deadline(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		for _, f := range network {
			if f.at.Before(next) {
				next = f.at
			}
		}
	}
	stats := ends[0].Stats()
	fmt.Println(received, "messages arrived; something was lost:", stats.Retransmissions > 0)
	// Output:
	// 1000 messages arrived; something was lost: true
}
