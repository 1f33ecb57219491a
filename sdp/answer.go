package sdp

import (
	"slices"
	"strings"
)

// Answer returns the skeleton of an answer to the offer d: a section for each offered one, in the
// same order and with the same kind and mid (RFC 3264, section 6). The session id and version, the
// session attributes and the address are left to the caller.
//
// accept is called for each offered section that is not rejected, which it must not change, and
// returns the section of the answer. In that section Kind and Mid are set; where Protocol, Formats
// or Direction are empty they are taken from the offer, Direction reversed. If accept reports false
// the answer has a [MediaDescription.Rejection], which is written with port 0, as it has for
// sections that are rejected in the offer. A nil accept rejects all.
//
// The BUNDLE groups of the answer are those of the offer without the rejected sections, in the same
// order (RFC 9143, section 7.3). The answer has the times of the offer. It shares memory with the
// offer only in sections that accept has returned.
func (d *Description) Answer(accept func(offered *MediaDescription) (section MediaDescription, ok bool)) *Description {
	answer := &Description{Times: cloneTimes(d.Times)}
	if len(d.Media) > 0 {
		answer.Media = make([]MediaDescription, 0, len(d.Media))
	}
	accepted := make(map[string]bool, len(d.Media))
	for i := range d.Media {
		offered := &d.Media[i]
		var section MediaDescription
		ok := false
		if accept != nil && !offered.rejected() {
			section, ok = accept(offered)
		}
		if !ok || section.Rejected {
			answer.Media = append(answer.Media, offered.Rejection())
			continue
		}
		section.Kind, section.Mid = offered.Kind, offered.Mid
		if section.Protocol == "" {
			section.Protocol = offered.Protocol
		}
		if len(section.Formats) == 0 {
			section.Formats = slices.Clone(offered.Formats)
		}
		if direction := d.DirectionOf(offered); section.Direction == DirectionUnspecified && direction != DirectionSendRecv {
			section.Direction = direction.Reverse()
		}
		accepted[offered.Mid] = true
		answer.Media = append(answer.Media, section)
	}
	for _, g := range d.Groups {
		if g.Semantics != SemanticsBundle {
			continue
		}
		mids := slices.DeleteFunc(slices.Clone(g.Mids), func(mid string) bool { return !accepted[mid] })
		if len(mids) > 0 {
			answer.Groups = append(answer.Groups, Group{Semantics: SemanticsBundle, Mids: mids})
		}
	}
	return answer
}

// Rejection returns the section of an answer that rejects an offered section: the same m= line with
// port 0 (RFC 8829, section 5.3.1; RFC 3264, section 6). The BUNDLE groups of the answer must not
// contain its mid.
//
// The formats are ignored, but there must be one (RFC 3264, section 6). For audio and video it is
// payload type 0, which needs no rtpmap: pion refuses a format without rtpmap even here. Firefox
// requires the format of a data channel section to be that of the offer.
func (m *MediaDescription) Rejection() MediaDescription {
	rejection := MediaDescription{
		Kind:     m.Kind,
		Protocol: m.Protocol,
		Formats:  slices.Clone(m.Formats),
		Mid:      m.Mid,
		Rejected: true,
	}
	if m.Kind == KindAudio || m.Kind == KindVideo {
		rejection.Formats = nil
	}
	return rejection
}

// Inactive returns a section that is part of a BUNDLE group with transport t and neither sends nor
// receives media. In an answer it accepts an offered section for the sake of its transport; in a
// later offer it repeats such a section.
//
// It has the formats of m and the attributes that identify their codecs, without which
// implementations find no common codec and reject the section: a=rtpmap, and of a=fmtp the
// parameters that distinguish formats of one encoding (apt of RFC 4588, the profiles and modes of
// H.264, H.265, VP9 and AV1). It has a=rtcp-mux if m has it, which bundled media requires (RFC
// 9143, section 9.3). It has no other attributes and parameters: an answer must not repeat those
// that it does not understand (RFC 3264, section 6).
func (m *MediaDescription) Inactive(t Transport) MediaDescription {
	section := MediaDescription{
		Kind:      m.Kind,
		Protocol:  m.Protocol,
		Formats:   slices.Clone(m.Formats),
		Mid:       m.Mid,
		Direction: DirectionInactive,
		Transport: t,
	}
	type described struct{ mapped, configured bool }
	formats := make(map[string]described, len(m.Formats))
	for _, format := range m.Formats {
		formats[format] = described{}
	}
	if m.Attributes.Has("rtcp-mux") {
		section.Attributes = append(section.Attributes, Attribute{Key: "rtcp-mux"})
	}
	for _, a := range m.Attributes {
		format, value := word(a.Value)
		is, ok := formats[format]
		switch {
		case !ok:
		case a.Key == "rtpmap" && !is.mapped:
			is.mapped = true
			section.Attributes = append(section.Attributes, Attribute{Key: a.Key, Value: a.Value})
		case a.Key == "fmtp" && !is.configured:
			if value = identifyingParameters(value); value != "" {
				is.configured = true
				section.Attributes = append(section.Attributes, Attribute{Key: a.Key, Value: format + " " + value})
			}
		}
		if ok {
			formats[format] = is
		}
	}
	return section
}

// identifyingParameters returns the parameters of a format ("apt=96;rtx-time=200") that identify
// its codec. Without them, an implementation takes the format for another one, or rejects the
// section because of retransmissions of no format.
func identifyingParameters(parameters string) string {
	var kept []string
	for parameter := range strings.SplitSeq(parameters, ";") {
		parameter = strings.TrimSpace(parameter)
		switch name, _, _ := strings.Cut(parameter, "="); strings.ToLower(name) {
		case "apt", // RFC 4588, section 8.1
			"profile-level-id", "packetization-mode", "level-asymmetry-allowed", // RFC 6184, section 8.2.2
			"profile-space", "profile-id", "tier-flag", "level-id", "tx-mode", // RFC 7798, section 7.2.2; RFC 9628, section 6.2
			"profile", "level-idx", "tier": // AV1's RTP payload format, section 7.2.3
			kept = append(kept, parameter)
		}
	}
	return strings.Join(kept, ";")
}
