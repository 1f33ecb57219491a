package sdp

import (
	"fmt"
	"slices"
)

// Direction is the direction of the media of a section, from the view of the writer of the
// description (RFC 8866, section 6.7).
type Direction uint8

const (
	DirectionUnspecified Direction = iota // no attribute, which stands for sendrecv
	DirectionSendRecv
	DirectionSendOnly
	DirectionRecvOnly
	DirectionInactive
)

var directionNames = [...]string{"", "sendrecv", "sendonly", "recvonly", "inactive"}

// String returns the name of the attribute, or "" for DirectionUnspecified.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Reverse returns the direction for the other side, with sending and receiving exchanged. An answer
// may restrict it (RFC 3264, section 6.1).
func (d Direction) Reverse() Direction {
	switch d {
	case DirectionSendOnly:
		return DirectionRecvOnly
	case DirectionRecvOnly:
		return DirectionSendOnly
	}
	return d
}

// Sends reports whether the writer of the description sends media.
func (d Direction) Sends() bool {
	return d == DirectionUnspecified || d == DirectionSendRecv || d == DirectionSendOnly
}

// Receives reports whether the writer of the description receives media.
func (d Direction) Receives() bool {
	return d == DirectionUnspecified || d == DirectionSendRecv || d == DirectionRecvOnly
}

// parseDirection returns the direction of an attribute name.
func parseDirection(name string) (d Direction, ok bool) {
	i := slices.Index(directionNames[:], name)
	return Direction(max(i, 0)), i > 0
}
