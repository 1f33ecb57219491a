package stun

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// clientAddr is the address that the servers of these tests report.
var clientAddr = netip.MustParseAddrPort("192.0.2.1:32853")

// connect returns a connection in memory to a server that handles each request with answer, whose
// packets are sent back one by one. The number of requests is that of the requests received.
func connect(t *testing.T, answer func(request Message) [][]byte) (conn net.Conn, requests *[][]byte) {
	t.Helper()
	conn, server := net.Pipe()
	t.Cleanup(func() {
		conn.Close()
		server.Close()
		synctest.Wait()
	})
	requests = new([][]byte)
	go func() {
		for {
			buf := make([]byte, 1500)
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			*requests = append(*requests, buf[:n])
			m, err := Parse(buf[:n])
			if err != nil {
				panic(err)
			}
			for _, packet := range answer(m) {
				if _, err := server.Write(packet); err != nil {
					return
				}
			}
		}
	}()
	return conn, requests
}

// success returns the success response to a request, with the attributes of add.
func success(request Message, add func(b *Builder)) []byte {
	b := NewBuilder(nil, NewType(request.Type().Method(), ClassSuccess), request.TransactionID())
	b.AddXORAddress(AttributeXORMappedAddress, clientAddr)
	if add != nil {
		add(&b)
	}
	return b.Bytes()
}

// failure returns an error response to a request, with the attributes of add.
func failure(request Message, code int, add func(b *Builder)) []byte {
	b := NewBuilder(nil, NewType(request.Type().Method(), ClassError), request.TransactionID())
	b.AddErrorCode(code, Reason(code))
	if add != nil {
		add(&b)
	}
	return b.Bytes()
}

// inBubble runs a test in virtual time, which its argument reports.
func inBubble(t *testing.T, f func(t *testing.T, elapsed func() time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f(t, func() time.Duration { return time.Since(start) })
	})
}

func TestReflexiveAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		calls := 0
		conn, requests := connect(t, func(request Message) [][]byte {
			if calls++; calls < 3 {
				return nil
			}
			return [][]byte{success(request, nil)}
		})
		addr, err := ReflexiveAddress(t.Context(), conn, Request{Software: "test"})
		require.NoError(t, err)
		require.Equal(t, clientAddr, addr)
		// Two requests are lost: the third is sent after 0.5 s and another 1 s.
		require.Equal(t, 1500*time.Millisecond, elapsed())
		require.Len(t, *requests, 3)
		for _, request := range *requests {
			require.Equal(t, (*requests)[0], request)
		}
		m, err := Parse((*requests)[0])
		require.NoError(t, err)
		require.Equal(t, TypeBindingRequest, m.Type())
		software, err := m.Software()
		require.NoError(t, err)
		require.Equal(t, "test", string(software))
		require.NoError(t, m.CheckFingerprint())
		require.NotZero(t, m.TransactionID())
	})
}

func TestReflexiveAddressOfOldServer(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte {
			b := NewBuilder(nil, TypeBindingSuccess, request.TransactionID())
			b.AddAddress(AttributeMappedAddress, clientAddr)
			return [][]byte{b.Bytes()}
		})
		addr, err := ReflexiveAddress(t.Context(), conn, Request{})
		require.NoError(t, err)
		require.Equal(t, clientAddr, addr)
	})
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte {
			b := NewBuilder(nil, TypeBindingSuccess, request.TransactionID())
			return [][]byte{b.Bytes()}
		})
		_, err := ReflexiveAddress(t.Context(), conn, Request{})
		require.ErrorIs(t, err, ErrAttributeNotFound)
		require.EqualError(t, err, "stun: Binding request: attribute not found")
	})
}

func TestExchangeTimesOut(t *testing.T) {
	for _, test := range []struct {
		timing   Timing
		elapsed  time.Duration
		requests int
	}{
		{Timing{}, 39500 * time.Millisecond, 7},
		{Timing{RTO: 100 * time.Millisecond, MaxRequests: 3, LastWait: 2}, 500 * time.Millisecond, 3},
		{Timing{Reliable: true}, 39500 * time.Millisecond, 1},
	} {
		inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
			conn, requests := connect(t, func(Message) [][]byte { return nil })
			_, err := Exchange(t.Context(), conn, Request{Timing: test.timing})
			require.ErrorIs(t, err, ErrNoResponse)
			require.EqualError(t, err, "stun: Binding request: no response")
			require.Equal(t, test.elapsed, elapsed())
			synctest.Wait()
			require.Len(t, *requests, test.requests)
		})
	}
}

func TestExchangeEndsWithContext(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		calls := 0
		conn, _ := connect(t, func(request Message) [][]byte {
			if calls++; calls < 3 {
				return nil
			}
			return [][]byte{success(request, nil)}
		})
		cause := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(700*time.Millisecond, func() { cancel(cause) })
		_, err := Exchange(ctx, conn, Request{})
		require.ErrorIs(t, err, cause)
		require.Equal(t, 700*time.Millisecond, elapsed())

		// No request is sent when the context has ended before.
		_, err = Exchange(ctx, conn, Request{})
		require.ErrorIs(t, err, cause)
		synctest.Wait()
		require.Equal(t, 2, calls)

		// The deadline that has interrupted the call is removed.
		_, err = Exchange(t.Context(), conn, Request{})
		require.NoError(t, err)
		require.Equal(t, 3, calls)
		time.Sleep(time.Hour)
		_, err = conn.Write(success(Message{}, nil))
		require.NoError(t, err)
	})
}

func TestExchangeDiscardsOtherPackets(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte {
			other := NewBuilder(nil, TypeBindingSuccess, TransactionID{1})
			indication := NewBuilder(nil, TypeBindingIndication, request.TransactionID())
			damaged := success(request, (*Builder).AddFingerprint)
			damaged[HeaderSize+6] ^= 1 // in the port
			return [][]byte{
				[]byte("not STUN"), bytes.Repeat([]byte{1}, maxDatagram), other.Bytes(), indication.Bytes(), damaged,
				success(request, (*Builder).AddFingerprint),
			}
		})
		response, err := Exchange(t.Context(), conn, Request{})
		require.NoError(t, err)
		addr, err := response.XORMappedAddress()
		require.NoError(t, err)
		require.Equal(t, clientAddr, addr)
		require.Zero(t, elapsed())
	})
}

func TestExchangeOverStream(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		conn, requests := connect(t, func(request Message) [][]byte {
			time.Sleep(3 * time.Second)
			indication := NewBuilder(nil, TypeBindingIndication, TransactionID{})
			stream := append(indication.Bytes(), success(request, func(b *Builder) {
				b.Add(AttributeSoftware, bytes.Repeat([]byte("x"), 5000))
			})...)
			pieces := [][]byte{}
			for len(stream) > 7 {
				pieces, stream = append(pieces, stream[:7]), stream[7:]
			}
			return append(pieces, stream)
		})
		response, err := Exchange(t.Context(), conn, Request{Timing: Timing{Reliable: true}})
		require.NoError(t, err)
		software, err := response.Software()
		require.NoError(t, err)
		require.Len(t, software, 5000)
		require.Len(t, *requests, 1)
		require.Equal(t, 3*time.Second, elapsed())
	})
	for want, answer := range map[error]func(request Message) [][]byte{
		ErrFirstBits: func(Message) [][]byte { return [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n")} },
		ErrValue: func(request Message) [][]byte {
			b := NewBuilder(nil, TypeBindingError, request.TransactionID())
			b.AddUint32(AttributeErrorCode, 0)
			return [][]byte{b.Bytes()}
		},
		ErrAttributeLength: func(request Message) [][]byte {
			b := success(request, nil)
			b[HeaderSize+3]++
			return [][]byte{b}
		},
	} {
		inBubble(t, func(t *testing.T, _ func() time.Duration) {
			conn, _ := connect(t, answer)
			_, err := Exchange(t.Context(), conn, Request{Timing: Timing{Reliable: true}})
			require.ErrorIs(t, err, want)
			var malformed *ParseError
			require.ErrorAs(t, err, &malformed)
		})
	}
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, server := net.Pipe()
		go func() {
			io.ReadFull(server, make([]byte, HeaderSize+8))
			server.Close()
		}()
		_, err := Exchange(t.Context(), conn, Request{Timing: Timing{Reliable: true}})
		require.ErrorIs(t, err, io.EOF)
		require.EqualError(t, err, "stun: Binding request: EOF")
	})
}

func TestExchangeErrorResponse(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		alternate := netip.MustParseAddrPort("[2001:db8::1]:3478")
		conn, _ := connect(t, func(request Message) [][]byte {
			return [][]byte{failure(request, CodeTryAlternate, func(b *Builder) {
				b.AddAddress(AttributeAlternateServer, alternate)
			})}
		})
		_, err := Exchange(t.Context(), conn, Request{Method: MethodAllocate})
		require.EqualError(t, err, "stun: Allocate request: 300 Try Alternate")
		var response *ResponseError
		require.ErrorAs(t, err, &response)
		require.Equal(t, CodeTryAlternate, response.Code)
		addr, err := response.Response.AlternateServer()
		require.NoError(t, err)
		require.Equal(t, alternate, addr)
	})
}

func TestExchangeUnknownAttribute(t *testing.T) {
	const typ = AttributeType(0x7777)
	answer := func(request Message) [][]byte {
		return [][]byte{success(request, func(b *Builder) { b.AddFlag(typ) })}
	}
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, _ := connect(t, answer)
		_, err := Exchange(t.Context(), conn, Request{})
		require.ErrorIs(t, err, ErrUnknownAttribute)
		require.EqualError(t, err, "stun: Binding request: unknown comprehension-required attribute [0x7777]")
		_, err = Exchange(t.Context(), conn, Request{Known: func(t AttributeType) bool { return t == typ }})
		require.NoError(t, err)
	})
}

func TestExchangeThatCannotBegin(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, requests := connect(t, func(Message) [][]byte { return nil })
		_, err := Exchange(t.Context(), conn, Request{Add: func(b *Builder) {
			b.AddAddress(AttributeMappedAddress, netip.AddrPort{})
		}})
		require.ErrorIs(t, err, ErrInvalidValue)
		_, err = Exchange(t.Context(), conn, Request{Rand: bytes.NewReader(nil)})
		require.ErrorIs(t, err, io.EOF)
		require.Empty(t, *requests)
		conn.Close()
		_, err = Exchange(t.Context(), conn, Request{})
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// A socket is a packet connection in memory. Its address is its name.
type socket struct {
	net.Conn
	from []string // of the packets to be read
	to   []string // of those written
}

type name string

func (n name) Network() string { return "memory" }
func (n name) String() string  { return string(n) }

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := s.Read(b)
	if err != nil {
		return 0, nil, err
	}
	from := s.from[0]
	s.from = s.from[1:]
	return n, name(from), nil
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	s.to = append(s.to, to.String())
	return s.Write(b)
}

func TestExchangeOverPacketConn(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte {
			forged := NewBuilder(nil, TypeBindingSuccess, request.TransactionID())
			return [][]byte{forged.Bytes(), success(request, nil)}
		})
		s := &socket{Conn: conn, from: []string{"attacker", "server"}}
		var packets net.PacketConn = s
		addr, err := ReflexiveAddress(t.Context(), To(packets, name("server")), Request{})
		require.NoError(t, err)
		require.Equal(t, clientAddr, addr)
		require.Equal(t, []string{"server"}, s.to)
		require.Zero(t, elapsed())
	})
	// A socket whose methods have an address type of its own.
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		_, err := Exchange(t.Context(), To(namedSocket{}, &net.UDPAddr{}), Request{})
		require.ErrorContains(t, err, "type")
	})
}

type namedSocket struct{}

func (namedSocket) ReadFrom([]byte) (int, name, error) { return 0, "", io.EOF }
func (namedSocket) WriteTo([]byte, name) (int, error)  { return 0, nil }
func (namedSocket) SetDeadline(time.Time) error        { return nil }
