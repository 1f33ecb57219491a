package dtlsconn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// helloFragment returns a record with the bytes from and to of a ServerHello, counted in the body.
func helloFragment(body []byte, messageSequence uint16, from, to int) []byte {
	message := []byte{handshakeServerHello, 0, 0, byte(len(body))}
	message = binary.BigEndian.AppendUint16(message, messageSequence)
	message = append(message, 0, 0, byte(from), 0, 0, byte(to-from))
	message = append(message, body[from:to]...)
	return append(appendRecordHeader(nil, contentHandshake, epochHandshake, 0, len(message)), message...)
}

// helloBody returns the body of a ServerHello with the given byte as its whole random.
func helloBody(random byte) []byte {
	body := append([]byte{0xfe, 0xfd}, bytes.Repeat([]byte{random}, randomSize)...)
	return append(body, 0, 0xc0, 0x2b, 0, 0, 0)
}

func random(b byte) (r [randomSize]byte) {
	copy(r[:], bytes.Repeat([]byte{b}, randomSize))
	return r
}

func TestServerRandoms(t *testing.T) {
	body := helloBody(7)
	whole := helloFragment(body, 1, 0, len(body))

	var s serverRandoms
	require.Empty(t, s.complete())
	s.observe(whole)
	require.Equal(t, [][randomSize]byte{random(7)}, s.complete())
	forged := helloBody(8)
	s.observe(helloFragment(forged, 1, 0, len(forged)))
	require.Equal(t, [][randomSize]byte{random(7)}, s.complete(), "the first counts")
	s.observe(helloFragment(forged, 0, 0, len(forged)))
	require.Equal(t, [][randomSize]byte{random(8), random(7)}, s.complete(), "unless message_seq differs")

	// Fragments of any size arrive in any order, with overlaps.
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var s serverRandoms
		var records [][]byte
		for from := 0; from < len(body); {
			to := min(from+1+rng.IntN(20), len(body))
			records = append(records, helloFragment(body, 1, max(from-rng.IntN(3), 0), to))
			from = to
		}
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		s.observe(bytes.Join(records, nil))
		require.Equal(t, [][randomSize]byte{random(7)}, s.complete(), "seed %d", seed)
	}

	// Other and malformed records are ignored.
	for name, change := range map[string]func(datagram []byte){
		"another message":          func(d []byte) { d[recordHeaderSize] = 11 },
		"another content type":     func(d []byte) { d[0] = contentAlert },
		"another epoch":            func(d []byte) { d[4] = 1 },
		"another protocol":         func(d []byte) { d[1] = 3 },
		"beyond its length":        func(d []byte) { d[recordHeaderSize+3]-- },
		"message_seq too large":    func(d []byte) { d[recordHeaderSize+5] = maxServerHelloSequence },
		"fragment beyond record":   func(d []byte) { d[recordHeaderSize+11]++ },
		"fragment beyond datagram": func(d []byte) { d[12]++ },
	} {
		var s serverRandoms
		d := bytes.Clone(whole)
		change(d)
		s.observe(d)
		require.Empty(t, s.complete(), name)
	}
	for n := range whole {
		var s serverRandoms
		s.observe(whole[:n])
		require.Empty(t, s.complete())
		short := bytes.Clone(whole[:n])
		if n > recordHeaderSize {
			short[12] = byte(n - recordHeaderSize)
			s.observe(short) // no panic
		}
	}
}

// rewriteServerHello changes the datagrams of a server that contain a ServerHello; rewrite returns
// records in its place. All plaintext records get new sequence numbers, without gaps.
func rewriteServerHello(server *endpoint, rewrite func(hello record) [][]byte) {
	sequence := uint64(0)
	var deliver func([]byte)
	deliver = server.intercept(func(datagram []byte) {
		var out []byte
		for _, r := range records(datagram) {
			replacements := [][]byte{r.raw}
			if r.epoch == epochHandshake && r.contentType == contentHandshake && r.fragment()[0] == handshakeServerHello {
				replacements = rewrite(r)
			}
			for _, replacement := range replacements {
				if r.epoch == epochHandshake {
					binary.BigEndian.PutUint64(replacement[3:], sequence)
					sequence++
				}
				out = append(out, replacement...)
			}
		}
		deliver(out)
	})
}

// RFC 6347, section 4.2.3: a handshake message may be sent in several fragments. So may the
// ServerHello, whose random the keys depend on.
func TestFragmentedServerHello(t *testing.T) {
	for _, size := range []int{1, 10, 33} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
			connect(t, client, server)
			rewriteServerHello(server, func(hello record) (fragments [][]byte) {
				body := hello.fragment()[handshakeHeaderSize:]
				messageSequence := binary.BigEndian.Uint16(hello.fragment()[4:])
				for from := 0; from < len(body); from += size {
					fragments = append(fragments, helloFragment(body, messageSequence, from, min(from+size, len(body))))
				}
				return fragments
			})
			client.conn.Start()
			server.conn.Start()
			client.wantHandshaked()
			server.wantHandshaked()
			wantConversation(t, client, server)
			wantSameExport(t, client, server)
		})
	}
}

// A forged ServerHello that pion/dtls ignores, because of its message_seq or because it arrives
// after the authentic one, does not fail the handshake.
func TestForgedServerHellos(t *testing.T) {
	client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
	connect(t, client, server)
	forged := 0
	rewriteServerHello(server, func(hello record) [][]byte {
		body := hello.fragment()[handshakeHeaderSize:]
		other := bytes.Clone(body)
		other[20] ^= 1
		messageSequence := binary.BigEndian.Uint16(hello.fragment()[4:])
		forged++
		return [][]byte{
			helloFragment(other, maxServerHelloSequence-1, 0, len(other)), // no message of the flight has this one
			hello.raw,
			helloFragment(other, messageSequence, 0, len(other)),
		}
	})
	client.conn.Start()
	server.conn.Start()
	client.wantHandshaked()
	server.wantHandshaked()
	require.NotZero(t, forged)
	wantConversation(t, client, server)
}
