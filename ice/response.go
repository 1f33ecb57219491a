package ice

import (
	"net/netip"

	"github.com/rtcstack/rtcstack/stun"
)

// response is what Transmit needs to make a response of: it is made there, in the caller's buffer.
type response struct {
	id      stun.TransactionID
	base    *base
	remote  netip.AddrPort
	code    int                  // zero: success
	unknown []stun.AttributeType // with CodeUnknownAttribute
	key     *stun.Key            // nil: the request was not authenticated
}

// keptResponses is how many places of the queue an agent keeps when it is empty; the set-up of a connection may have needed more.
const keptResponses = 4

// respond queues a response. Receive has seen to it that there is room.
func (a *Agent) respond(r response) { a.responses.Push(r) }

// transmitResponse appends the next response.
func (a *Agent) transmitResponse(dst []byte) (packet []byte, path Path, ok bool) {
	r, ok := a.responses.Pop()
	if !ok {
		if a.responses.Cap() > keptResponses {
			a.responses.Clear()
		}
		return dst, path, false
	}
	a.stats.ResponsesSent++
	return appendResponse(dst, &r), r.base.pathTo(r.remote), true
}

func appendResponse(dst []byte, r *response) []byte {
	class := stun.ClassSuccess
	if r.code != 0 {
		class = stun.ClassError
	}
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, class), r.id)
	switch {
	case r.code == 0:
		b.AddXORAddress(stun.AttributeXORMappedAddress, r.remote)
	default:
		b.AddErrorCode(r.code, stun.Reason(r.code))
		if r.code == stun.CodeUnknownAttribute {
			b.AddUnknownAttributes(r.unknown)
		}
	}
	// "The server MUST NOT include MESSAGE-INTEGRITY" in the response to a request that failed authentication
	// (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.3).
	if r.key != nil {
		b.AddIntegrity(r.key)
	}
	b.AddFingerprint()
	return b.Bytes()
}
