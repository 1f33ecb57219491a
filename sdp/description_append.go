package sdp

import (
	"strconv"
)

// String returns the text of the description, see [Description.Append].
func (d *Description) String() string {
	return string(d.Append(make([]byte, 0, 1024))) // of the stack; a data channel's description fits
}

// Append appends the text of the description to dst, its lines in the order that browsers use (RFC
// 8829, section 5.2.1). Values are written unchanged: a program that takes them from others calls
// Validate first. Append does not allocate if the capacity of dst is enough.
func (d *Description) Append(dst []byte) []byte {
	dst = append(dst, "v=0\r\no="...)
	if d.OriginText != "" {
		dst = append(dst, d.OriginText...)
		dst = append(dst, '\r', '\n')
	} else {
		dst = append(dst, orDefault(d.Username, "-")...)
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, d.SessionID, 10)
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, d.SessionVersion, 10)
		dst = append(dst, ' ')
		dst = appendAddress(dst, "", "", orDefault(d.Address, addressUnspecified))
	}
	dst = appendLine(dst, "s=", orDefault(d.Name, "-"))
	dst = appendHead(dst, d.Information, d.URI, d.Emails, d.Phones, d.Connection, d.Bandwidths)
	dst = appendTimes(dst, d.Times)

	for i := range d.Groups {
		dst = append(dst, "a=group:"...)
		dst = append(dst, d.Groups[i].Semantics...)
		for _, mid := range d.Groups[i].Mids {
			dst = append(dst, ' ')
			dst = append(dst, mid...)
		}
		dst = append(dst, '\r', '\n')
	}
	if d.ICELite {
		dst = append(dst, "a=ice-lite\r\n"...)
	}
	if d.ExtmapAllowMixed {
		dst = append(dst, "a=extmap-allow-mixed\r\n"...)
	}
	dst = d.Attributes.append(dst)
	dst = d.Transport.append(dst)
	dst = appendDirection(dst, d.Direction)
	if d.EndOfCandidates {
		dst = append(dst, "a=end-of-candidates\r\n"...)
	}
	dst = appendOthers(dst, d.Others)
	for i := range d.Media {
		dst = d.Media[i].append(dst, d.Connection == Connection{})
	}
	return dst
}

// String returns the text of the section, see [MediaDescription.Append].
func (m *MediaDescription) String() string { return string(m.Append(nil)) }

// Append appends the text of the section to dst, from its m= line on. It does not allocate if the
// capacity of dst is enough.
func (m *MediaDescription) Append(dst []byte) []byte { return m.append(dst, true) }

// append is Append. If connection is false, it adds no c= line to a section without one, since that
// of the session part applies.
func (m *MediaDescription) append(dst []byte, connection bool) []byte {
	dst = m.appendFirst(dst)
	dst = appendOptional(dst, "i=", m.Title)
	for _, c := range m.Connections {
		dst = c.append(dst)
	}
	if connection && len(m.Connections) == 0 {
		dst = Connection{}.append(dst)
	}
	for _, b := range m.Bandwidths {
		dst = b.append(dst)
	}
	for _, c := range m.Candidates {
		dst = appendLine(dst, "a=", c)
	}
	if m.EndOfCandidates {
		dst = append(dst, "a=end-of-candidates\r\n"...)
	}
	dst = m.Transport.append(dst)
	dst = appendOptional(dst, "a=mid:", m.Mid)
	if m.BundleOnly && !m.rejected() {
		dst = append(dst, "a=bundle-only\r\n"...)
	}
	dst = appendDirection(dst, m.Direction)
	dst = m.Attributes.append(dst)
	if m.IsDataChannel() {
		dst = m.appendSCTP(dst)
	}
	return appendOthers(dst, m.Others)
}

// rejected reports whether the section is written as rejected.
func (m *MediaDescription) rejected() bool {
	return m.Rejected || len(m.Formats) == 0 && m.Kind != KindApplication
}

// appendFirst appends the m= line.
func (m *MediaDescription) appendFirst(dst []byte) []byte {
	port, protocol := m.Port, m.Protocol
	switch {
	case m.rejected():
		port = 0
	case port == 0 && !m.BundleOnly:
		port = portDiscard
	}
	if protocol == "" {
		protocol = ProtocolMedia
		if m.Kind == KindApplication {
			protocol = ProtocolDataChannel
		}
	}
	if len(m.Formats) > 0 {
		return appendMediaLine(dst, m.Kind, port, m.PortCount, protocol, m.Formats)
	}
	format := "0"
	if m.Kind == KindApplication {
		format = FormatDataChannel
	}
	return appendMediaLine(dst, m.Kind, port, m.PortCount, protocol, []string{format})
}

// appendSCTP appends the attributes of RFC 8841, or a=sctpmap for a section of the older form.
func (m *MediaDescription) appendSCTP(dst []byte) []byte {
	legacy := m.legacyPort() != 0
	switch {
	case legacy:
		// The port is the format of the m= line.
	case m.SCTPClosed:
		dst = appendNumber(dst, "a=sctp-port:", 0)
	case m.SCTPPort != 0:
		dst = appendNumber(dst, "a=sctp-port:", uint64(m.SCTPPort))
	}
	if legacy || m.SCTPStreams != 0 {
		dst = append(dst, "a=sctpmap:"...)
		dst = strconv.AppendUint(dst, uint64(m.EffectiveSCTPPort()), 10)
		dst = append(dst, " "+FormatDataChannel...)
		if m.SCTPStreams != 0 {
			dst = append(dst, ' ')
			dst = strconv.AppendUint(dst, uint64(m.SCTPStreams), 10)
		}
		dst = append(dst, '\r', '\n')
	}
	if m.HasMaxMessageSize {
		dst = appendNumber(dst, "a=max-message-size:", m.MaxMessageSize)
	}
	return dst
}

func (t *Transport) append(dst []byte) []byte {
	dst = appendOptional(dst, "a=ice-ufrag:", t.ICEUfrag)
	dst = appendOptional(dst, "a=ice-pwd:", t.ICEPwd)
	for i, option := range t.ICEOptions {
		if i == 0 {
			dst = append(dst, "a=ice-options:"...)
		} else {
			dst = append(dst, ' ')
		}
		dst = append(dst, option...)
		if i == len(t.ICEOptions)-1 {
			dst = append(dst, '\r', '\n')
		}
	}
	for _, f := range t.Fingerprints {
		dst = append(dst, "a=fingerprint:"...)
		dst = f.append(dst)
		dst = append(dst, '\r', '\n')
	}
	if t.Setup != SetupUnspecified {
		dst = appendLine(dst, "a=setup:", t.Setup.String())
	}
	return appendOptional(dst, "a=tls-id:", t.TLSID)
}

func appendDirection(dst []byte, d Direction) []byte {
	if d == DirectionUnspecified {
		return dst
	}
	return appendLine(dst, "a=", d.String())
}
