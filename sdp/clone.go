package sdp

import (
	"bytes"
	"slices"
)

// Clone returns a copy that shares no memory with the session that can be changed.
func (s *Session) Clone() *Session {
	c := *s
	c.Emails = slices.Clone(s.Emails)
	c.Phones = slices.Clone(s.Phones)
	c.Bandwidths = slices.Clone(s.Bandwidths)
	c.Times = cloneTimes(s.Times)
	c.Attributes = slices.Clone(s.Attributes)
	c.Others = slices.Clone(s.Others)
	c.Media = slices.Clone(s.Media)
	for i := range c.Media {
		m := &c.Media[i]
		m.Formats = slices.Clone(m.Formats)
		m.Connections = slices.Clone(m.Connections)
		m.Bandwidths = slices.Clone(m.Bandwidths)
		m.Attributes = slices.Clone(m.Attributes)
		m.Others = slices.Clone(m.Others)
	}
	return &c
}

// Clone returns a copy that shares no memory with the description that can be changed.
func (d *Description) Clone() *Description {
	c := *d
	c.Emails = slices.Clone(d.Emails)
	c.Phones = slices.Clone(d.Phones)
	c.Bandwidths = slices.Clone(d.Bandwidths)
	c.Times = cloneTimes(d.Times)
	c.Groups = slices.Clone(d.Groups)
	for i := range c.Groups {
		c.Groups[i].Mids = slices.Clone(c.Groups[i].Mids)
	}
	c.Attributes = slices.Clone(d.Attributes)
	c.Others = slices.Clone(d.Others)
	c.Transport = d.Transport.Clone()
	c.Media = slices.Clone(d.Media)
	for i := range c.Media {
		c.Media[i] = c.Media[i].Clone()
	}
	return &c
}

// Clone returns a copy that shares no memory with the section that can be changed.
func (m *MediaDescription) Clone() MediaDescription {
	c := *m
	c.Formats = slices.Clone(m.Formats)
	c.Connections = slices.Clone(m.Connections)
	c.Bandwidths = slices.Clone(m.Bandwidths)
	c.Transport = m.Transport.Clone()
	c.Candidates = slices.Clone(m.Candidates)
	c.Attributes = slices.Clone(m.Attributes)
	c.Others = slices.Clone(m.Others)
	return c
}

// Clone returns a copy that shares no memory with the transport that can be changed.
func (t *Transport) Clone() Transport {
	c := *t
	c.ICEOptions = slices.Clone(t.ICEOptions)
	c.Fingerprints = slices.Clone(t.Fingerprints)
	for i := range c.Fingerprints {
		c.Fingerprints[i].Value = bytes.Clone(c.Fingerprints[i].Value)
	}
	return c
}

func cloneTimes(times []Time) []Time {
	c := slices.Clone(times)
	for i := range c {
		c[i].Repeats = slices.Clone(c[i].Repeats)
	}
	return c
}
