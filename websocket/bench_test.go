package websocket

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// tcpPair returns both ends of a connection over the loopback interface.
func tcpPair(t testing.TB, client, server connConfig) (*Conn, *Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	client.client = true
	c, s := newConn(a, client), newConn(b, server)
	t.Cleanup(func() { c.CloseNow(); s.CloseNow() })
	return c, s
}

// echo sends back all that comes.
func echo(c *Conn) {
	ctx := context.Background()
	var buf []byte
	for {
		typ, message, err := c.ReadInto(ctx, buf)
		if err != nil || c.Write(ctx, typ, message) != nil {
			return
		}
		buf = message
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{125, 1 << 10, 16 << 10, 64 << 10} {
		for _, inFlight := range []int{1, 16} {
			b.Run(fmt.Sprintf("%dB/%d", size, inFlight), func(b *testing.B) {
				client, server := tcpPair(b, connConfig{}, connConfig{})
				go echo(server)
				ctx := context.Background()
				message, buf := make([]byte, size), []byte(nil)
				for range inFlight {
					require.NoError(b, client.Write(ctx, MessageBinary, message))
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					_, got, err := client.ReadInto(ctx, buf)
					if err != nil {
						b.Fatal(err)
					}
					buf = got
					if err := client.Write(ctx, MessageBinary, message); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 125, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for range b.N {
				mask(0x12345678, p)
			}
		})
	}
}

func BenchmarkUTF8(b *testing.B) {
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = 'a'
	}
	b.SetBytes(int64(len(p)))
	for range b.N {
		if s := (utf8State{}); !s.valid(p) {
			b.Fatal()
		}
	}
}

// BenchmarkBareEcho is the reference for BenchmarkEcho: the same sockets, with a length of four
// bytes in front of each message.
func BenchmarkBareEcho(b *testing.B) {
	for _, size := range []int{125, 1 << 10, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dB/1", size), func(b *testing.B) {
			client, server := tcpPair(b, connConfig{}, connConfig{})
			turn := func(stream net.Conn, r *bufio.Reader, buf []byte) error {
				if _, err := io.ReadFull(r, buf[:4]); err != nil {
					return err
				}
				n := int(binary.BigEndian.Uint32(buf))
				if _, err := io.ReadFull(r, buf[4:4+n]); err != nil {
					return err
				}
				_, err := stream.Write(buf[:4+n])
				return err
			}
			go func() {
				r, buf := bufio.NewReaderSize(server.stream, socketBuffer), make([]byte, 4+size)
				for turn(server.stream, r, buf) == nil {
				}
			}()
			r, buf := bufio.NewReaderSize(client.stream, socketBuffer), make([]byte, 4+size)
			binary.BigEndian.PutUint32(buf, uint32(size))
			if _, err := client.stream.Write(buf); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ResetTimer()
			for range b.N {
				if err := turn(client.stream, r, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
