package udp

import (
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// readMessages is the number of messages of one recvmmsg. With GRO, each can be 64 datagrams.
	// Without GRO, more messages would gain little, because the path through the kernel dominates:
	// see the table in the package documentation.
	readMessages = 8

	// readMessageSize is the room for the largest UDP datagram or run of GRO.
	readMessageSize = 1 << 16
)

// readBuffers are the buffers of one recvmmsg. Only pages that are written take memory.
type readBuffers struct {
	messages [readMessages]unix.Mmsghdr
	iovecs   [readMessages]unix.Iovec
	names    [readMessages]sockaddr
	controls [readMessages]control32
	data     []byte // readMessages times readMessageSize
	batch    link.Inbound
}

// control32 is the room for the control messages of a read.
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

// prepare resets the fields of a message header that the kernel has written.
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
	try     func(fd uintptr) bool // r.read, allocated once

	lastName sockaddr // the last sender, and its address
	last     netip.AddrPort
}

// read reads messages when the socket may be readable. It returns false to wait, and then holds no
// buffers.
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
			// ICMP has reported an error, or the system is short of memory.
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
			if s.received.Add(int64(n)) >= groAfter && !s.os.noGRO {
				s.enableGRO()
			}
			handle(&b.batch)
		}
		readPool.Put(b)
	}
}

// split fills the batch with the datagrams of the messages.
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

// from returns the address of a sender. Packets come in runs of one sender, so that the last one is
// cached.
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

// segmentSize returns the size of the datagrams merged in message i, or 0 if it is one datagram.
func (b *readBuffers) segmentSize(i int) int {
	// The kernel writes only this control message, because no other was requested.
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
