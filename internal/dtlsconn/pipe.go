package dtlsconn

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// What may wait for pion/dtls to read it. It reads as fast as it computes, a signature per flight at most, so more
// than a few flights waiting are a flood, and the peer retransmits what is dropped here.
const (
	maxPipeDatagrams = 256
	maxPipeBytes     = 256 << 10
)

// pipe is the net.PacketConn between pion/dtls and the owner of a Conn: datagrams are pushed in from Receive and come
// out through wire. It has one peer, so addresses mean nothing.
type pipe struct {
	wire *wire

	// read and written, if not nil, see each datagram that pion/dtls reads or writes. They are set before it starts.
	read, written func(datagram []byte)

	mu      sync.Mutex
	arrived sync.Cond
	queue   [][]byte
	bytes   int
	closed  bool
	expired bool
}

func newPipe(w *wire) *pipe {
	p := &pipe{wire: w}
	p.arrived.L = &p.mu
	return p
}

// push queues a datagram, whose ownership it takes, for the reader. It reports false when there is no room.
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
	p.wire.writeHandshake(b)
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

// SetReadDeadline implements net.PacketConn as far as pion/dtls uses it: a deadline long past interrupts the reader, none
// lets it read on.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	p.expired = !t.IsZero()
	p.mu.Unlock()
	p.arrived.Broadcast()
	return nil
}

// SetWriteDeadline implements net.PacketConn; writes do not wait.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "dtlsconn" }
func (pipeAddr) String() string  { return "peer" }

// wire is the outgoing end: it hands datagrams to Config.Output one at a time and watches which record numbers
// pion/dtls has used. Once detached, nothing that pion/dtls still writes gets out.
type wire struct {
	output func([]byte)

	mu       sync.Mutex
	detached bool
	next     [2]uint64 // one past the highest sequence number sent, of epochHandshake and epochApplication
	finished []byte    // the last record with a handshake message of epochApplication: our Finished
}

// writeHandshake sends a datagram of pion/dtls.
func (w *wire) writeHandshake(datagram []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.detached {
		return
	}
	for rest := datagram; ; {
		r, tail, ok := nextRecord(rest)
		if !ok {
			break
		}
		rest = tail
		if r.epoch > epochApplication {
			continue
		}
		w.next[r.epoch] = max(w.next[r.epoch], r.sequence+1)
		if r.epoch == epochApplication && r.contentType == contentHandshake {
			w.finished = bytes.Clone(r.raw)
		}
	}
	w.output(datagram)
}

// unmute makes datagrams go to output, which before went nowhere.
func (w *wire) unmute(output func([]byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.output = output
}

// detach cuts pion/dtls off. What it returns is final: the next free sequence number of either epoch, and the record
// with our Finished.
func (w *wire) detach() (next [2]uint64, finished []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.detached = true
	next, finished = w.next, w.finished
	w.finished = nil
	return next, finished
}
