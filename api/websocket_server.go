package rtc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/websocket"
)

// WebSocketServer accepts WebSocket connections on a TCP port, by default FROM THE PAGES OF EVERY
// ORIGIN: any page that a user visits can connect in the user's name. OriginPatterns:
// []string{"example.com"} in the configuration restricts it to the server's own pages and those of
// the listed hosts. A WebSocketServer serves nothing else on its port; for a WebSocket among other
// HTTP resources, see websocket.Accept. The zero WebSocketServer is a closed server.
type WebSocketServer struct {
	mu        sync.Mutex
	callbacks callbackQueue
	log       *slog.Logger
	tuning    webSocketServerTuning
	listener  net.Listener
	port      uint16
	onClient  func(*WebSocket)
	logger    *slog.Logger // of the configuration, for the WebSockets

	timeout time.Duration // of a client until it is open; negative: none
	tls     *tls.Config   // nil: no TLS
	options websocket.AcceptOptions

	clients    []newClient             // clients that the callback has not been called with yet
	unfinished []*WebSocket            // connecting WebSockets, in the order of their arrival
	unclosed   map[*WebSocket]struct{} // accepted WebSockets that are not closed yet
	room       chan struct{}           // has a token after unfinished has become shorter
	done       chan struct{}           // closed by Close
	accepting  sync.WaitGroup
}

var lastWebSocketServerID atomic.Uint64

// webSocketServerTuning holds the parameters that tests change.
type webSocketServerTuning struct {
	webSocketTuning
	maxUnfinished int
	grace         time.Duration
	listen        func(network, address string) (net.Listener, error)
}

func (t webSocketServerTuning) withDefaults() webSocketServerTuning {
	t.webSocketTuning = t.webSocketTuning.withDefaults()
	t.grace = cmp.Or(t.grace, unfinishedGrace)
	if t.maxUnfinished == 0 {
		t.maxUnfinished = maxUnfinishedHandshakes
	}
	if t.listen == nil {
		t.listen = net.Listen
	}
	return t
}

// NewWebSocketServer returns a server that is listening. PAGES OF EVERY ORIGIN MAY CONNECT unless
// OriginPatterns are configured. The callback is called with each client that connects, one at a
// time, before the opening handshake: the remote address is known, the path only from OnOpen on.
// Callbacks set there miss no event. The WebSocket belongs to the program, which closes it.
//
// The error is ErrInvalid if there is no callback, the configuration is invalid, or the certificate
// or key cannot be used; ErrFailure if the port is in use or not permitted.
func NewWebSocketServer(configuration WebSocketServerConfiguration, onClient func(*WebSocket)) (*WebSocketServer, error) {
	return newWebSocketServer(configuration, onClient, webSocketServerTuning{})
}

func newWebSocketServer(
	c WebSocketServerConfiguration, onClient func(*WebSocket), tune webSocketServerTuning,
) (*WebSocketServer, error) {
	if onClient == nil {
		return nil, invalidf("WebSocket server: no callback for clients")
	}
	tune = tune.withDefaults()
	s := &WebSocketServer{
		log:      newLogger(c.Logger, "wsserver", lastWebSocketServerID.Add(1)),
		tuning:   tune,
		onClient: onClient,
		logger:   c.Logger,
		timeout:  cmp.Or(c.ConnectionTimeout, DefaultConnectionTimeout),
		options:  c.acceptOptions(tune),
		unclosed: make(map[*WebSocket]struct{}),
		room:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	s.callbacks.init(&s.mu, func() {})
	if err := s.options.Validate(); err != nil {
		return nil, wrapError(ErrInvalid, err, "WebSocket server")
	}
	if err := s.listen(c); err != nil {
		return nil, err
	}
	s.log.Info("WebSocket server", "address", s.listener.Addr().String(), "TLS", s.tls != nil)
	s.accepting.Add(1)
	go s.accept()
	return s, nil
}

func (c WebSocketServerConfiguration) acceptOptions(tune webSocketServerTuning) websocket.AcceptOptions {
	return websocket.AcceptOptions{
		Protocols:               slices.Clone(c.Protocols),
		OriginPatterns:          slices.Clone(c.OriginPatterns),
		InsecureSkipOriginCheck: len(c.OriginPatterns) == 0,
		CheckRequest:            c.CheckRequest,
		ConnectionTimeout:       -1, // applied by the context, which counts from the TCP connection on
		Compression:             c.Compression,
		MaxMessageSize:          messageSizeOr(c.MaxMessageSize),
		PingInterval:            c.PingInterval,
		MaxOutstandingPings:     c.MaxOutstandingPings,
		CloseTimeout:            tune.closeTimeout,
	}
}

// listen sets the TLS configuration and opens the listener.
func (s *WebSocketServer) listen(c WebSocketServerConfiguration) error {
	bind, err := parseBindAddress(c.BindAddress)
	if err != nil {
		return wrapError(ErrInvalid, err, "WebSocket server")
	}
	if s.tls, err = serverTLS(c); err != nil {
		return err
	}
	host := ""
	if bind.IsValid() {
		host = bind.String()
	}
	s.listener, err = s.tuning.listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(c.Port))))
	if err != nil {
		return wrapError(ErrFailure, err, "WebSocket server")
	}
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		s.port = uint16(a.Port)
	}
	return nil
}

// serverTLS returns the TLS configuration, nil without TLS.
func serverTLS(c WebSocketServerConfiguration) (*tls.Config, error) {
	if (c.CertificatePEMFile == "") != (c.KeyPEMFile == "") {
		return nil, invalidf("WebSocket server: only one of certificate and key is given")
	}
	if !c.EnableTLS {
		return nil, nil
	}
	config := &tls.Config{}
	if c.TLSConfig != nil {
		config = c.TLSConfig.Clone()
	}
	config.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
	own := len(config.Certificates) > 0 || config.GetCertificate != nil || config.GetConfigForClient != nil
	switch {
	case c.CertificatePEMFile != "":
		certificate, err := certificate.Load(c.CertificatePEMFile, c.KeyPEMFile, c.KeyPEMPass)
		if err != nil {
			return nil, wrapError(ErrInvalid, err, "WebSocket server")
		}
		config.Certificates, config.GetCertificate = []tls.Certificate{certificate}, nil
	case !own:
		certificate, err := certificate.Generate(certificate.ECDSA, time.Now(), rand.Reader)
		if err != nil {
			return nil, wrapError(ErrFailure, err, "WebSocket server")
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// Port returns the TCP port that the server listens on.
func (s *WebSocketServer) Port() uint16 { return s.port }

// Addr returns the address that the server listens on.
func (s *WebSocketServer) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close stops listening. When it returns, the callback is not running and will not run again,
// except that Close may be called from inside it. The WebSockets that the callback has been called
// with stay open: they belong to the program, see Shutdown. A second Close succeeds.
func (s *WebSocketServer) Close() error {
	s.stop()
	s.wait()
	return nil
}

// Shutdown stops listening like Close, closes all WebSockets that the server has accepted with the
// status code 1001 (going away), and waits until they are closed. Those that are already closing
// keep their status code, and those that are not open after two seconds do not open. If ctx ends
// first, it returns an error that matches ctx.Err() and context.Cause(ctx) and contains the number
// of those not closed yet, whose closing continues as after Close. Shutdown must not be called from
// a callback of the server or of one of its WebSockets.
func (s *WebSocketServer) Shutdown(ctx context.Context) error {
	s.stop()
	s.mu.Lock()
	unclosed := slices.Collect(maps.Keys(s.unclosed))
	s.mu.Unlock()
	for _, ws := range unclosed {
		ws.goAway(s.tuning.grace)
	}
	waited := make(chan struct{})
	go func() {
		s.wait()
		close(waited)
	}()
	for _, ws := range unclosed {
		select {
		case <-ws.ended:
		case <-ctx.Done():
			return s.unfinishedShutdown(ctx, unclosed)
		}
	}
	select {
	case <-waited:
	case <-ctx.Done():
		return s.unfinishedShutdown(ctx, unclosed)
	}
	return nil
}

// unfinishedShutdown returns the error of a Shutdown whose context has ended.
func (s *WebSocketServer) unfinishedShutdown(ctx context.Context, unclosed []*WebSocket) error {
	n := 0
	for _, ws := range unclosed {
		if !isDone(ws.ended) {
			n++
		}
	}
	return contextError(ctx, fmt.Sprintf("shutdown with %d of %d WebSockets not closed", n, len(unclosed)))
}

// stop closes the listener, and the connections that the callback has not been called with.
func (s *WebSocketServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil || isDone(s.done) {
		return
	}
	close(s.done)
	_ = s.listener.Close()
	for _, c := range s.clients {
		_ = c.stream.Close()
		c.stop()
		delete(s.unclosed, c.ws)
	}
	s.clients = nil
	s.callbacks.stop()
}

// wait waits until the goroutine of the server has ended and the callback is not running.
func (s *WebSocketServer) wait() {
	if s.listener == nil {
		return
	}
	s.accepting.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callbacks.wait(s, 0)
}

// isTemporary reports whether a failed Accept may succeed later: the process or the system is out
// of file descriptors or memory, or the client has already disconnected. Only a closed listener is
// permanent.
func isTemporary(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.EINVAL)
}
