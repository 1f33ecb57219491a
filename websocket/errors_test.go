package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A status code and the fault behind it may have the same name, which is said once.
func TestProtocolErrorText(t *testing.T) {
	for text, err := range map[string]*ProtocolError{
		"websocket: protocol error: reserved opcode":           {StatusProtocolError, ErrReservedOpcode},
		"websocket: message too big":                           {StatusMessageTooBig, ErrMessageTooBig},
		"websocket: invalid frame payload data: invalid UTF-8": {StatusInvalidFramePayloadData, ErrInvalidUTF8},
	} {
		require.EqualError(t, err, text)
	}
}
