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

// bubbleTick is how far the clock of the simulation may run ahead of that of the bubble.
const bubbleTick = 200 * time.Microsecond

// bubbleEnd joins a goroutine in the bubble to the simulation. To the goroutine it is a [net.Conn], to the simulation a
// [netsim.Core]. The simulation leads: with each call of the core the clock of the bubble moves to that of the simulation, and
// the call returns when everything in the bubble waits for a packet or a timer.
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

// follow lets the bubble reach the time of the simulation.
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

// pionEnd is an association of the other library and its one stream.
type pionEnd struct {
	conn   net.Conn
	assoc  *pion.Association
	stream *pion.Stream
}

// connectPion makes two associations over two connections. It returns before they are connected; ready is closed then.
func connectPion(t testing.TB, a, b net.Conn, window uint32, zeroChecksum bool) (from, to *pionEnd, ready <-chan struct{}) {
	from, to = &pionEnd{conn: a}, &pionEnd{conn: b}
	done := make(chan struct{})
	logger := &logging.DefaultLoggerFactory{Writer: io.Discard}
	options := func(conn net.Conn) []pion.AssociationOption {
		o := []pion.AssociationOption{pion.WithNetConn(conn), pion.WithMTU(mtu), pion.WithLoggerFactory(logger),
			pion.WithMaxMessageSize(256 << 10), pion.WithEnableZeroChecksum(zeroChecksum)}
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

// send writes messages until stop is closed, with at most ahead bytes and a message in the library's buffer.
func (e *pionEnd) send(message []byte, ahead uint64, stop <-chan struct{}) {
	room := make(chan struct{}, 1)
	e.stream.SetBufferedAmountLowThreshold(ahead / 2)
	e.stream.OnBufferedAmountLow(func() {
		select {
		case room <- struct{}{}:
		default:
		}
	})
	for {
		for e.stream.BufferedAmount() >= ahead {
			select {
			case <-room:
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
func (e *pionEnd) receive(got func(bytes int)) {
	b := make([]byte, 256<<10)
	for {
		n, err := e.stream.Read(b)
		if err != nil {
			return
		}
		got(n)
	}
}

// pionAhead is how much the application keeps in the library's send buffer: more than any of the paths holds.
const pionAhead = 32 << 20

// runPion measures the other library over the path for d after the handshake; window 0 is its default of 1 MiB.
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
		// The application runs only while the simulation waits for it, so that the count needs no lock.
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
