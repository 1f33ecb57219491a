package stun

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Conn is a connection to a server, a part of net.Conn: a UDP socket that is connected to the
// server, or a TCP or TLS connection. See [To] for a socket that is not connected.
type Conn interface {
	Read(b []byte) (n int, err error)
	Write(b []byte) (n int, err error)
	// SetDeadline makes calls of Read and Write fail with an error that matches
	// os.ErrDeadlineExceeded at t, also those that are waiting. The zero time removes the deadline.
	SetDeadline(t time.Time) error
}

// Addr is the address of a socket. It is the same interface as net.Addr.
type Addr interface {
	Network() string
	String() string
}

// PacketConn is the part of net.PacketConn that [To] needs; A is net.Addr.
type PacketConn[A Addr] interface {
	ReadFrom(b []byte) (n int, from A, err error)
	WriteTo(b []byte, to A) (n int, err error)
	SetDeadline(t time.Time) error
}

// To returns a connection to the server over a socket that is not connected, such as a *net.UDPConn
// from net.ListenUDP or another net.PacketConn. Packets from other addresses are read from the
// socket and discarded. The address must be of a type that the socket takes.
func To[A Addr](conn PacketConn[A], server Addr) Conn {
	return &packetConn[A]{PacketConn: conn, server: server}
}

type packetConn[A Addr] struct {
	PacketConn[A]
	server Addr
}

func (c *packetConn[A]) Read(b []byte) (int, error) {
	server := c.server.String()
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from.String() == server {
			return n, err
		}
	}
}

func (c *packetConn[A]) Write(b []byte) (int, error) {
	to, ok := c.server.(A)
	if !ok {
		return 0, errors.New("stun: the socket does not take addresses of the type of the server's")
	}
	return c.WriteTo(b, to)
}

// A messageReader reads messages from a connection.
type messageReader struct {
	conn   Conn
	stream bool
	buf    []byte
}

// next returns the next message, or the zero Message for a packet that is not STUN. The message is
// valid until the next call.
func (r *messageReader) next() (Message, error) {
	if r.stream {
		return r.readStream()
	}
	if r.buf == nil {
		r.buf = make([]byte, maxDatagram)
	}
	n, err := r.conn.Read(r.buf)
	if err != nil {
		return Message{}, err
	}
	m, err := Parse(r.buf[:n])
	if err != nil {
		return Message{}, nil
	}
	return m, nil
}

// readStream reads a message from a stream (RFC 8489, section 6.2.2). If the stream has anything
// else, the error is a *ParseError and the rest cannot be read.
func (r *messageReader) readStream() (Message, error) {
	var header [HeaderSize]byte
	if _, err := io.ReadFull(r.conn, header[:]); err != nil {
		return Message{}, err
	}
	n, ok := Size(header[:])
	if !ok {
		return Parse(header[:])
	}
	// The buffer grows with the received bytes, not by the length in the header.
	message := bytes.NewBuffer(header[:])
	if _, err := io.CopyN(message, r.conn, int64(n-HeaderSize)); err != nil {
		return Message{}, err
	}
	return Parse(message.Bytes())
}
