package rtc

import (
	"cmp"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sctp/dcep"
	"github.com/rtcstack/rtcstack/sdp"
)

// maxStreams is the number of streams that are requested in each direction: ids 0 to 1023.
const maxStreams = 1024

// startSCTP creates the association and replaces an earlier one. It does not wait for the DTLS
// handshake: packets of the peer may arrive before this side knows that the handshake is complete.
//
// RFC 8841, section 5.2: with port 0 the peer has no association. Then the new one is not used, and
// the earlier one ends without further packets, because the peer has closed its side.
func (t *transport) startSCTP(remotePort uint16) error {
	config := sctp.Config{
		SourcePort:      cmp.Or(t.tuning.sctpPort, sdp.DefaultSCTPPort),
		DestinationPort: remotePort,
		// No path has room for more.
		MTU:                 t.sctpMTU(link.IPUDPHeaders),
		MaxMTU:              t.maxSCTPMTU(link.IPUDPHeaders),
		MaxMessageSize:      min(max(t.settings.MaxMessageSize, dcep.MaxMessageSize), sctp.MaxBuffer),
		MaxStreams:          maxStreams,
		DisableInterleaving: t.tuning.noInterleaving,
		EnableZeroChecksum:  true, // DTLS protects every packet
		// Data channels need outgoing stream resets (RFC 8831, section 6.7), and Firefox adds
		// outgoing streams: it starts with 256.
		DisableRequests: sctp.RequestIncomingReset | sctp.RequestAssociationReset | sctp.RequestAddIncoming,
		Logger:          t.layerLogger(),
	}
	cmp.Or(t.settings.SCTP, sctpSettings.Load()).apply(&config)
	association, err := sctp.New(config)
	if err != nil {
		return err
	}
	t.sctp, t.sctpClosed, t.up = association, remotePort == 0, false
	if t.path != (ice.Path{}) {
		t.sctp.PathChanged(t.now, t.sctpMTU(t.overhead), t.maxSCTPMTU(t.overhead))
	}
	t.connectSCTP()
	return nil
}

// connectSCTP connects the association once the DTLS association is established.
func (t *transport) connectSCTP() {
	if t.established && !t.sctpClosed {
		t.sctp.Connect(t.now)
	}
}

// unacknowledged returns the number of bytes in the association that the peer has not acknowledged.
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

// trim releases the memory of empty queues.
func (t *transport) trim() {
	if t.sctp != nil {
		t.sctp.Trim()
	}
}

// transmitTo passes the packets of the association to a test.
func (t *transport) transmitTo(carry func(packet []byte)) {
	if t.sctp == nil {
		return
	}
	buf := make([]byte, 0, 2048)
	for packet, ok := t.sctp.Transmit(t.now, buf); ok; packet, ok = t.sctp.Transmit(t.now, buf) {
		carry(packet)
	}
}
