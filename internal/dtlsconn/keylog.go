package dtlsconn

import (
	"bytes"
	"encoding/hex"
	"errors"
	"sync"
)

const (
	randomSize = 32 // of ClientHello and ServerHello (RFC 5246, section 7.4.1.2)
	masterSize = 48 // of the master secret (RFC 5246, section 8.1)
)

// keyLog receives the master secret of one handshake. pion/dtls writes it, with the client's
// random, as a line of the NSS key log format to its key log writer; no other part of its interface
// returns it without reflection.
//
// A keyLog belongs to one attempt, so it never holds the secret of another handshake. If one
// handshake writes several lines, the last one counts.
type keyLog struct {
	mu           sync.Mutex
	complete     bool // the fields below are set
	closed       bool // further lines are ignored
	clientRandom [randomSize]byte
	master       [masterSize]byte
}

var errKeyLog = errors.New("dtls: malformed line of the key log")

// Write implements io.Writer. Against the contract of io.Writer it overwrites the line with zeros,
// which lies in a buffer that package fmt will reuse, and which nothing else reads: the secret
// should not stay there.
func (l *keyLog) Write(line []byte) (int, error) {
	defer clear(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(line), nil
	}
	rest, ok := bytes.CutPrefix(line, []byte("CLIENT_RANDOM "))
	random, secret, separated := bytes.Cut(bytes.TrimSuffix(rest, []byte("\n")), []byte(" "))
	if !ok || !separated || len(random) != 2*randomSize || len(secret) != 2*masterSize {
		return 0, errKeyLog
	}
	if _, err := hex.Decode(l.clientRandom[:], random); err != nil {
		return 0, errKeyLog
	}
	if _, err := hex.Decode(l.master[:], secret); err != nil {
		return 0, errKeyLog
	}
	l.complete = true
	return len(line), nil
}

// take returns the client's random and the master secret, and erases them. It reports false if
// there are none. Later lines are ignored.
func (l *keyLog) take() (clientRandom [randomSize]byte, master [masterSize]byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clientRandom, master, ok = l.clientRandom, l.master, l.complete
	l.complete, l.closed = false, true
	clear(l.master[:])
	return clientRandom, master, ok
}

// discard erases the secret of a handshake that is not needed, or has failed.
func (l *keyLog) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complete, l.closed = false, true
	clear(l.master[:])
}
