package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/websocket"
)

// What a server may have agreed to.
const (
	agreedDeflate        = "permessage-deflate"
	agreedNoTakeover     = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	agreedNoTakeoverBack = "permessage-deflate; client_no_context_takeover; server_no_context_takeover" // the other way round
	agreedNot            = ""
	// refusesAgreement: the server does not keep to what it was offered, and our client does not connect: "a server MUST
	// [include] the server_max_window_bits extension parameter […] with the same or smaller value".
	refusesAgreement = "!"
)

// compressionCases are options for both sides, as far as theirs has them, and what the server agrees to.
var compressionCases = []struct {
	name    string
	options websocket.CompressionOptions
	agreed  map[string]string // by the name of theirs, with an arrow from the client to the server
}{
	{"full", websocket.CompressionOptions{}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNoTakeover, // it can do nothing else
		"→coder": agreedDeflate, "coder→": agreedDeflate,
		"→gws": "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", "gws→": agreedDeflate,
	}},
	{"no context takeover", websocket.CompressionOptions{ServerNoContextTakeover: true, ClientNoContextTakeover: true}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNoTakeover,
		"→coder": agreedNoTakeoverBack, "coder→": agreedNoTakeover,
		"→gws": agreedNoTakeover, "gws→": agreedNoTakeover,
	}},
	{"no context takeover of the server", websocket.CompressionOptions{ServerNoContextTakeover: true}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNoTakeover,
		"→coder": agreedNoTakeoverBack, "coder→": agreedNoTakeover,
		"→gws": "permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
		"gws→": "permessage-deflate; server_no_context_takeover",
	}},
	{"no context takeover of the client", websocket.CompressionOptions{ClientNoContextTakeover: true}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNoTakeover,
		"→coder": agreedNoTakeoverBack, "coder→": agreedNoTakeover,
		"→gws": "permessage-deflate; client_no_context_takeover; server_max_window_bits=12",
		"gws→": "permessage-deflate; client_no_context_takeover",
	}},
	{"window of the server", websocket.CompressionOptions{ServerMaxWindowBits: 9}, map[string]string{
		"→gorilla": refusesAgreement, "gorilla→": agreedNoTakeover + "; server_max_window_bits=9",
		"→coder": agreedNot, "coder→": agreedDeflate + "; server_max_window_bits=9",
		"→gws": "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12",
		"gws→": "permessage-deflate; server_max_window_bits=9",
	}},
	{"window of the client", websocket.CompressionOptions{ClientMaxWindowBits: 10}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNot, // it does not offer to keep to a window
		"→coder": agreedDeflate, "coder→": agreedNot,
		"→gws": "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10",
		"gws→": "permessage-deflate; client_max_window_bits=10",
	}},
	{"least windows", websocket.CompressionOptions{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8}, map[string]string{
		"→gorilla": refusesAgreement, "gorilla→": agreedNot,
		"→coder": agreedNot, "coder→": agreedNot,
		"→gws": "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
		"gws→": "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
	}},
}

func TestWebSocketCompression(t *testing.T) {
	for _, c := range compressionCases {
		t.Run(c.name, func(t *testing.T) {
			withEachStack(t, func(t *testing.T, client, server socketStack, ourClient bool) {
				key := client.name + "→"
				if ourClient {
					key = "→" + server.name
				}
				want, ok := c.agreed[key]
				require.True(t, ok, key)
				o := socketOptions{compression: &c.options}
				p, err := connectPair(t, client, server, o, o)
				if want == refusesAgreement {
					require.ErrorIs(t, err, websocket.ErrBadHandshake)
					return
				}
				require.NoError(t, err)
				require.Equal(t, want, p.tap.extensions())
				messages := messagesOfAllSizes()
				sent, words := 0, 0
				for _, m := range messages {
					if sent += len(m.data); m.isText {
						words += len(m.data)
					}
				}
				p.exchange(t, messages)
				if want == agreedNot {
					require.Greater(t, p.tap.count(), sent)
				} else { // of the words, a third or less is left
					require.Less(t, p.tap.count(), sent-words*2/3)
				}
			})
		})
	}
}
