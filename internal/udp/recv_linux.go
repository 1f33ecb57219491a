package udp

import (
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// readMessages is how many messages one recvmmsg takes. With GRO each can be 64 datagrams. Without it more would gain
	// little, as the path through the kernel is what costs: see the table in the package documentation.
	readMessages = 8

	// readMessageSize holds the largest UDP datagram and the largest run that GRO makes.
	readMessageSize = 1 << 16
)

// readBuffers are what one recvmmsg fills. Only the pages that are written to take memory.
type readBuffers struct {
	messages [readMessages]unix.Mmsghdr
	iovecs   [readMessages]unix.Iovec
	names    [readMessages]sockaddr
	controls [readMessages]control32
	data     []byte // readMessages times readMessageSize
	batch    link.Inbound
}

// control32 is room for the control messages of a read.
type control32 struct {
	header unix.Cmsghdr
	data   [32]byte
}

var readPool = sync.Pool{New: func() any {
	b := &readBuffers{data: make([]byte, readMessages*readMessageSize)}
	for i := range b.messages {
		h := &b.messages[i].Hdr
		b.iovecs[i].Base = &b.data[i*readMessageSize]
		b.iovecs[i].SetLen(readMessageSize)
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
		b.prepare(i)
	}
	return b
}}

// prepare undoes what the kernel has written to a message header.
func (b *readBuffers) prepare(i int) {
	h := &b.messages[i].Hdr
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(int(unsafe.Sizeof(control32{})))
	h.Flags = 0
}

// A reader is the state of one Serve.
type reader struct {
	socket  *Socket
	buffers *readBuffers // after a successful read
	n       int          // messages in it
	errno   unix.Errno
	try     func(fd uintptr) bool // r.read, made once

	lastName sockaddr // the sender seen last, and its address
	last     netip.AddrPort
}

// read is called when there may be something to read. It returns false to wait, and holds no buffers then.
func (r *reader) read(fd uintptr) bool {
	b := readPool.Get().(*readBuffers)
	for {
		n, errno := r.socket.os.calls.recvmmsg(fd, b.messages[:])
		switch errno {
		case 0:
			r.buffers, r.n, r.errno = b, n, 0
			return true
		case unix.EINTR:
			continue
		}
		readPool.Put(b)
		r.errno = errno
		return errno != unix.EAGAIN
	}
}

func (s *Socket) serve(handle func(*link.Inbound)) error {
	if !s.os.batch {
		return s.servePortable(handle)
	}
	r := &reader{socket: s}
	r.try = r.read
	for failures := 0; ; {
		if err := s.os.raw.Read(r.try); err != nil {
			return err
		}
		if r.errno != 0 {
			// An ICMP message's error, or the system is out of memory for the moment.
			if failures++; failures == maxReadErrors {
				return r.errno
			}
			continue
		}
		failures = 0
		b := r.buffers
		r.buffers = nil
		r.split(b)
		if n := b.batch.Len(); n > 0 {
			s.readCalls.Add(1)
			s.received.Add(int64(n))
			handle(&b.batch)
		}
		readPool.Put(b)
	}
}

// split makes a batch of the messages.
func (r *reader) split(b *readBuffers) {
	b.batch.Reset()
	for i := range r.n {
		m := &b.messages[i]
		n := int(m.Len)
		data := b.data[i*readMessageSize:][:n:n]
		if m.Hdr.Flags&unix.MSG_TRUNC == 0 {
			segment := n
			if size := b.segmentSize(i); size > 0 {
				segment = min(size, n)
			}
			b.batch.AddSegments(data, segment, r.from(&b.names[i]))
		}
		b.prepare(i)
	}
}

// from is the sender's address. Packets come in runs of one sender, so the last one is remembered.
func (r *reader) from(name *sockaddr) netip.AddrPort {
	if name.raw.Family == unix.AF_INET {
		clear((*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(name))[unix.SizeofSockaddrInet4:])
	}
	if *name != r.lastName {
		r.lastName = *name
		r.last = name.addrPort(&r.socket.os.zones)
	}
	return r.last
}

// segmentSize is the size of the datagrams that message i is made of, 0 if it is one.
func (b *readBuffers) segmentSize(i int) int {
	// The kernel writes this one control message only, as no other was asked for.
	c := &b.controls[i]
	length := int(b.messages[i].Hdr.Controllen)
	if length < unix.CmsgLen(2) || c.header.Level != unix.SOL_UDP || c.header.Type != unix.UDP_GRO {
		return 0
	}
	if length < unix.CmsgLen(4) { // a 16-bit number in some versions
		return int(*(*uint16)(unsafe.Pointer(&c.data)))
	}
	return int(*(*int32)(unsafe.Pointer(&c.data)))
}
