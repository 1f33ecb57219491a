package dtlsconn

import (
	"crypto/cipher"
	"encoding/binary"
)

// opener checks and decrypts incoming records of epochApplication. It is used by one goroutine at a
// time.
type opener struct {
	aead     cipher.AEAD
	explicit int
	replay   replayFilter

	iv    [nonceSize]byte
	nonce [nonceSize]byte
	aad   [aadSize]byte
}

func newOpener(s suite, d direction) *opener {
	o := &opener{aead: d.aead, explicit: s.explicitNonce}
	copy(o.iv[:], d.iv)
	return o
}

// verdict is the result of opening a record.
type verdict uint8

const (
	opened verdict = iota
	replayed
	badMAC
	malformed
)

// open decrypts r in place and returns the plaintext, which is part of r.raw. A record that fails
// changes nothing but its own bytes.
func (o *opener) open(r record) ([]byte, verdict) {
	fragment := r.fragment()
	length := len(fragment) - o.explicit - tagSize
	if length < 0 || length > maxPlaintext {
		return nil, malformed
	}
	if !o.replay.fresh(r.sequence) {
		return nil, replayed
	}
	epochAndSequence := binary.BigEndian.Uint64(r.raw[3:11])
	copy(o.nonce[:], o.iv[:])
	if o.explicit > 0 {
		// The sender chooses the explicit part, which is not necessarily the sequence number (RFC
		// 5288, section 3).
		copy(o.nonce[4:], fragment[:o.explicit])
	} else {
		binary.BigEndian.PutUint64(o.nonce[4:], binary.BigEndian.Uint64(o.iv[4:])^epochAndSequence)
	}
	putAdditionalData(&o.aad, epochAndSequence, r.contentType, binary.BigEndian.Uint16(r.raw[1:3]), length)
	ciphertext := fragment[o.explicit:]
	plaintext, err := o.aead.Open(ciphertext[:0], o.nonce[:], ciphertext, o.aad[:])
	if err != nil {
		return nil, badMAC
	}
	o.replay.accept(r.sequence)
	return plaintext, opened
}
