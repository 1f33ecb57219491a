package rtc

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
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

// WebSocketServer accepts WebSocket connections on a TCP port FROM THE PAGES OF EVERY ORIGIN, unless told otherwise: any page
// that a user visits can connect in the user's name. OriginPatterns: []string{"example.com"} in the configuration restricts
// it to the server's own pages and those of the hosts that are listed. A WebSocketServer serves nothing else on its port; a
// WebSocket beside other HTTP resources is websocket.Accept's.
type WebSocketServer struct {
	mu        sync.Mutex
	callbacks callbackQueue
	log       *slog.Logger
	tuning    webSocketServerTuning
	listener  net.Listener
	port      uint16
	onClient  func(*WebSocket)

	timeout time.Duration // of a client until it is open; negative: none
	tls     *tls.Config   // nil: without
	options websocket.AcceptOptions

	clients    []newClient   // the callback has not been called with them yet
	unfinished []*WebSocket  // connecting, in the order of their arrival
	room       chan struct{} // has a token when unfinished got shorter
	done       chan struct{} // closed by Close
	accepting  sync.WaitGroup
}

var lastWebSocketServerID atomic.Uint64

// webSocketServerTuning holds what tests change.
type webSocketServerTuning struct {
	webSocketTuning
	maxUnfinished int
	grace         time.Duration
	listen        func(network, address string) (net.Listener, error)
}

func (t *webSocketServerTuning) setDefaults() {
	t.webSocketTuning.setDefaults()
	t.grace = durationOr(t.grace, unfinishedGrace)
	if t.maxUnfinished == 0 {
		t.maxUnfinished = maxUnfinishedHandshakes
	}
	if t.listen == nil {
		t.listen = net.Listen
	}
}

// NewWebSocketServer makes a server that listens already when it returns. PAGES OF EVERY ORIGIN MAY CONNECT unless
// OriginPatterns are configured. The callback is called with each client that
// connects, one at a time and before its opening handshake: its remote address is known, its path from OnOpen on. The
// callbacks set there miss nothing. The WebSocket belongs to the program, which closes it.
//
// ErrInvalid: no callback, a configuration that cannot be right, or a certificate or key that cannot be used. ErrFailure: the
// port is in use, or may not be used.
func NewWebSocketServer(configuration WebSocketServerConfiguration, onClient func(*WebSocket)) (*WebSocketServer, error) {
	return newWebSocketServer(configuration, onClient, webSocketServerTuning{})
}

func newWebSocketServer(c WebSocketServerConfiguration, onClient func(*WebSocket), tune webSocketServerTuning) (*WebSocketServer, error) {
	if onClient == nil {
		return nil, invalidf("WebSocket server: no callback for clients")
	}
	tune.setDefaults()
	s := &WebSocketServer{
		log:      newLogger("wsserver", lastWebSocketServerID.Add(1)),
		tuning:   tune,
		onClient: onClient,
		timeout:  durationOr(c.ConnectionTimeout, DefaultConnectionTimeout),
		room:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		options: websocket.AcceptOptions{
			Subprotocols:            slices.Clone(c.Protocols),
			OriginPatterns:          slices.Clone(c.OriginPatterns),
			InsecureSkipOriginCheck: len(c.OriginPatterns) == 0,
			CheckRequest:            c.CheckRequest,
			HandshakeTimeout:        -1, // by the context, which counts from the TCP connection on
			Compression:             c.Compression,
			MaxMessageSize:          messageSizeOr(c.MaxMessageSize),
			PingInterval:            durationOr(c.PingInterval, DefaultPingInterval),
			MaxUnansweredPings:      c.MaxOutstandingPings,
			CloseTimeout:            tune.closeTimeout,
		},
	}
	s.callbacks.init(&s.mu, func() {})
	if err := s.options.Validate(); err != nil {
		return nil, wrapError(ErrInvalid, err, "WebSocket server")
	}
	bind, err := parseBindAddress(c.BindAddress)
	if err != nil {
		return nil, wrapError(ErrInvalid, err, "WebSocket server")
	}
	if s.tls, err = serverTLS(c); err != nil {
		return nil, err
	}

	host := ""
	if bind.IsValid() {
		host = bind.String()
	}
	s.listener, err = tune.listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(c.Port))))
	if err != nil {
		return nil, wrapError(ErrFailure, err, "WebSocket server")
	}
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		s.port = uint16(a.Port)
	}
	s.log.Info("WebSocket server", "address", s.listener.Addr().String(), "TLS", s.tls != nil)
	s.accepting.Add(1)
	go s.accept()
	return s, nil
}

// serverTLS gives the TLS configuration, nil without TLS.
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
	config.NextProtos = []string{"http/1.1"} // there is nothing to upgrade from in HTTP/2
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

// Port gives the TCP port that the server listens on.
func (s *WebSocketServer) Port() uint16 { return s.port }

// Addr gives the address that the server listens on.
func (s *WebSocketServer) Addr() net.Addr { return s.listener.Addr() }

// Close stops listening. When it returns the callback does not run and will not, unless Close is called from inside it. The
// WebSockets that the callback has been called with are not touched: they belong to the program. A second Close succeeds.
func (s *WebSocketServer) Close() error {
	s.mu.Lock()
	if !isDone(s.done) {
		close(s.done)
		_ = s.listener.Close()
		for _, c := range s.clients {
			_ = c.stream.Close()
			c.stop()
		}
		s.clients = nil
		s.callbacks.stop()
	}
	s.mu.Unlock()
	s.accepting.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callbacks.wait(s, 0)
	return nil
}

// isTemporary tells whether Accept can be expected to succeed later, although it failed: the process or the system is out of
// file descriptors or memory, or the client was gone before it was accepted. Everything but a closed listener is taken so.
func isTemporary(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.EINVAL)
}
