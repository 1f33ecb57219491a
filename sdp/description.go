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
	portDiscard        = 9               // where the address is not known yet (RFC 8840)
	addressUnspecified = "0.0.0.0"       // likewise; also hides the origin (RFC 8829, section 5.2.1)
	legacyProtocol     = "DTLS/SCTP"     // of data channels before RFC 8841
	overTCP            = "TCP/DTLS/SCTP" // RFC 8841, section 4.1
)

const (
	// DefaultSCTPPort is the SCTP port of every known implementation.
	DefaultSCTPPort = 5000
	// DefaultMaxMessageSize is how much a peer that gives no a=max-message-size takes, in bytes
	// (RFC 8841, section 6.1).
	DefaultMaxMessageSize = 65536
)

// A Description is a session description in the terms of WebRTC (RFC 8829).
//
// The fields of the session part come first in the text, those of a [MediaDescription] in its
// section. To make an offer, fill in a literal; zero values are left out or have the meaning that
// their comment gives:
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
	Username       string // of the origin; empty is written "-"
	SessionID      uint64 // of the origin; the same for all descriptions of a connection, below 2^63 (RFC 8829, section 5.2.1)
	SessionVersion uint64 // of the origin; one more in each description that differs from the one before
	Address        string // of the origin; empty is written 0.0.0.0, which tells nobody anything
	// OriginText is the value of an o= line that the four fields above cannot express (a session id
	// that is not a number, missing fields), verbatim. If it is not empty, it is written in their
	// place.
	OriginText string

	Name        string      // s=; empty is written "-"
	Information string      // i=
	URI         string      // u=
	Emails      []string    // e=
	Phones      []string    // p=
	Connection  Connection  // c=, for the sections that have none
	Bandwidths  []Bandwidth // b=
	Times       []Time      // t=, r=, z=; none for the usual t=0 0

	Groups           []Group    // a=group
	ICELite          bool       // a=ice-lite (RFC 8839, section 5.3)
	ExtmapAllowMixed bool       // a=extmap-allow-mixed for all sections (RFC 8285, section 6)
	EndOfCandidates  bool       // a=end-of-candidates for all sections (RFC 8840)
	Direction        Direction  // for the sections that have none
	Attributes       Attributes // all others: msid-semantic, identity, ice-pacing, …
	Others           []Line     // lines that are not of the grammar

	// Transport holds for the sections that do not say otherwise; see TransportOf.
	Transport

	Media []MediaDescription
}

// A Group is an a=group line (RFC 5888, section 5).
type Group struct {
	Semantics string   // SemanticsBundle, "LS", …
	Mids      []string // in their order, which is significant: the first of a BUNDLE group has its transport
}

// A Transport is what identifies a transport and secures it: the attributes of ICE and DTLS, which
// can stand in the session part or in a media section.
type Transport struct {
	ICEUfrag     string        // a=ice-ufrag (RFC 8839, section 5.4)
	ICEPwd       string        // a=ice-pwd (RFC 8839, section 5.4)
	ICEOptions   []string      // a=ice-options: "trickle", "ice2", "renomination" (RFC 8839, section 5.6)
	Fingerprints []Fingerprint // a=fingerprint (RFC 8122, section 5)
	TLSID        string        // a=tls-id (RFC 8842, section 4)
	Setup        Setup         // a=setup (RFC 4145, section 4)
}

// Trickle reports whether candidates may follow later: the ICE options include "trickle" (RFC
// 8840). The option is what was declared; since every known WebRTC endpoint trickles, its absence
// need not mean more than an edited description.
func (t *Transport) Trickle() bool { return slices.Contains(t.ICEOptions, "trickle") }

// A MediaDescription is a media section in the terms of WebRTC.
type MediaDescription struct {
	Kind string // KindApplication, KindAudio, KindVideo or another

	// Port is written 0 when Rejected or, with BundleOnly, as it is; otherwise zero is written 9,
	// the discard port.
	Port      uint16
	PortCount uint16 // of "port/count", which WebRTC does not use
	Protocol  string // empty is written UDP/DTLS/SCTP for an application, UDP/TLS/RTP/SAVPF for others
	// Formats are the payload types, or the protocol of an application; empty is written
	// webrtc-datachannel for an application. Another section without a format cannot be used: it is
	// read and written as a rejected one, whose format is 0.
	Formats []string

	// Rejected says that the section is not in use: its port is 0 and it is not bundle-only (RFC
	// 8829, section 5.3.1), or it has no format. The port is then written as 0.
	Rejected bool
	// BundleOnly is a=bundle-only: use the section bundled or not at all (RFC 9143, section 6).
	// Ignored when Rejected.
	BundleOnly bool

	Title       string       // i=
	Connections []Connection // c=; none is written IN IP4 0.0.0.0, unless the session part has one
	Bandwidths  []Bandwidth  // b=

	Mid       string // a=mid (RFC 5888, section 4)
	Direction Direction

	// Transport is what the section itself says; see [Description.TransportOf].
	Transport

	// Candidates are the values of the a=candidate lines, verbatim and with their name:
	// "candidate:1 1 UDP …".
	Candidates      []string
	EndOfCandidates bool // a=end-of-candidates: no more will follow (RFC 8840)

	// The following are of data channel sections only; elsewhere such attributes stay in
	// Attributes.

	SCTPPort          uint16 // a=sctp-port (RFC 8841, section 5); 0 where there is none, then 5000 is meant
	SCTPClosed        bool   // a=sctp-port:0, which ends the association (RFC 8841, section 5.2)
	SCTPStreams       uint16 // number of streams in the old a=sctpmap; 0 where there is none
	MaxMessageSize    uint64 // a=max-message-size in bytes; 0 for unlimited (RFC 8841, section 6); see MessageLimit
	HasMaxMessageSize bool   // whether there is an a=max-message-size

	Attributes Attributes // all others
	Others     []Line     // lines that are not of the grammar
}

// Application returns the data channel section: the first that is not rejected, otherwise the first
// that is, nil where there is none. It points into d.Media.
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

// MediaByMid returns the section with the mid, nil where there is none. It points into d.Media.
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

// BundleOf returns the BUNDLE group of the mid, nil where it is in none. It points into d.Groups.
func (d *Description) BundleOf(mid string) *Group {
	for i := range d.Groups {
		g := &d.Groups[i]
		if mid != "" && g.Semantics == SemanticsBundle && slices.Contains(g.Mids, mid) {
			return g
		}
	}
	return nil
}

// TaggedOf returns the section whose transport m, which must be one of d.Media, uses: of a BUNDLE
// group the first section that is there and not rejected (the tagged section of RFC 9143, section
// 7.2.1), and m itself when it is rejected or in no group. It points into d.Media.
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

// TransportOf returns the transport that is in effect for a section, which must be one of d.Media.
//
// For a bundled section that is the one of the tagged section, see [Description.TaggedOf]:
// attributes of the categories TRANSPORT and IDENTICAL stand in that one alone (RFC 9143, section
// 7.1.3), and where others have them too, they mean transports that BUNDLE does away with. What the
// tagged section lacks is taken from the section itself, and then from the session part (RFC 8839,
// section 5.4; RFC 8122, section 5; RFC 4145, section 4). The slices are shared with d.
func (d *Description) TransportOf(m *MediaDescription) Transport {
	return d.transport(m, d.TaggedOf(m))
}

// transport is TransportOf for a section whose tagged section is known.
func (d *Description) transport(m, tagged *MediaDescription) Transport {
	t := tagged.Transport
	if tagged != m {
		t.complete(&m.Transport)
	}
	t.complete(&d.Transport)
	return t
}

// CandidatesOf returns the candidates of the transport that is in effect for a section, which must
// be one of d.Media, and whether no others will follow (a=end-of-candidates, RFC 8840). They are of
// the category TRANSPORT and so stand in the tagged section, see [Description.TaggedOf]; the
// section's own count where that one has none and the ICE credentials do not say that they are of
// another transport. The slice is shared with d.
func (d *Description) CandidatesOf(m *MediaDescription) (candidates []string, complete bool) {
	tagged := d.TaggedOf(m)
	candidates, complete = tagged.Candidates, d.EndOfCandidates || tagged.EndOfCandidates
	if tagged != m && len(candidates) == 0 && m.sharesICE(tagged) {
		candidates, complete = m.Candidates, complete || m.EndOfCandidates
	}
	return candidates, complete
}

// sharesICE reports whether the ICE credentials of the section itself, if it has any, are those of
// the other.
func (m *MediaDescription) sharesICE(other *MediaDescription) bool {
	return (m.ICEUfrag == "" || m.ICEUfrag == other.ICEUfrag) && (m.ICEPwd == "" || m.ICEPwd == other.ICEPwd)
}

// complete fills what t lacks from u.
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

// DirectionOf returns the direction that is in effect for a section: its own, that of the session
// part, or sendrecv.
func (d *Description) DirectionOf(m *MediaDescription) Direction {
	switch {
	case m.Direction != DirectionUnspecified:
		return m.Direction
	case d.Direction != DirectionUnspecified:
		return d.Direction
	}
	return DirectionSendRecv
}

// IsDataChannel reports whether the section is for data channels: an application over SCTP over
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

// legacyPort returns the SCTP port of a section that is written like those before RFC 8841
// ("m=application 9 DTLS/SCTP 5000"), and 0 for others. The form is kept in Protocol and Formats,
// and an answer has to repeat it.
func (m *MediaDescription) legacyPort() uint16 {
	if m.Kind != KindApplication || m.Protocol != legacyProtocol || len(m.Formats) == 0 {
		return 0
	}
	port, _ := parsePort(m.Formats[0])
	return port
}

// contradictsPort reports whether the fields say different things about the SCTP port of a data
// channel section.
func (m *MediaDescription) contradictsPort() bool {
	legacy := m.legacyPort()
	if m.SCTPClosed {
		return m.SCTPPort != 0 || m.SCTPStreams != 0 || legacy != 0
	}
	return legacy != 0 && m.SCTPPort != 0 && m.SCTPPort != legacy
}

// EffectiveSCTPPort returns the SCTP port to use: SCTPPort, that of the older form of the m= line,
// or 5000 where there is none. Not meaningful when SCTPClosed.
func (m *MediaDescription) EffectiveSCTPPort() uint16 {
	if m.SCTPPort != 0 {
		return m.SCTPPort
	}
	if legacy := m.legacyPort(); legacy != 0 {
		return legacy
	}
	return DefaultSCTPPort
}

// MessageLimit returns the size of the largest message that the writer of the description takes, in
// bytes: its a=max-message-size, 65536 where there is none (RFC 8841, section 6.1), or
// math.MaxUint64 where it says 0, which means any size.
func (m *MediaDescription) MessageLimit() uint64 {
	switch {
	case !m.HasMaxMessageSize:
		return DefaultMaxMessageSize
	case m.MaxMessageSize == 0:
		return math.MaxUint64
	}
	return m.MaxMessageSize
}

// IsRTP reports whether the section is for media over RTP (RFC 8866, section 5.14: "RTP/AVP",
// "UDP/TLS/RTP/SAVPF", …).
func (m *MediaDescription) IsRTP() bool {
	return strings.HasPrefix(m.Protocol, "RTP/") || strings.Contains(m.Protocol, "/RTP/")
}
