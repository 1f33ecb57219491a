package dtlsconn

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Limits of the datagrams that wait until pion/dtls reads them. It reads faster than a peer sends
// flights; more than a few flights are a flood, and the peer retransmits dropped datagrams.
const (
	maxPipeDatagrams = 256
	maxPipeBytes     = 256 << 10
)

// pipe is the net.PacketConn over which pion/dtls runs: it reads the datagrams that Receive pushes,
// and writes to a handshakeWriter. There is one peer, so addresses have no meaning.
type pipe struct {
	writer *handshakeWriter

	// read and written, if not nil, are called with each datagram that pion/dtls reads or writes.
	// They are set before it starts.
	read, written func(datagram []byte)

	mu      sync.Mutex
	arrived sync.Cond
	queue   [][]byte
	bytes   int
	closed  bool
	expired bool
}

func newPipe(w *handshakeWriter) *pipe {
	p := &pipe{writer: w}
	p.arrived.L = &p.mu
	return p
}

// push queues a datagram for the reader and takes ownership of it. It reports false if a limit is
// reached.
func (p *pipe) push(datagram []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.queue) >= maxPipeDatagrams || p.bytes+len(datagram) > maxPipeBytes {
		return false
	}
	p.queue = append(p.queue, datagram)
	p.bytes += len(datagram)
	p.arrived.Signal()
	return true
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed && !p.expired {
		p.arrived.Wait()
	}
	switch {
	case p.closed:
		return 0, nil, io.EOF
	case p.expired:
		return 0, nil, os.ErrDeadlineExceeded
	}
	datagram := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.bytes -= len(datagram)
	if p.read != nil {
		p.read(datagram)
	}
	return copy(b, datagram), pipeAddr{}, nil
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	if p.written != nil {
		p.written(b)
	}
	p.writer.write(b)
	return len(b), nil
}

// Close implements net.PacketConn.
func (p *pipe) Close() error {
	p.mu.Lock()
	p.closed = true
	p.queue = nil
	p.mu.Unlock()
	p.arrived.Broadcast()
	return nil
}

// SetReadDeadline implements net.PacketConn as far as pion/dtls uses it: a deadline in the past
// interrupts the reader, and the zero time lets it read on.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	p.expired = !t.IsZero()
	p.mu.Unlock()
	p.arrived.Broadcast()
	return nil
}

// SetWriteDeadline implements net.PacketConn. Writes do not block.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "dtlsconn" }
func (pipeAddr) String() string  { return "peer" }
