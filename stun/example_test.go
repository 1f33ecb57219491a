package stun_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// A program asks a server for its public address.
func Example() {
	server, err := serve(answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	addr, err := stun.ReflexiveAddress(context.Background(), conn, stun.Request{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("no NAT on the path:", addr.String() == conn.LocalAddr().String())
	// Output: no NAT on the path: true
}

// One socket asks several servers, with a time limit for each.
func ExampleTo() {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	var addrs []netip.AddrPort
	for range 2 {
		server, err := serve(answer)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer server.Close()

		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		addr, err := stun.ReflexiveAddress(ctx, stun.To(conn, server.LocalAddr()), stun.Request{})
		if err != nil {
			fmt.Println(err)
			return
		}
		addrs = append(addrs, addr)
	}
	fmt.Println("endpoint-independent mapping:", addrs[0] == addrs[1])
	// Output: endpoint-independent mapping: true
}

// Over TCP or TLS the request is sent once and the response is cut out of the stream.
func ExampleRequest_stream() {
	conn, server := net.Pipe()
	defer conn.Close()
	go func() {
		defer server.Close()
		buf := make([]byte, 1500)
		n, _ := server.Read(buf)
		server.Write(answer(nil, buf[:n], netip.MustParseAddrPort("192.0.2.1:32853")))
	}()

	fmt.Println(stun.ReflexiveAddress(context.Background(), conn, stun.Request{
		Software: "example 1.0",
		Timing:   stun.Timing{Reliable: true},
	}))
	// Output: 192.0.2.1:32853 <nil>
}

// The long-term credential mechanism: the server answers 401 (Unauthenticated) with a realm and a
// nonce, Exchange repeats the request with MESSAGE-INTEGRITY and checks that of the response.
func ExampleExchange() {
	key := stun.NewLongTermKey("alice", "example.org", "secret") // as the server has stored it
	server, err := serve(func(dst, packet []byte, from netip.AddrPort) []byte {
		m, err := stun.Parse(packet)
		if err != nil || m.Type() != stun.TypeBindingRequest {
			return nil
		}
		if username, err := m.Username(); err != nil || string(username) != "alice" || m.CheckIntegrity(key) != nil {
			b := stun.NewBuilder(dst, stun.TypeBindingError, m.TransactionID())
			b.AddErrorCode(stun.CodeUnauthenticated, stun.Reason(stun.CodeUnauthenticated))
			b.AddString(stun.AttributeRealm, "example.org")
			b.AddString(stun.AttributeNonce, "f//499k954d6OL34oL9FSTvy64sA")
			return b.Bytes()
		}
		b := stun.NewBuilder(dst, stun.TypeBindingSuccess, m.TransactionID())
		b.AddXORAddress(stun.AttributeXORMappedAddress, from)
		b.AddIntegrity(key)
		return b.Bytes()
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for _, password := range []string{"secret", "guess"} {
		credentials := &stun.Credentials{Username: "alice", Password: password, LongTerm: true}
		response, err := stun.Exchange(context.Background(), conn, stun.Request{Credentials: credentials})
		var refused *stun.ResponseError
		if errors.As(err, &refused) && refused.Code == stun.CodeUnauthenticated {
			fmt.Println("wrong user name or password")
			continue
		} else if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("authenticated in", credentials.Realm(), response.Type())
	}
	// Output:
	// authenticated in example.org Binding success response
	// wrong user name or password
}

// The short-term credential mechanism without a connection: both sides know the password, and each
// checks the messages of the other.
func ExampleCredentials() {
	client := stun.Credentials{Username: "evtj:h6vY", Password: "VOkJxbRl1RmTxUk/WvJxBt"}
	request := stun.NewBuilder(nil, stun.TypeBindingRequest, stun.TransactionID{1, 2, 3})
	client.AddTo(&request)

	key := stun.NewKey([]byte("VOkJxbRl1RmTxUk/WvJxBt"))
	m, _ := stun.Parse(request.Bytes())
	fmt.Println("request:", m.CheckIntegritySHA256(key))
	genuine := stun.NewBuilder(nil, stun.TypeBindingSuccess, m.TransactionID())
	genuine.AddIntegritySHA256(key)
	forged := stun.NewBuilder(nil, stun.TypeBindingSuccess, m.TransactionID())
	forged.AddIntegritySHA256(stun.NewKey([]byte("guess")))

	for _, packet := range [][]byte{forged.Bytes(), genuine.Bytes()} {
		response, _ := stun.Parse(packet)
		_, err := client.Receive(response)
		fmt.Println("response:", err)
	}
	// Output:
	// request: <nil>
	// response: stun: message integrity mismatch
	// response: <nil>
}

// A client on a socket that other protocols use as well has the loop of a Transaction in its own.
func ExampleTransaction() {
	server, err := serve(answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	conn, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	addr, err := bind(conn)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("no NAT on the path:", addr == conn.LocalAddr().(*net.UDPAddr).AddrPort())
	// Output: no NAT on the path: true
}

// bind returns the reflexive address of a connected socket.
func bind(conn *net.UDPConn) (netip.AddrPort, error) {
	id, err := stun.NewTransactionID(rand.Reader)
	if err != nil {
		return netip.AddrPort{}, err
	}
	request := stun.NewBuilder(nil, stun.TypeBindingRequest, id)
	request.AddString(stun.AttributeSoftware, "example")
	request.AddFingerprint()

	var transaction stun.Transaction
	transaction.Start(time.Now(), id, stun.Timing{})
	buf := make([]byte, 1500)
	for {
		transaction.Advance(time.Now())
		if transaction.State() == stun.TransactionTimedOut {
			return netip.AddrPort{}, errors.New("no response")
		}
		if transaction.Transmit(time.Now()) {
			if _, err := conn.Write(request.Bytes()); err != nil {
				return netip.AddrPort{}, err
			}
		}
		if err := conn.SetReadDeadline(transaction.Deadline()); err != nil {
			return netip.AddrPort{}, err
		}
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		} else if err != nil {
			return netip.AddrPort{}, err
		}
		response, err := stun.Parse(buf[:n])
		if err != nil || !transaction.Matches(response) {
			continue // another protocol, or another transaction
		}
		transaction.Complete(time.Now())
		if response.Type().Class() == stun.ClassError {
			code, reason, err := response.ErrorCode()
			return netip.AddrPort{}, errors.Join(fmt.Errorf("%d %s", code, reason), err)
		}
		return response.XORMappedAddress()
	}
}

// serve answers each packet on a socket of the loopback interface until it is closed.
func serve(answer func(dst, packet []byte, from netip.AddrPort) []byte) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	go func() {
		buf, out := make([]byte, 1500), make([]byte, 0, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if response := answer(out, buf[:n], from); response != nil {
				conn.WriteToUDPAddrPort(response, from)
			}
		}
	}()
	return conn, nil
}

// answer appends the response to a Binding request to dst. It returns nil for other packets.
func answer(dst, packet []byte, from netip.AddrPort) []byte {
	m, err := stun.Parse(packet)
	if err != nil || m.Type() != stun.TypeBindingRequest {
		return nil
	}
	if unknown := m.UnknownRequired(nil, nil); len(unknown) > 0 {
		b := stun.NewBuilder(dst, stun.TypeBindingError, m.TransactionID())
		b.AddErrorCode(stun.CodeUnknownAttribute, stun.Reason(stun.CodeUnknownAttribute))
		b.AddUnknownAttributes(unknown)
		return b.Bytes()
	}
	b := stun.NewBuilder(dst, stun.TypeBindingSuccess, m.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, from)
	b.AddFingerprint()
	return b.Bytes()
}

// A Binding server keeps no state: it answers one packet with another.
func ExampleBuilder() {
	request := stun.NewBuilder(nil, stun.TypeBindingRequest, stun.TransactionID{})
	from := netip.MustParseAddrPort("192.0.2.1:32853")

	m, err := stun.Parse(request.Bytes())
	if err != nil || m.Type() != stun.TypeBindingRequest {
		return
	}
	b := stun.NewBuilder(nil, stun.TypeBindingSuccess, m.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, from)
	b.AddFingerprint()
	fmt.Printf("%x\n", b.Bytes())
	// Output: 010100142112a442000000000000000000000000002000080001a147e112a64380280004c925a885
}

// A message that only the owner of the key can have made.
func ExampleMessage_CheckIntegrity() {
	key := stun.NewKey([]byte("VOkJxbRl1RmTxUk/WvJxBt"))
	b := stun.NewBuilder(nil, stun.TypeBindingRequest, stun.TransactionID{1, 2, 3})
	b.AddString(stun.AttributeUsername, "evtj:h6vY")
	b.AddIntegrity(key)

	packet := b.Bytes()
	m, _ := stun.Parse(packet)
	fmt.Println(m.CheckIntegrity(key))
	packet[26] = 'X' // in the user name
	fmt.Println(m.CheckIntegrity(key))
	// Output:
	// <nil>
	// stun: message integrity mismatch
}
