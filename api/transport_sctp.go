package rtc

import (
	"cmp"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

// startSCTP makes the association, in the place of an earlier one. What the peer sends may come before the end of our side of the handshake
// is known, so there is one from the moment there is a DTLS association.
func (t *transport) startSCTP(remotePort uint16) {
	config := sctp.Config{
		SourcePort:      sdp.DefaultSCTPPort,
		DestinationPort: remotePort,
		MTU:             t.sctpMTU(),
		MaxMTU:          t.maxSCTPMTU(),
		MaxMessageSize:  max(t.settings.MaxMessageSize, dcep.MaxMessageSize),
		MaxStreams:      maxStreams,
		NoInterleaving:  t.tuning.noInterleaving,
		ZeroChecksum:    true, // DTLS protects every packet
		Logger:          t.layerLogger(),
	}
	cmp.Or(t.settings.SCTP, sctpSettings.Load()).apply(&config)
	t.sctp, t.up = sctp.New(config), false
	if t.established {
		t.sctp.Connect(t.now)
	}
}

// unacknowledged returns how much of what the association has been given the peer has not acknowledged, in bytes.
func (t *transport) unacknowledged() int {
	if t.sctp == nil {
		return 0
	}
	return t.sctp.BufferedAmount() + t.sctp.Undelivered()
}

// maxMessageSize returns the size in bytes of the largest message that can be sent.
func (t *transport) maxMessageSize() int {
	return int(min(t.remoteMessageLimit, uint64(t.settings.MaxMessageSize)))
}

// trim gives the memory of empty queues back.
func (t *transport) trim() {
	if t.sctp != nil {
		t.sctp.Trim()
	}
}
