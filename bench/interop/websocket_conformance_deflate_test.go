package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/websocket"
)

// compressibleText returns JSON lines of a size, with repetitions.
func compressibleText(size int) string {
	random := rand.New(rand.NewPCG(12, 1))
	var b bytes.Buffer
	for b.Len() < size {
		record, _ := json.Marshal(map[string]any{
			"id": random.Uint32(), "name": fmt.Sprintf("visitor-%d", random.IntN(500)), "tags": []string{"alpha", "β", "γ"}[:random.IntN(4)],
			"position": map[string]float64{"x": random.Float64(), "y": random.NormFloat64()}, "active": random.IntN(2) == 0,
		})
		b.Write(append(record, '\n'))
	}
	return strings.ToValidUTF8(b.String()[:size], "")
}

// randomBytes returns bytes that cannot be compressed.
func randomBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{12, 2}).Read(b)
	return b
}

// deflateAmount is the number of octets that a case sends, if these are between 20 and 1,000 messages.
const deflateAmount = 1 << 20

// deflateCases returns the cases of group 12. Each sends many messages of one size; in the second half of the cases the
// messages are fragmented.
func deflateCases() (cases []conformanceCase) {
	sizes := []struct{ size, fragments int }{
		{16, 0}, {64, 0}, {256, 0}, {1 << 10, 0}, {4 << 10, 0}, {8 << 10, 0}, {16 << 10, 0}, {32 << 10, 0}, {64 << 10, 0}, {128 << 10, 0},
		{8 << 10, 256}, {16 << 10, 256}, {32 << 10, 256}, {64 << 10, 256}, {128 << 10, 256},
		{128 << 10, 1 << 10}, {128 << 10, 4 << 10}, {128 << 10, 32 << 10},
	}
	for group, kind := range []struct {
		name string
		op   byte
		data []byte
	}{
		{"JSON", opText, []byte(compressibleText(1 << 20))},
		{"noise", opBinary, randomBytes(1 << 20)},
	} {
		for i, c := range sizes {
			cases = append(cases, conformanceCase{fmt.Sprintf("%d.%d %s", group+1, i+1, kind.name), func(w *wire) {
				count := min(max(deflateAmount/c.size, 20), 1000) // the suite sends 1,000 of each size, which takes long
				if race.Enabled {
					count = max(count/16, 4) // compression takes ten times as long with the race detector
				}
				// Each message is a different part of the data.
				message := func(i int) wireFrame {
					start := i * 4099 % (len(kind.data) - c.size)
					piece := kind.data[start : start+c.size]
					if kind.op == opText {
						piece = bytes.ToValidUTF8(piece, nil)
					}
					return opcode(kind.op, string(piece))
				}
				for i := range count {
					switch i % 16 {
					case 7: // an uncompressed message does not become part of the LZ77 window
						w.send(message(i))
					case 11:
						w.send(ping("between"))
						fallthrough
					default:
						w.send(w.compressed(message(i), c.fragments)...)
					}
				}
				for i := range count {
					for {
						f, err := w.next()
						require.NoError(w.t, err, "message %d", i)
						if f.op == opPong {
							continue
						}
						require.Equal(w.t, message(i).op, f.op)
						if !bytes.Equal(message(i).payload, f.payload) {
							require.Equal(w.t, brief(message(i).payload), brief(f.payload), "message %d", i)
						}
						break
					}
				}
				w.send(closing(1000, ""))
				for {
					f, err := w.next()
					require.NoError(w.t, err)
					if f.op != opPong {
						require.EqualValues(w.t, opClose, f.op)
						break
					}
				}
				w.wantEnd()
			}})
		}
	}
	return append(cases, brokenDeflateCases()...)
}

// brokenDeflateCases returns cases that the suite does not have: invalid and unusual frames once compression is agreed on.
func brokenDeflateCases() []conformanceCase {
	greetings := func(w *wire) {
		hello := text(strings.Repeat("Hello", 100))
		w.send(w.compressed(hello, 0)...)
		w.want(hello)
	}
	return []conformanceCase{
		{"an empty message", func(w *wire) {
			greetings(w)
			w.send(w.compressed(text(""), 0)...)
			w.want(text(""))
			w.send(opcode(opText, "\x00").reserved(4)) // RFC 7692, section 7.2.3.6: an empty block without compression
			w.want(text(""))
			greetings(w)
			closeCleanly(w)
		}},
		{"empty fragments", func(w *wire) {
			f := w.compressed(text(stars(500)), 5)
			frames := []wireFrame{{op: opText, more: true, rsv: 4}}
			for i, f := range f {
				f.op, f.rsv, f.more = opContinuation, 0, true
				frames = append(frames, f)
				if i < 5 {
					frames = append(frames, cont("").part(), ping(fmt.Sprint(i)))
				}
			}
			w.send(append(frames, cont(""))...)
			for i := range 5 {
				if i < len(f) {
					w.want(pong(fmt.Sprint(i)))
				}
			}
			w.want(text(stars(500)))
			closeCleanly(w)
		}},
		{"octet by octet", func(w *wire) {
			w.chop = 1
			f := w.compressed(text(compressibleText(300)), 1)
			w.send(f...)
			w.want(text(compressibleText(300)))
			closeCleanly(w)
		}},
		{"RSV1 on a continuation", func(w *wire) {
			f := w.compressed(text(compressibleText(300)), 20)
			f[1].rsv = 4
			w.send(f...)
			w.wantClose(1002)
		}},
		{"RSV1 on a ping", func(w *wire) {
			w.send(ping("").reserved(4))
			w.wantClose(1002)
		}},
		{"RSV2", func(w *wire) {
			w.send(w.compressed(text("Hello"), 0)[0].reserved(6))
			w.wantClose(1002)
		}},
		{"invalid DEFLATE", func(w *wire) {
			w.send(text("\xff\xff\xff\xff").reserved(4))
			w.wantClose(1007, 1002)
		}},
		{"a reference to before the beginning", func(w *wire) {
			w.send(text("\x02\x05\x00").reserved(4)) // a block of fixed Huffman codes that begins with a match
			w.wantClose(1007, 1002)
		}},
		{"text that is not UTF-8", func(w *wire) {
			greetings(w)
			w.send(w.compressed(text(stars(1000)+greekBad), 0)...)
			w.wantClose(1007)
		}},
		{"text that cannot become UTF-8 any more", func(w *wire) {
			frames := w.compressed(text(stars(1000)+"\xf8"+string(randomBytes(64<<10))), 128)
			w.send(frames[:len(frames)-1]...)
			w.wantClose(1007)
		}},
		{"a decompression bomb", func(w *wire) {
			f := w.compressed(binaryFrame(make([]byte, webSocketMessage+1)), 0)[0]
			require.Less(w.t, len(f.payload), webSocketMessage/4)
			w.send(f)
			w.wantClose(1009)
		}},
		{"as large as allowed", func(w *wire) {
			message := binaryFrame(make([]byte, webSocketMessage))
			w.send(w.compressed(message, 0)...)
			w.want(message)
			closeCleanly(w)
		}},
	}
}

// deflateOffers are the offers of group 13, and more. To each of them a server with the default options has one response.
var deflateOffers = []struct{ offer, answer string }{
	{"permessage-deflate", "permessage-deflate"},
	{"permessage-deflate; client_max_window_bits", "permessage-deflate"},
	{"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
	{"permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
	{"permessage-deflate; client_max_window_bits; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8"},
	{"permessage-deflate; client_max_window_bits; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"},
	{"permessage-deflate; client_max_window_bits; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"},
	{"permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"},
	{"permessage-deflate; server_no_context_takeover; server_max_window_bits=\"9\"; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=9"},
	{"permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9"},
	// The server accepts the first offer that is valid and known.
	{"x-webkit-deflate-frame, permessage-deflate; mode=9, permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits=12, permessage-deflate",
		"permessage-deflate; server_max_window_bits=12"},
	// Declined.
	{"permessage-deflate; server_max_window_bits=7", ""},
	{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
	{"permessage-bzip2", ""},
}

// deflateAnswers are valid and invalid responses of a server to a client with these options. The client must fail on the
// invalid ones.
var deflateAnswers = []struct {
	options websocket.CompressionOptions
	answer  string
	fails   bool
}{
	{answer: "permessage-deflate"},
	{answer: ""},
	{answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
	{answer: "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"},
	{answer: "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8; client_no_context_takeover"},
	{answer: "permessage-deflate; client_max_window_bits", fails: true},
	{answer: "permessage-deflate; server_max_window_bits", fails: true},
	{answer: "permessage-deflate; server_max_window_bits=16", fails: true},
	{answer: "permessage-deflate; unknown", fails: true},
	{answer: "permessage-deflate, permessage-deflate", fails: true},
	{answer: "permessage-bzip2", fails: true},
	{options: websocket.CompressionOptions{ServerMaxWindowBits: 10}, answer: "permessage-deflate; server_max_window_bits=10"},
	{options: websocket.CompressionOptions{ServerMaxWindowBits: 10}, answer: "permessage-deflate; server_max_window_bits=9"},
	{options: websocket.CompressionOptions{ServerMaxWindowBits: 10}, answer: "permessage-deflate; server_max_window_bits=11", fails: true},
	{options: websocket.CompressionOptions{ServerMaxWindowBits: 10}, answer: "permessage-deflate", fails: true}, // unmet request
	{options: websocket.CompressionOptions{ServerNoContextTakeover: true}, answer: "permessage-deflate", fails: true},
	{options: websocket.CompressionOptions{ClientMaxWindowBits: 10}, answer: "permessage-deflate"},
	{options: websocket.CompressionOptions{ClientNoContextTakeover: true}, answer: "permessage-deflate"},
}

func TestWebSocketDeflateConformance(t *testing.T) {
	for name, start := range ourEchoServers {
		t.Run(name+" server", func(t *testing.T) {
			url := start(t, socketOptions{compression: &websocket.CompressionOptions{}})
			for i, c := range deflateOffers {
				t.Run(fmt.Sprintf("offer %d", i+1), func(t *testing.T) {
					runDeflateCases(t, i == 0 && name == "websocket", func(t *testing.T) (*wire, func()) {
						w, answer := dialWire(t, url, c.offer)
						require.Equal(t, c.answer, answer)
						w.beginDeflate(answer)
						return w, w.end
					})
				})
			}
		})
	}
	for name, run := range ourEchoClients {
		t.Run(name+" client", func(t *testing.T) {
			for i, c := range deflateAnswers {
				t.Run(fmt.Sprintf("answer %d", i+1), func(t *testing.T) {
					o := socketOptions{compression: &c.options}
					if c.fails {
						w, ended := acceptEchoClient(t, run, o, func(string) string { return c.answer })
						w.end()
						require.ErrorIs(t, ended(), websocket.ErrBadHandshake)
						return
					}
					runDeflateCases(t, i == 0 && name == "websocket", func(t *testing.T) (*wire, func()) {
						w, ended := acceptEchoClient(t, run, o, func(offer string) string {
							require.Contains(t, offer, "permessage-deflate; ")
							return c.answer
						})
						w.beginDeflate(c.answer)
						return w, func() { w.end(); ended() }
					})
				})
			}
		})
	}
}

func (w *wire) beginDeflate(extensions string) {
	if extensions == "" {
		return
	}
	var err error
	w.deflate, err = newWireDeflate(extensions, w.client)
	require.NoError(w.t, err)
}

// runDeflateCases runs all or some of the cases with compression. If no compression was agreed on, each case exchanges
// two messages without it.
func runDeflateCases(t *testing.T, all bool, connect func(t *testing.T) (w *wire, end func())) {
	t.Helper()
	cases := deflateCases()
	for i, c := range cases {
		if !all && i%7 != 3 {
			continue
		}
		t.Run(c.id, func(t *testing.T) {
			w, end := connect(t)
			if w.deflate == nil {
				w.send(text("Hello"), text(""))
				w.want(text("Hello"), text(""))
				closeCleanly(w)
			} else {
				c.script(w)
			}
			end()
		})
	}
}
