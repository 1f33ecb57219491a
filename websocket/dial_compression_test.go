package websocket

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Both sides use the negotiated parameters: messages arrive with any options of each side.
func TestCompressionIsUsedAsAgreed(t *testing.T) {
	configurations := []*CompressionOptions{
		nil,
		{},
		{ServerNoContextTakeover: true, ServerMaxWindowBits: 8},
		{ClientNoContextTakeover: true, ClientMaxWindowBits: 8},
		{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: 9, ClientMaxWindowBits: 12, Threshold: -1},
	}
	for i, clientOptions := range configurations {
		for j, serverOptions := range configurations {
			t.Run(fmt.Sprint(i, j), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { exchangeCompressed(t, clientOptions, serverOptions) })
			})
		}
	}
}

// exchangeCompressed connects a client and a server that echoes.
func exchangeCompressed(t *testing.T, clientOptions, serverOptions *CompressionOptions) {
	client, server := net.Pipe()
	recorded := &recordingConn{Conn: client}
	go func() {
		c, _, err := Handshake(context.Background(), server, &AcceptOptions{Compression: serverOptions})
		for err == nil {
			var typ MessageType
			var message []byte
			if typ, message, err = c.Read(context.Background()); err == nil {
				err = c.Write(context.Background(), typ, message)
			}
		}
	}()
	c, err := Dial(t.Context(), "ws://h/", &DialOptions{
		Compression: clientOptions,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return recorded, nil },
	})
	require.NoError(t, err)
	defer c.CloseNow()
	for round := range 5 {
		message := strings.Repeat(fmt.Sprintf("round %d, ", round), 1000)
		recorded.written = nil
		require.NoError(t, c.Write(t.Context(), MessageText, []byte(message)))
		_, got, err := c.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, message, string(got))
		// RFC 7692, section 6: RSV1 of the first frame marks a compressed message.
		const rsv1 = 0x40
		require.Equal(t, clientOptions != nil && serverOptions != nil, recorded.written[0]&rsv1 != 0)
	}
}

// recordingConn records the bytes written.
type recordingConn struct {
	net.Conn
	written []byte
}

func (c *recordingConn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return c.Conn.Write(p)
}
