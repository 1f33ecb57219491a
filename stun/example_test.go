package stun_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// A Binding client on a UDP socket: it asks a server from where its requests arrive.
func Example() {
	server, err := serve()
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
	fmt.Println("no NAT between:", addr == conn.LocalAddr().(*net.UDPAddr).AddrPort())
	// Output: no NAT between: true
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
			continue // not for us: "silently discarded"
		}
		transaction.Complete(time.Now())
		if response.Type().Class() == stun.ClassError {
			code, reason, err := response.ErrorCode()
			return netip.AddrPort{}, errors.Join(fmt.Errorf("%d %s", code, reason), err)
		}
		return response.XORMappedAddress()
	}
}

// serve answers Binding requests on a socket of the loopback interface until it is closed.
func serve() (*net.UDPConn, error) {
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

// answer appends the response to a Binding request to dst; nil: there is none.
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

// The whole of a stateless Binding server is to answer one packet with another.
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

// A message that only who knows the key can have made.
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
