package websocket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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

// The text of every error contains the name of the package once, even if it wraps another error.
func TestErrorsHaveOnePrefix(t *testing.T) {
	sentinels := []error{
		ErrClosed, ErrMessageTooBig, ErrPingTimeout, ErrCloseTimeout, ErrStatus, ErrMessageType, ErrUnexpectedMessageType,
		ErrReservedBits, ErrReservedOpcode, ErrControlFragmented, ErrControlTooLong, ErrLengthEncoding, ErrUnmasked, ErrMasked,
		ErrContinuation, ErrContinuationExpected, ErrClosePayload, ErrCloseStatus, ErrInvalidUTF8, ErrCompressedData, ErrEmptyFragments,
		ErrInvalidURL, ErrInvalidOption, ErrBadHandshake, ErrHandshakeTimeout,
	}
	all := []error{&CloseError{}, &ProtocolError{}, &HandshakeError{}, &ProtocolError{Err: errors.New("x")}}
	for _, err := range sentinels {
		all = append(all, err, &opError{"read", err}, &ProtocolError{StatusProtocolError, err}, closingError{&opError{"read", err}},
			&opError{"connect", fmt.Errorf("%w: %w", context.DeadlineExceeded, err)})
	}
	_, err := ParseURL("ftp://x")
	_, _, readErr := new(Conn).Read(background())
	all = append(all, err, readErr, new(Conn).Close(1005, "x"), (&DialOptions{Protocols: []string{" "}}).Validate(),
		(&AcceptOptions{OriginPatterns: []string{"/"}}).Validate(), (&DialOptions{Compression: &CompressionOptions{ClientMaxWindowBits: 1}}).Validate())
	for _, err := range all {
		require.True(t, strings.HasPrefix(err.Error(), "websocket: "), err.Error())
		require.Equal(t, 1, strings.Count(err.Error(), "websocket: "), err.Error())
	}
}

func TestZeroConnIsClosed(t *testing.T) {
	for name, call := range map[string]func(*Conn) error{
		"Read":          func(c *Conn) error { _, _, err := c.Read(background()); return err },
		"Reader":        func(c *Conn) error { _, _, err := c.Reader(background()); return err },
		"Write":         func(c *Conn) error { return c.Write(background(), MessageText, nil) },
		"WriteBuffered": func(c *Conn) error { return c.WriteBuffered(background(), MessageText, nil) },
		"WritePrepared": func(c *Conn) error { return c.WritePrepared(background(), NewPreparedMessage(MessageText, nil)) },
		"Writer":        func(c *Conn) error { _, err := c.Writer(background(), MessageText); return err },
		"Flush":         func(c *Conn) error { return c.Flush(background()) },
		"Ping":          func(c *Conn) error { return c.Ping(background()) },
		"Close":         func(c *Conn) error { return c.Close(StatusNormalClosure, "") },
		"NetConn": func(c *Conn) error {
			n := c.NetConn(MessageText)
			_, readErr := n.Read(make([]byte, 1))
			_, writeErr := n.Write(make([]byte, 1))
			for _, err := range []error{readErr, writeErr, n.SetDeadline(time.Now())} {
				if !errors.Is(err, ErrClosed) {
					return fmt.Errorf("%w, not ErrClosed", err)
				}
			}
			if n.LocalAddr() != nil || n.RemoteAddr() != nil {
				return errors.New("an address")
			}
			return n.Close()
		},
	} {
		require.ErrorIs(t, call(new(Conn)), ErrClosed, name)
	}
	var c Conn
	require.NoError(t, c.CloseNow())
	require.Empty(t, c.Protocol())
	require.Nil(t, c.LocalAddr())
	require.Nil(t, c.RemoteAddr())
	c.SetMaxMessageSize(1)
}

func TestZeroValuesDoNotPanic(t *testing.T) {
	var r Receiver
	require.NotPanics(t, func() {
		r.Receive(nil, []byte("\x82\x80\x00\x00\x00\x00\x81\x81\x00\x00\x00\x00a"))
		r.ReceiveDirect(nil)
		_ = r.MessageType().String()
	})
	var s Sender
	require.Equal(t, "\x81\x01a", string(s.AppendMessage(nil, MessageText, []byte("a"))))
	require.Empty(t, s.AppendPrepared(nil, &PreparedMessage{}))
	require.Empty(t, NewSender(Config{Client: true}, nil).AppendPrepared(nil, &PreparedMessage{}))
	require.Equal(t, ":", new(URL).Address())
}

func TestNamesOfEnumerations(t *testing.T) {
	for want, value := range map[string]fmt.Stringer{
		"text": MessageText, "binary": MessageBinary, "MessageType(0)": MessageType(0),
		"continuation": OpcodeContinuation, "close": OpcodeClose, "ping": OpcodePing, "pong": OpcodePong, "Opcode(3)": Opcode(3),
		"none": EventNone, "message": EventMessage, "Event(5)": EventClose + 1,
		"going away": StatusGoingAway, "4000": StatusCode(4000),
	} {
		require.Equal(t, want, value.String())
	}
	require.Equal(t, "close", EventClose.String())
}
