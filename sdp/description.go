package sdp

import (
	"math"
	"slices"
	"strings"
)

// Words of the m= lines of WebRTC.
const (
	KindApplication = "application"
	KindAudio       = "audio"
	KindVideo       = "video"

	ProtocolDataChannel = "UDP/DTLS/SCTP"      // of data channels (RFC 8841, section 4.1)
	ProtocolMedia       = "UDP/TLS/RTP/SAVPF"  // of audio and video (RFC 8829, section 5.1.2)
	FormatDataChannel   = "webrtc-datachannel" // of data channels (RFC 8841, section 4.3)
	SemanticsBundle     = "BUNDLE"             // of a [Group] (RFC 9143, section 5)
)

const (
	portDiscard        = 9               // while the address is not known (RFC 8840)
	addressUnspecified = "0.0.0.0"       // likewise; also in the origin (RFC 8829, section 5.2.1)
	legacyProtocol     = "DTLS/SCTP"     // of data channels before RFC 8841
	overTCP            = "TCP/DTLS/SCTP" // RFC 8841, section 4.1
)

const (
	// DefaultSCTPPort is the SCTP port of every known implementation.
	DefaultSCTPPort = 5000
	// DefaultMaxMessageSize is the largest message in bytes that a peer without a=max-message-size
	// accepts (RFC 8841, section 6.1).
	DefaultMaxMessageSize = 65536
)

// A Description is a session description in the terms of WebRTC (RFC 8829).
//
// Its own fields are those of the session part, before the first section. An offer is a literal;
// fields with zero values are not written, unless their comments define otherwise:
//
//	offer := sdp.Description{
//		SessionID:      id,
//		SessionVersion: 1,
//		Groups:         []sdp.Group{{Semantics: sdp.SemanticsBundle, Mids: []string{"0"}}},
//		Media: []sdp.MediaDescription{{
//			Kind: sdp.KindApplication,
//			Mid:  "0",
//			Transport: sdp.Transport{
//				ICEUfrag: ufrag, ICEPwd: pwd, ICEOptions: []string{"trickle"},
//				Fingerprints: fingerprints, Setup: sdp.SetupActpass,
//			},
//			SCTPPort: 5000,
//		}},
//	}
//	text := offer.String()
type Description struct {
	Username string // of the origin; empty is written "-"
	// SessionID and SessionVersion are of the origin. The id, below 2^63, is the same in all
	// descriptions of a connection; the version is increased by one in each description that
	// differs from the one before (RFC 8829, section 5.2.1).
	SessionID, SessionVersion uint64
	Address                   string // of the origin; empty is written 0.0.0.0, which reveals nothing
	// OriginText is the value of an o= line that the four fields above cannot express (a session id
	// that is not a number, missing fields), verbatim. If it is not empty, it is written instead of
	// them.
	OriginText string

	Name        string      // s=; empty is written "-"
	Information string      // i=
	URI         string      // u=
	Emails      []string    // e=
	Phones      []string    // p=
	Connection  Connection  // c=, of the sections without one
	Bandwidths  []Bandwidth // b=
	Times       []Time      // t=, r=, z=; none is written t=0 0

	Groups           []Group    // a=group
	ICELite          bool       // a=ice-lite (RFC 8839, section 5.3)
	ExtmapAllowMixed bool       // a=extmap-allow-mixed for all sections (RFC 8285, section 6)
	EndOfCandidates  bool       // a=end-of-candidates for all sections (RFC 8840)
	Direction        Direction  // of the sections without one
	Attributes       Attributes // all others: msid-semantic, identity, ice-pacing, …
	Others           []Line     // lines that are not of the grammar

	// Transport applies to the sections without attributes of their own; see TransportOf.
	Transport

	Media []MediaDescription
}

// A Group is an a=group line (RFC 5888, section 5).
type Group struct {
	Semantics string   // SemanticsBundle, "LS", …
	Mids      []string // in their order: the first section of a BUNDLE group has its transport
}

// A Transport has the attributes of ICE and DTLS, which occur in the session part or in a section.
type Transport struct {
	ICEUfrag     string        // a=ice-ufrag (RFC 8839, section 5.4)
	ICEPwd       string        // a=ice-pwd (RFC 8839, section 5.4)
	ICEOptions   []string      // a=ice-options: "trickle", "ice2", "renomination" (RFC 8839, section 5.6)
	Fingerprints []Fingerprint // a=fingerprint (RFC 8122, section 5)
	TLSID        string        // a=tls-id (RFC 8842, section 4)
	Setup        Setup         // a=setup (RFC 4145, section 4)
}

// Trickle reports whether the ICE options include "trickle": the endpoint supports candidates that
// follow later (RFC 8840). Every known WebRTC endpoint does; the option may still be absent from a
// description that was edited.
func (t *Transport) Trickle() bool { return slices.Contains(t.ICEOptions, "trickle") }

// A MediaDescription is a media section in the terms of WebRTC.
type MediaDescription struct {
	Kind string // KindApplication, KindAudio, KindVideo or another

	// Port is written as 0 if Rejected. Otherwise 0 is written as 9, the discard port, unless
	// BundleOnly.
	Port      uint16
	PortCount uint16 // of "port/count", which WebRTC does not use
	Protocol  string // empty is written UDP/DTLS/SCTP for an application, UDP/TLS/RTP/SAVPF for others
	// Formats are the payload types, or the protocol of an application. For an application, empty
	// is written webrtc-datachannel. Any other section without a format is unusable: it is parsed
	// and written as rejected, with the format 0.
	Formats []string

	// Rejected is set for a section that is not in use: its port is 0 and it is not bundle-only
	// (RFC 8829, section 5.3.1), or it has no format.
	Rejected bool
	// BundleOnly is a=bundle-only: the section is not to be used without its BUNDLE group (RFC
	// 9143, section 6). Ignored if Rejected.
	BundleOnly bool

	Title       string       // i=
	Connections []Connection // c=; none is written IN IP4 0.0.0.0 if the session part has none either
	Bandwidths  []Bandwidth  // b=

	Mid       string // a=mid (RFC 5888, section 4)
	Direction Direction

	// Transport has the attributes of the section itself. [Description.TransportOf] returns those
	// in effect.
	Transport

	// Candidates are the a=candidate lines, verbatim, from the name on: "candidate:1 1 UDP …". This
	// is the form that [github.com/rtcstack/rtcstack/ice.ParseCandidate] parses, and Append of its
	// result makes.
	Candidates      []string
	EndOfCandidates bool // a=end-of-candidates: no more will follow (RFC 8840)

	// The following belong to data channel sections; other sections keep such attributes in
	// Attributes.

	SCTPPort          uint16 // a=sctp-port (RFC 8841, section 5); 0: none, which means 5000
	SCTPClosed        bool   // a=sctp-port:0, which ends the association (RFC 8841, section 5.2)
	SCTPStreams       uint16 // number of streams in the older a=sctpmap; 0: none
	MaxMessageSize    uint64 // a=max-message-size in bytes (RFC 8841, section 6); see MessageLimit
	HasMaxMessageSize bool   // whether there is an a=max-message-size

	Attributes Attributes // all others
	Others     []Line     // lines that are not of the grammar
}

// Application returns the first data channel section that is not rejected, or else the first one
// that is, or nil. The result points into d.Media.
func (d *Description) Application() *MediaDescription {
	var rejected *MediaDescription
	for i := range d.Media {
		m := &d.Media[i]
		if !m.IsDataChannel() {
			continue
		}
		if !m.Rejected {
			return m
		}
		if rejected == nil {
			rejected = m
		}
	}
	return rejected
}

// MediaByMid returns the first section with the mid, or nil. The result points into d.Media.
func (d *Description) MediaByMid(mid string) *MediaDescription {
	if mid == "" {
		return nil
	}
	for i := range d.Media {
		if d.Media[i].Mid == mid {
			return &d.Media[i]
		}
	}
	return nil
}

// BundleOf returns the BUNDLE group that contains the mid, or nil. The result points into d.Groups.
func (d *Description) BundleOf(mid string) *Group {
	for i := range d.Groups {
		g := &d.Groups[i]
		if mid != "" && g.Semantics == SemanticsBundle && slices.Contains(g.Mids, mid) {
			return g
		}
	}
	return nil
}

// TaggedOf returns the section whose transport m uses; m must point into d.Media. If m is in a
// BUNDLE group, that is the tagged section (RFC 9143, section 7.2.1): the first section of the
// group that exists and is not rejected. If m is rejected or in no group, it is m itself. The
// result points into d.Media.
func (d *Description) TaggedOf(m *MediaDescription) *MediaDescription {
	if m.Rejected {
		return m
	}
	g := d.BundleOf(m.Mid)
	if g == nil {
		return m
	}
	if first := d.MediaByMid(g.Mids[0]); first != nil && !first.Rejected {
		return first
	}
	sections := make(map[string]*MediaDescription, len(d.Media))
	for i := range d.Media {
		if s := &d.Media[i]; !s.Rejected && sections[s.Mid] == nil {
			sections[s.Mid] = s
		}
	}
	for _, mid := range g.Mids {
		if s := sections[mid]; s != nil {
			return s
		}
	}
	return m
}

// TransportOf returns the transport in effect for a section; m must point into d.Media.
//
// For a bundled section it is the transport of the tagged section, see [Description.TaggedOf].
// Attributes of the categories TRANSPORT and IDENTICAL belong there (RFC 9143, section 7.1.3);
// those of the other sections describe transports that are not used. Attributes that the tagged
// section lacks are taken from the section itself, and then from the session part (RFC 8839,
// section 5.4; RFC 8122, section 5; RFC 4145, section 4). The slices are shared with d.
func (d *Description) TransportOf(m *MediaDescription) Transport {
	return d.transport(m, d.TaggedOf(m))
}

// transport is TransportOf for a section with a known tagged section.
func (d *Description) transport(m, tagged *MediaDescription) Transport {
	t := tagged.Transport
	if tagged != m {
		t.complete(&m.Transport)
	}
	t.complete(&d.Transport)
	return t
}

// CandidatesOf returns the candidates of the transport in effect for a section; m must point into
// d.Media. complete reports whether no others will follow (a=end-of-candidates, RFC 8840).
//
// The candidates are those of the tagged section, see [Description.TaggedOf]. If it has none, they
// are those of the section itself, unless its ICE credentials belong to another transport. The
// slice is shared with d. [github.com/rtcstack/rtcstack/ice.ParseCandidate] parses a candidate.
func (d *Description) CandidatesOf(m *MediaDescription) (candidates []string, complete bool) {
	tagged := d.TaggedOf(m)
	candidates, complete = tagged.Candidates, d.EndOfCandidates || tagged.EndOfCandidates
	if tagged != m && len(candidates) == 0 && m.sharesICE(tagged) {
		candidates, complete = m.Candidates, complete || m.EndOfCandidates
	}
	return candidates, complete
}

// sharesICE reports whether the section has no ICE credentials of its own, or those of the other
// section.
func (m *MediaDescription) sharesICE(other *MediaDescription) bool {
	return (m.ICEUfrag == "" || m.ICEUfrag == other.ICEUfrag) && (m.ICEPwd == "" || m.ICEPwd == other.ICEPwd)
}

// complete copies the attributes that t lacks from u.
func (t *Transport) complete(u *Transport) {
	if t.ICEUfrag == "" {
		t.ICEUfrag = u.ICEUfrag
	}
	if t.ICEPwd == "" {
		t.ICEPwd = u.ICEPwd
	}
	if len(t.ICEOptions) == 0 {
		t.ICEOptions = u.ICEOptions
	}
	if len(t.Fingerprints) == 0 {
		t.Fingerprints = u.Fingerprints
	}
	if t.TLSID == "" {
		t.TLSID = u.TLSID
	}
	if t.Setup == SetupUnspecified {
		t.Setup = u.Setup
	}
}

// DirectionOf returns the direction in effect for a section: its own, or else that of the session
// part, or else sendrecv.
func (d *Description) DirectionOf(m *MediaDescription) Direction {
	switch {
	case m.Direction != DirectionUnspecified:
		return m.Direction
	case d.Direction != DirectionUnspecified:
		return d.Direction
	}
	return DirectionSendRecv
}

// IsDataChannel reports whether the section describes data channels: an application over SCTP over
// DTLS, in the form of RFC 8841 or the older one.
func (m *MediaDescription) IsDataChannel() bool {
	if m.Kind != KindApplication {
		return false
	}
	switch m.Protocol {
	case "":
		return len(m.Formats) == 0 || m.Formats[0] == FormatDataChannel
	case ProtocolDataChannel, overTCP, legacyProtocol:
		return m.Rejected || len(m.Formats) == 0 || m.Formats[0] == FormatDataChannel || m.legacyPort() != 0
	}
	return false
}

// legacyPort returns the SCTP port of a section in the form before RFC 8841 ("m=application 9
// DTLS/SCTP 5000"), and 0 for other sections. Protocol and Formats keep the form, which an answer
// must repeat.
func (m *MediaDescription) legacyPort() uint16 {
	if m.Kind != KindApplication || m.Protocol != legacyProtocol || len(m.Formats) == 0 {
		return 0
	}
	port, _ := parsePort(m.Formats[0])
	return port
}

// contradictsPort reports whether the fields of a data channel section have different SCTP ports.
func (m *MediaDescription) contradictsPort() bool {
	legacy := m.legacyPort()
	if m.SCTPClosed {
		return m.SCTPPort != 0 || m.SCTPStreams != 0 || legacy != 0
	}
	return legacy != 0 && m.SCTPPort != 0 && m.SCTPPort != legacy
}

// EffectiveSCTPPort returns the SCTP port in effect: SCTPPort, or else that of the older form of
// the m= line, or else 5000. It has no meaning if SCTPClosed.
func (m *MediaDescription) EffectiveSCTPPort() uint16 {
	if m.SCTPPort != 0 {
		return m.SCTPPort
	}
	if legacy := m.legacyPort(); legacy != 0 {
		return legacy
	}
	return DefaultSCTPPort
}

// MessageLimit returns the size in bytes of the largest message that the writer of the description
// accepts: its a=max-message-size, 65536 if there is none (RFC 8841, section 6.1), or
// math.MaxUint64 for the value 0, which means any size.
func (m *MediaDescription) MessageLimit() uint64 {
	switch {
	case !m.HasMaxMessageSize:
		return DefaultMaxMessageSize
	case m.MaxMessageSize == 0:
		return math.MaxUint64
	}
	return m.MaxMessageSize
}

// IsRTP reports whether the protocol of the section is RTP (RFC 8866, section 5.14), such as
// "RTP/AVP" or "UDP/TLS/RTP/SAVPF".
func (m *MediaDescription) IsRTP() bool {
	return strings.HasPrefix(m.Protocol, "RTP/") || strings.Contains(m.Protocol, "/RTP/")
}
