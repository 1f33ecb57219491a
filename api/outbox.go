package rtc

import (
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/sctp/dcep"
)

// outMessage is a message that is not passed to the transport yet.
type outMessage struct {
	data   *bufpool.Buffer
	ppid   uint32    // of a data channel
	since  time.Time // the beginning of its lifetime; zero: that is unlimited
	isText bool      // of a WebSocket
}

// size returns the bytes that count in the buffered amount.
func (m outMessage) size() int {
	switch m.ppid {
	case dcep.PPIDDCEP, dcep.PPIDStringEmpty, dcep.PPIDBinaryEmpty:
		return 0
	}
	return len(m.data.B)
}
