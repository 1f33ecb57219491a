package goodput

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// bubbleTick is the largest time that the clock of the simulation may be ahead of that of the
// bubble.
const bubbleTick = 200 * time.Microsecond

// bubbleEnd connects an association in the bubble to the simulation. It is the [net.Conn] of the
// association and a [netsim.Core] of the simulation. Each call of the core advances the clock of
// the bubble to that of the simulation, and returns when all goroutines in the bubble wait for a
// packet or a timer.
type bubbleEnd struct {
	offset time.Duration // from the simulation's clock to the bubble's
	wake   time.Time

	inbox  chan []byte
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	outbox [][]byte
}

var (
	_ net.Conn    = (*bubbleEnd)(nil)
	_ netsim.Core = (*bubbleEnd)(nil)
)

func newBubbleEnd(sim *netsim.Sim) *bubbleEnd {
	return &bubbleEnd{offset: time.Since(sim.Now()), inbox: make(chan []byte, 1), closed: make(chan struct{})}
}

// follow advances the clock of the bubble to now, the time of the simulation.
func (e *bubbleEnd) follow(now time.Time) {
	time.Sleep(time.Until(now.Add(e.offset)))
	synctest.Wait()
}

func (e *bubbleEnd) Receive(now time.Time, packet []byte) {
	e.follow(now)
	e.inbox <- append([]byte(nil), packet...)
	synctest.Wait()
}

func (e *bubbleEnd) Advance(now time.Time) {
	e.follow(now)
	e.wake = now.Add(bubbleTick)
}

func (e *bubbleEnd) Deadline() time.Time { return e.wake }

func (e *bubbleEnd) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	if e.wake.IsZero() {
		e.Advance(now)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.outbox) == 0 {
		return dst, false
	}
	packet := e.outbox[0]
	e.outbox = e.outbox[1:]
	return append(dst, packet...), true
}

func (e *bubbleEnd) Read(b []byte) (int, error) {
	select {
	case packet := <-e.inbox:
		return copy(b, packet), nil
	case <-e.closed:
		return 0, io.EOF
	}
}

func (e *bubbleEnd) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outbox = append(e.outbox, append([]byte(nil), b...))
	return len(b), nil
}

func (e *bubbleEnd) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func (e *bubbleEnd) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (e *bubbleEnd) RemoteAddr() net.Addr             { return &net.UDPAddr{} }
func (e *bubbleEnd) SetDeadline(time.Time) error      { return nil }
func (e *bubbleEnd) SetReadDeadline(time.Time) error  { return nil }
func (e *bubbleEnd) SetWriteDeadline(time.Time) error { return nil }

// pionEnd is an association of pion/sctp and its only stream.
type pionEnd struct {
	conn   net.Conn
	assoc  *pion.Association
	stream *pion.Stream
}

// connectPion creates two associations over two connections. It returns at once; ready is closed
// when they are connected.
func connectPion(
	t testing.TB, a, b net.Conn, window uint32, zeroChecksum bool,
) (from, to *pionEnd, ready <-chan struct{}) {
	from, to = &pionEnd{conn: a}, &pionEnd{conn: b}
	done := make(chan struct{})
	logger := &logging.DefaultLoggerFactory{Writer: io.Discard}
	options := func(conn net.Conn) []pion.AssociationOption {
		o := []pion.AssociationOption{
			pion.WithNetConn(conn), pion.WithMTU(mtu), pion.WithLoggerFactory(logger),
			pion.WithMaxMessageSize(256 << 10), pion.WithEnableZeroChecksum(zeroChecksum),
		}
		if window != 0 {
			o = append(o, pion.WithMaxReceiveBufferSize(window))
		}
		return o
	}
	var both sync.WaitGroup
	both.Go(func() {
		var o []pion.ServerOption
		for _, option := range options(b) {
			o = append(o, option)
		}
		var err error
		if to.assoc, err = pion.ServerWithOptions(o...); err == nil {
			to.stream, err = to.assoc.OpenStream(1, ppidBinary)
		}
		if err != nil {
			t.Errorf("accept: %v", err)
		}
	})
	both.Go(func() {
		var o []pion.ClientOption
		for _, option := range options(a) {
			o = append(o, option)
		}
		var err error
		if from.assoc, err = pion.ClientWithOptions(o...); err == nil {
			from.stream, err = from.assoc.OpenStream(1, ppidBinary)
		}
		if err != nil {
			t.Errorf("connect: %v", err)
		}
	})
	go func() {
		both.Wait()
		close(done)
	}()
	return from, to, done
}

// send writes messages until stop is closed. It waits while ahead bytes or more are in the
// library's buffer.
func (e *pionEnd) send(message []byte, ahead uint64, stop <-chan struct{}) {
	low := make(chan struct{}, 1)
	e.stream.SetBufferedAmountLowThreshold(ahead / 2)
	e.stream.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	for {
		for e.stream.BufferedAmount() >= ahead {
			select {
			case <-low:
			case <-stop:
				return
			}
		}
		if _, err := e.stream.Write(message); err != nil {
			return
		}
	}
}

// receive reads messages until the stream is closed.
func (e *pionEnd) receive(received func(bytes int)) {
	b := make([]byte, 256<<10)
	for {
		n, err := e.stream.Read(b)
		if err != nil {
			return
		}
		received(n)
	}
}

// pionAhead is the amount in bytes that the application keeps in the library's send buffer: more
// than can be in flight on any of the paths.
const pionAhead = 32 << 20

// runPion measures pion/sctp over the path for d after the handshake; window 0 is its default of 1
// MiB.
func runPion(t *testing.T, seed uint64, p *path, window uint32, d time.Duration) (r result) {
	synctest.Test(t, func(t *testing.T) {
		sim := netsim.New(seed)
		m := &meter{sim: sim, path: p}
		a, b := newBubbleEnd(sim), newBubbleEnd(sim)
		forward, back := p.links()
		m.link = netsim.Connect(sim, a, b, forward, back).AB
		from, to, ready := connectPion(t, a, b, window, true)
		connected := func() bool {
			select {
			case <-ready:
				return true
			default:
				return false
			}
		}
		require.NoError(t, sim.Run(connected, handshakeLimit))
		m.start()
		// The count needs no lock: the application runs only while the simulation waits for it.
		go to.receive(func(n int) { m.bytes += int64(n) })
		go from.send(make([]byte, messageSize), pionAhead, a.closed)
		require.NoError(t, sim.RunFor(d))
		r = m.result()
		_ = a.Close()
		_ = b.Close()
		synctest.Wait()
	})
	return r
}
