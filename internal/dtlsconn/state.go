package dtlsconn

import (
	"bytes"
	"encoding/gob"
	"errors"
	"sync"
)

// exportedState are the fields, by name, of pion/dtls' serialized connection state that are needed here. Its
// serialization is the only door through which it lets out the master secret.
type exportedState struct {
	LocalEpoch            uint16
	LocalRandom           [32]byte
	RemoteRandom          [32]byte
	CipherSuiteID         uint16
	MasterSecret          []byte
	SRTPProtectionProfile uint16
	PeerCertificates      [][]byte
	LocalConnectionID     []byte
	RemoteConnectionID    []byte
	IsClient              bool
}

// stateDecoder reads serialized connection states, each of them a gob stream of its own: descriptions of its types, the same every
// time, and one value. A gob.Decoder compiles itself from the descriptions, which takes twenty times as long as
// reading the value, so one is kept and given the values alone.
type stateDecoder struct {
	mu     sync.Mutex
	input  bytes.Buffer
	stream *gob.Decoder
	typeID uint64 // of the values, as they encode it
}

func (d *stateDecoder) decode(serialized []byte) (state exportedState, err error) {
	value, typeID, err := lastMessage(serialized)
	if err != nil {
		return state, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		clear(d.input.AvailableBuffer()[:d.input.Available()]) // there were secrets in it
	}()
	d.input.Reset()
	if d.stream == nil || d.typeID != typeID {
		d.stream, d.typeID, value = gob.NewDecoder(&d.input), typeID, serialized
	}
	d.input.Write(value)
	if err = d.stream.Decode(&state); err != nil || d.input.Len() > 0 {
		d.stream = nil
		d.input.Reset()
		return state, errors.Join(errState, err)
	}
	d.input.Reset()
	return state, nil
}

// lastMessage finds the last message of a gob stream, and the encoded id of its type.
// "Each byte slice of a stream is preceded by its length."
// https://pkg.go.dev/encoding/gob#hdr-Encoding_Details
func lastMessage(stream []byte) (message []byte, typeID uint64, err error) {
	for len(stream) > 0 {
		length, rest, ok := gobUint(stream)
		if !ok || length > uint64(len(rest)) {
			return nil, 0, errState
		}
		message = stream[:len(stream)-len(rest)+int(length)]
		stream = rest[length:]
		if typeID, _, ok = gobUint(rest[:length]); !ok {
			return nil, 0, errState
		}
	}
	if message == nil {
		return nil, 0, errState
	}
	return message, typeID, nil
}

// gobUint reads an unsigned integer: a byte below 128, or the negated count of the big-endian bytes that follow.
func gobUint(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	if b[0] < 128 {
		return uint64(b[0]), b[1:], true
	}
	count := 256 - int(b[0])
	if count > 8 || len(b) < 1+count {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+count] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+count:], true
}
