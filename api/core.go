package rtc

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
)

// core is the state that all parts of a connection share. The parts refer to it, and to each other
// only as ARCHITECTURE.md permits; the PeerConnection above them refers to all.
type core struct {
	mu       sync.Mutex // the connection's only one
	now      time.Time  // of the current input
	settings settings
	tuning   *tuning
	log      *slog.Logger
	queue    callbackQueue
	counters counters
	deferred deferState
	after    func() // called after every input, with the mutex held: see PeerConnection.afterInput

	closing bool // Close was called, or the connection has ended by itself
	ended   bool // the transports are released
}

// lock takes the mutex for an input.
func (c *core) lock() {
	c.mu.Lock()
	c.now = time.Now()
}

// unlock sends the packets that the input has caused, unless sending is deferred, and releases the
// mutex.
func (c *core) unlock() {
	if !c.sendsLater() {
		c.after()
	}
	c.mu.Unlock()
}

// flush sends the packets that the input has caused so far.
func (c *core) flush() { c.after() }

// layerLogger returns the logger for the protocol cores; nil: nothing is logged.
func (c *core) layerLogger() *slog.Logger {
	if c.log.Handler() == slog.DiscardHandler {
		return nil
	}
	return c.log
}

// tuning holds parameters that tests change: timers, the network, and the cipher suites of DTLS.
type tuning struct {
	cipherSuites            []uint16
	ice                     ice.Config
	network                 icenet.Network
	closeLinger, closeStall time.Duration
	closeTimeout            time.Duration
	candidatesTimeout       time.Duration
	carry                   func(packet []byte) // takes the SCTP packets instead of DTLS; valid during the call
	noInterleaving          bool
	sctpPort                uint16 // of this side; 0: 5000
}

// candidatesTimeout is the time after which a peer is assumed to have no more candidates, if its
// signalling does not say so. Later ones are still used; but without any, the connection fails.
const candidatesTimeout = 10 * time.Second

// The limits of the time that Close waits for the peer.
const (
	// closeLinger is the limit while the peer acknowledges neither data nor the end of the
	// association.
	closeLinger = 3 * time.Second
	// closeStall is the limit while the peer's receive window is closed, because its program does
	// not read. RFC 9260, section 6.1: the peer acknowledges the chunks that probe the window even
	// then.
	closeStall = 10 * time.Second
	// closeTimeout is the limit of closing as a whole. A program that has buffered more than the
	// path carries in that time waits for OnBufferedAmountLow before it calls Close.
	closeTimeout = 2 * time.Minute
)

func (t tuning) withDefaults() tuning {
	t.closeLinger = cmp.Or(t.closeLinger, closeLinger)
	t.closeStall = cmp.Or(t.closeStall, closeStall)
	t.closeTimeout = cmp.Or(t.closeTimeout, closeTimeout)
	t.candidatesTimeout = cmp.Or(t.candidatesTimeout, candidatesTimeout)
	return t
}
