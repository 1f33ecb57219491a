package rtc

import (
	"cmp"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

// maxStreams is the number of streams that are asked for, in each direction: ids 0 to 1023.
const maxStreams = 1024

// startSCTP makes the association, in the place of an earlier one. What the peer sends may come before the end of our side of the handshake
// is known, so there is one from the moment there is a DTLS association.
func (t *transport) startSCTP(remotePort uint16) error {
	config := sctp.Config{
		SourcePort:          sdp.DefaultSCTPPort,
		DestinationPort:     remotePort,
		MTU:                 t.sctpMTU(),
		MaxMTU:              t.maxSCTPMTU(),
		MaxMessageSize:      min(max(t.settings.MaxMessageSize, dcep.MaxMessageSize), sctp.MaxBuffer),
		MaxStreams:          maxStreams,
		DisableInterleaving: t.tuning.noInterleaving,
		EnableZeroChecksum:  true, // DTLS protects every packet
		// Data channels need resets of outgoing streams (RFC 8831, section 6.7), and Firefox, which begins with 256
		// streams, adds outgoing streams when it needs more.
		DisableRequests: sctp.RequestIncomingReset | sctp.RequestAssociationReset | sctp.RequestAddIncoming,
		Logger:          t.layerLogger(),
	}
	cmp.Or(t.settings.SCTP, sctpSettings.Load()).apply(&config)
	association, err := sctp.New(config)
	if err != nil {
		return err
	}
	t.sctp, t.up = association, false
	if t.established {
		t.sctp.Connect(t.now)
	}
	return nil
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

// transmitTo hands the packets of the association to a test.
func (t *transport) transmitTo(carry func(packet []byte)) {
	if t.sctp == nil {
		return
	}
	buf := make([]byte, 0, 2048)
	for packet, ok := t.sctp.Transmit(t.now, buf); ok; packet, ok = t.sctp.Transmit(t.now, buf) {
		carry(packet)
	}
}
