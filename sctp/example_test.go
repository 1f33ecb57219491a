package sctp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// Two associations that hand each other their packets in memory. Time is whatever the program says it is: here a round trip
// takes 20 ms, and the example no time at all.
func Example() {
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	a, b := sctp.New(sctp.Config{}), sctp.New(sctp.Config{})

	// move takes all that one association wants sent to the other.
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

// udpEndpoint drives an association over UDP (RFC 6951): a goroutine that reads the socket, and one that owns the association.
// It is made to be copied: what carries the packets is only in read and in the one line that writes.
type udpEndpoint struct {
	conn  *net.UDPConn
	peer  netip.AddrPort
	assoc *sctp.Association

	// Called by run, which they may not block: they call the association's methods themselves, not do.
	onMessage func(m sctp.Message) // m.Data is lent for the call
	onEvent   func(e sctp.Event)

	packets chan []byte
	calls   chan func(now time.Time)
	closed  chan struct{} // closed when the association is
	done    chan struct{} // closed when run returns, on one side of a shutdown seconds later
}

func newUDPEndpoint(conn *net.UDPConn, peer netip.AddrPort, config sctp.Config) *udpEndpoint {
	return &udpEndpoint{conn: conn, peer: peer, assoc: sctp.New(config),
		packets: make(chan []byte, 64), calls: make(chan func(time.Time)),
		closed: make(chan struct{}), done: make(chan struct{})}
}

// do has the goroutine of run call f with the association to itself.
func (e *udpEndpoint) do(f func(now time.Time)) {
	select {
	case e.calls <- f:
	case <-e.done:
	}
}

// read takes packets from the socket until it is closed.
func (e *udpEndpoint) read() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil || from != e.peer:
			continue // an ICMP message, or a stranger
		}
		select {
		case e.packets <- append([]byte(nil), buf[:n]...):
		case <-e.done:
			return
		}
	}
}

// run drives the association until it is closed and has no deadline left, or the socket is closed.
func (e *udpEndpoint) run() {
	defer close(e.done)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		e.read()
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	buf := make([]byte, 0, sctp.DefaultMTU)
	for closed := false; !closed || !e.assoc.Deadline().IsZero(); {
		select {
		case <-gone:
			return
		case packet := <-e.packets:
			e.assoc.Receive(time.Now(), packet)
		case call := <-e.calls:
			call(time.Now())
		case <-timer.C:
			e.assoc.Advance(time.Now())
		}
		now := time.Now()
		for { // until there is nothing more to do
			if m, ok := e.assoc.ReadMessage(); ok {
				e.onMessage(m)
				e.assoc.Release(now, &m)
			} else if event, ok := e.assoc.Event(); ok {
				e.onEvent(event)
				if event.Kind == sctp.EventClosed {
					closed = true
					close(e.closed)
				}
			} else if packet, ok := e.assoc.Transmit(now, buf[:0]); ok {
				_, _ = e.conn.WriteToUDPAddrPort(packet, e.peer) // what is lost is sent again
			} else {
				break
			}
		}
		if at := e.assoc.Deadline(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
}

// SCTP over UDP, between two sockets of this machine. The port that IANA gave to it is 9899; the sockets of the example have
// whatever ports are free.
func Example_udp() {
	listen := func() (*net.UDPConn, netip.AddrPort) {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	clientConn, clientAddr := listen()
	defer clientConn.Close()
	serverConn, serverAddr := listen()
	defer serverConn.Close()

	// The server answers whoever connects, and sends back what it gets.
	server := newUDPEndpoint(serverConn, clientAddr, sctp.Config{})
	server.onEvent = func(sctp.Event) {}
	server.onMessage = func(m sctp.Message) {
		if err := server.assoc.Send(time.Now(), m.Stream, m.PPID, m.Data, sctp.SendOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	go server.run()

	// The client sends two messages, and ends the association when both have come back.
	client := newUDPEndpoint(clientConn, serverAddr, sctp.Config{})
	client.onEvent = func(e sctp.Event) {
		switch e.Kind {
		case sctp.EventConnected:
			for stream, text := range []string{"hello", "world"} {
				if err := client.assoc.Send(time.Now(), uint16(stream), 0, []byte(text), sctp.SendOptions{}); err != nil {
					fmt.Println(err)
				}
			}
		case sctp.EventClosed:
			fmt.Println("closed:", e.Err)
		}
	}
	echoes := map[uint16]string{}
	client.onMessage = func(m sctp.Message) {
		if echoes[m.Stream] = string(m.Data); len(echoes) == 2 {
			client.assoc.Shutdown(time.Now())
		}
	}
	go client.run()
	client.do(client.assoc.Connect)

	<-client.closed
	<-server.closed // both sides know: nobody will ask the client again
	fmt.Println(echoes[0], echoes[1])
	// Output:
	// closed: <nil>
	// hello world
}
