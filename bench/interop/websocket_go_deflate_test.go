package interop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/websocket"
)

// Responses of a server to an offer of permessage-deflate.
const (
	agreedDeflate        = "permessage-deflate"
	agreedNoTakeover     = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	agreedNoTakeoverBack = "permessage-deflate; client_no_context_takeover; server_no_context_takeover" // in reverse order
	notAgreed            = ""
	// invalidAgreement: the server's response does not match the offer, and our client fails. RFC 7692, section 7.1.2.1: a
	// server that accepts an offer with server_max_window_bits responds with the same or a smaller value.
	invalidAgreement = "!"
)

// compressionCases are options of both sides, as far as the other implementation has them, and the server's responses.
var compressionCases = []struct {
	name    string
	options websocket.CompressionOptions
	agreed  map[string]string // by the name of the other implementation, with an arrow from client to server
}{
	{"full", websocket.CompressionOptions{}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": agreedNoTakeover, // the only mode of gorilla
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
		"→gorilla": invalidAgreement, "gorilla→": agreedNoTakeover + "; server_max_window_bits=9",
		"→coder": notAgreed, "coder→": agreedDeflate + "; server_max_window_bits=9",
		"→gws": "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12",
		"gws→": "permessage-deflate; server_max_window_bits=9",
	}},
	{"window of the client", websocket.CompressionOptions{ClientMaxWindowBits: 10}, map[string]string{
		"→gorilla": agreedNoTakeover, "gorilla→": notAgreed, // gorilla does not offer client_max_window_bits
		"→coder": agreedDeflate, "coder→": notAgreed,
		"→gws": "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10",
		"gws→": "permessage-deflate; client_max_window_bits=10",
	}},
	{"least windows", websocket.CompressionOptions{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8}, map[string]string{
		"→gorilla": invalidAgreement, "gorilla→": notAgreed,
		"→coder": notAgreed, "coder→": notAgreed,
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
				if want == invalidAgreement {
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
				if want == notAgreed {
					require.Greater(t, p.tap.count(), sent)
				} else { // the texts are compressed to a third or less
					require.Less(t, p.tap.count(), sent-words*2/3)
				}
			})
		})
	}
}
