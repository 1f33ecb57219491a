package interop_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/lxzan/gws"
)

// gwsSocket is a connection of github.com/lxzan/gws, which passes received messages to callbacks.
type gwsSocket struct {
	gws.BuiltinEventHandler
	c        *gws.Conn
	messages chan testMessage
	pongs    chan string
	dropped  chan struct{} // closed when no more messages will be received
	ended    chan struct{} // closed when err has been set
	err      error
}

var gwsStack = socketStack{name: "gws", connect: connectGWS, serve: serveGWS}

func gwsDeflate(o socketOptions) gws.PermessageDeflate {
	c := o.compression
	if c == nil {
		return gws.PermessageDeflate{}
	}
	return gws.PermessageDeflate{
		Enabled:               true,
		ServerContextTakeover: !c.ServerNoContextTakeover,
		ClientContextTakeover: !c.ClientNoContextTakeover,
		ServerMaxWindowBits:   c.ServerMaxWindowBits,
		ClientMaxWindowBits:   c.ClientMaxWindowBits,
	}
}

func newGWSSocket() *gwsSocket {
	return &gwsSocket{
		messages: make(chan testMessage), pongs: make(chan string, 1), dropped: make(chan struct{}), ended: make(chan struct{}),
	}
}

// gwsDialer is a gws.Dialer that calls a dialFunc.
type gwsDialer struct {
	ctx  context.Context
	dial dialFunc
}

func (d gwsDialer) Dial(network, address string) (net.Conn, error) {
	return d.dial(d.ctx, network, address)
}

func connectGWS(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error) {
	s := newGWSSocket()
	option := &gws.ClientOption{
		Addr: url, PermessageDeflate: gwsDeflate(o), CheckUtf8Enabled: true, ReadMaxPayloadSize: webSocketMessage,
		WriteMaxPayloadSize: webSocketMessage, RequestHeader: http.Header{}, HandshakeTimeout: webSocketPatience,
		NewDialer: func() (gws.Dialer, error) { return gwsDialer{ctx, dial}, nil },
	}
	if len(o.subprotocols) > 0 { // in one line, because gws reads the first line only
		option.RequestHeader.Set("Sec-WebSocket-Protocol", strings.Join(o.subprotocols, ", "))
	}
	c, _, err := gws.NewClient(s, option)
	if err != nil {
		return nil, err
	}
	s.c = c
	go c.ReadLoop()
	return s, nil
}

// gwsHandlers passes the events of a server's connections to their sockets: an upgrader has one handler for all
// connections.
type gwsHandlers struct{}

func (gwsHandlers) of(c *gws.Conn) *gwsSocket {
	s, _ := c.Session().Load("socket")
	return s.(*gwsSocket)
}
func (h gwsHandlers) OnOpen(*gws.Conn)                      {}
func (h gwsHandlers) OnClose(c *gws.Conn, err error)        { h.of(c).OnClose(c, err) }
func (h gwsHandlers) OnPing(c *gws.Conn, b []byte)          { h.of(c).OnPing(c, b) }
func (h gwsHandlers) OnPong(c *gws.Conn, b []byte)          { h.of(c).OnPong(c, b) }
func (h gwsHandlers) OnMessage(c *gws.Conn, m *gws.Message) { h.of(c).OnMessage(c, m) }

func serveGWS(t *testing.T, o socketOptions, handle func(socket)) string {
	upgrader := gws.NewUpgrader(gwsHandlers{}, &gws.ServerOption{
		PermessageDeflate: gwsDeflate(o), CheckUtf8Enabled: true, ReadMaxPayloadSize: webSocketMessage,
		WriteMaxPayloadSize: webSocketMessage, SubProtocols: o.subprotocols, HandshakeTimeout: webSocketPatience,
	})
	return serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		s := newGWSSocket()
		s.c = c
		c.Session().Store("socket", s)
		go c.ReadLoop()
		handle(s)
		<-s.ended
	})
}

func (s *gwsSocket) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		err = &closedSocket{closed.Code, string(closed.Reason)}
		if closed.Code == 0 {
			err = &closedSocket{code: 1005}
		}
	}
	s.err = err
	close(s.ended)
}

func (s *gwsSocket) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }
func (s *gwsSocket) OnPong(_ *gws.Conn, payload []byte) { s.pongs <- string(payload) }

func (s *gwsSocket) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	select {
	case s.messages <- testMessage{isText: m.Opcode == gws.OpcodeText, data: bytes.Clone(m.Bytes())}:
	case <-s.dropped:
	}
}

func gwsOpcode(isText bool) gws.Opcode {
	if isText {
		return gws.OpcodeText
	}
	return gws.OpcodeBinary
}

func (s *gwsSocket) send(isText bool, message []byte) error {
	return s.c.WriteMessage(gwsOpcode(isText), message)
}

func (s *gwsSocket) sendPieces(isText bool, pieces ...[]byte) error {
	readers := make([]io.Reader, 0, len(pieces))
	for _, piece := range pieces {
		readers = append(readers, bytes.NewReader(piece))
	}
	return s.c.WriteFile(gwsOpcode(isText), io.MultiReader(readers...))
}

func (s *gwsSocket) receive() (isText bool, message []byte, err error) {
	select {
	case m := <-s.messages:
		return m.isText, m.data, nil
	case <-s.ended:
		return false, nil, s.err
	}
}

func (s *gwsSocket) ping() error {
	if err := s.c.WritePing([]byte("gws")); err != nil {
		return err
	}
	return awaitPong(s.pongs, "gws")
}

func (s *gwsSocket) close(code uint16, reason string) error {
	return s.c.WriteClose(code, []byte(reason))
}
func (s *gwsSocket) subprotocol() string { return s.c.SubProtocol() }

func (s *gwsSocket) drop() {
	select {
	case <-s.dropped:
	default:
		close(s.dropped)
	}
	_ = s.c.NetConn().Close()
	<-s.ended
}
