package sctp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// cookie is the State Cookie, which the side that answers an INIT sends to the peer, under a MAC,
// instead of keeping state. It contains all that is needed to establish the association at the
// COOKIE ECHO: RFC 9260, section 5.1.3.
type cookie struct {
	created, life           instant
	myTag, peerTag          uint32
	myTSN, peerTSN          uint32
	window                  uint32
	localTieTag, peerTieTag uint32
	outStreams, inStreams   uint16
	features                features
}

const (
	cookieMACSize = sha256.Size
	cookieSize    = cookieMACSize + 8 + 8 + 7*4 + 2*2 + 4
)

// seal encodes the cookie, MAC first.
func (k *cookie) seal(secret *[32]byte) []byte {
	b := make([]byte, cookieMACSize, cookieSize)
	b = binary.BigEndian.AppendUint64(b, uint64(k.created))
	b = binary.BigEndian.AppendUint64(b, uint64(k.life))
	for _, v := range [...]uint32{k.myTag, k.peerTag, k.myTSN, k.peerTSN, k.window, k.localTieTag, k.peerTieTag} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = binary.BigEndian.AppendUint16(b, k.outStreams)
	b = binary.BigEndian.AppendUint16(b, k.inStreams)
	b = append(b, byte(k.features), 0, 0, 0)
	cookieMAC(b[:0], b[cookieMACSize:], secret)
	return b
}

func cookieMAC(dst, body []byte, secret *[32]byte) []byte {
	m := hmac.New(sha256.New, secret[:])
	m.Write(body)
	return m.Sum(dst)
}

var errCookie = errors.New("sctp: cookie is not ours")

// openCookie verifies and decodes a cookie.
func openCookie(b []byte, secret *[32]byte) (k cookie, err error) {
	if len(b) != cookieSize || !hmac.Equal(b[:cookieMACSize], cookieMAC(nil, b[cookieMACSize:], secret)) {
		return k, errCookie
	}
	b = b[cookieMACSize:]
	k.created = instant(binary.BigEndian.Uint64(b))
	k.life = instant(binary.BigEndian.Uint64(b[8:]))
	b = b[16:]
	for _, v := range [...]*uint32{&k.myTag, &k.peerTag, &k.myTSN, &k.peerTSN, &k.window, &k.localTieTag, &k.peerTieTag} {
		*v = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	k.outStreams, k.inStreams = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	k.features = features(b[4])
	return k, nil
}

// msToInstant converts milliseconds of the wire.
func msToInstant(ms uint32) instant { return instant(ms) * time.Millisecond }
