package sctp

import (
	"fmt"
	"math/bits"
	"strings"
)

// ReconfigRequests is a set of the requests of RFC 6525, section 4, that a peer can make. See
// [Config.DisableRequests].
type ReconfigRequests uint8

// The requests.
const (
	// RequestOutgoingReset: the peer resets streams of its own. WebRTC closes data channels so (RFC
	// 8831, section 6.7).
	RequestOutgoingReset ReconfigRequests = 1 << iota
	// RequestIncomingReset: the peer asks this side to reset streams of its own.
	RequestIncomingReset
	// RequestAssociationReset: the peer asks for a reset of all SSNs and TSNs of both sides.
	RequestAssociationReset
	// RequestAddOutgoing: the peer adds streams of its own.
	RequestAddOutgoing
	// RequestAddIncoming: the peer asks this side to add streams of its own.
	RequestAddIncoming

	allRequests = RequestAddIncoming<<1 - 1
)

var requestNames = [...]string{"outgoing-reset", "incoming-reset", "association-reset", "add-outgoing", "add-incoming"}

// String returns the names of the requests in lower case, separated by commas; "none" for the empty
// set.
func (r ReconfigRequests) String() string {
	if r == 0 {
		return "none"
	}
	var names []string
	for rest := uint8(r); rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros8(rest); i < len(requestNames) {
			names = append(names, requestNames[i])
		} else {
			names = append(names, fmt.Sprintf("request %#x", 1<<i))
		}
	}
	return strings.Join(names, ",")
}

// has reports whether a request of that kind is in the set. The bits have the order of requestKind.
func (r ReconfigRequests) has(k requestKind) bool { return r>>(k-1)&1 != 0 }
