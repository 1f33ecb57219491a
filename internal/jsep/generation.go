package jsep

import (
	"slices"

	"github.com/rtcstack/rtcstack/internal/icechars"
	"github.com/rtcstack/rtcstack/sdp"
)

// A generation is the local side of an ICE session. It is never modified: changes replace it.
type generation struct {
	Credentials
	shown      bool     // in a local description that was set: its candidates are being gathered
	candidates []string // as in a=candidate lines
	complete   bool     // all candidates were found
}

func (c *Config) generation() *generation {
	ufrag, pwd := c.Credentials()
	return &generation{Credentials: Credentials{ufrag, pwd}}
}

// isIn reports whether the description has the credentials of the generation.
func (g *generation) isIn(d *sdp.Description) bool {
	m := transportSection(d)
	return m != nil && credentialsOf(d, m) == g.Credentials
}

// credentialsOf returns the ICE credentials in effect for a section.
func credentialsOf(d *sdp.Description, m *sdp.MediaDescription) Credentials {
	t := d.TransportOf(m)
	return Credentials{t.ICEUfrag, t.ICEPwd}
}

func (s *state) prepareNext(config *Config) {
	if s.next == nil {
		s.next = config.generation()
	}
}

// generationOf returns the generation with the ufrag, nil if it is neither in use nor to be used
// next.
func (s *state) generationOf(ufrag string) **generation {
	switch {
	case s.local.Ufrag == ufrag:
		return &s.local
	case s.next != nil && s.next.Ufrag == ufrag:
		return &s.next
	}
	return nil
}

// LocalInit chooses the ICE credentials of a local description: both or none.
type LocalInit struct {
	Ufrag, Pwd string
}

// choose replaces the credentials of a generation by those that the owner has chosen. That is
// possible until a description with others was set.
func (init LocalInit) choose(g **generation) error {
	if init == (LocalInit{}) {
		return nil
	}
	chosen := Credentials(init)
	switch {
	case (init.Ufrag == "") != (init.Pwd == ""):
		return invalidf("ICE credentials: only one of ufrag and password is given")
	case !icechars.Valid(init.Ufrag, icechars.MinUfrag, icechars.MaxUfrag) ||
		!icechars.Valid(init.Pwd, icechars.MinPwd, icechars.MaxPwd):
		return invalidf("ICE credentials: not %d to %d and %d to %d letters, digits, '+' and '/'",
			icechars.MinUfrag, icechars.MaxUfrag, icechars.MinPwd, icechars.MaxPwd)
	case (*g).Credentials == chosen:
		return nil
	case (*g).shown:
		return statef("the ICE credentials cannot change after gathering has begun, except in a restart")
	}
	*g = &generation{Credentials: chosen}
	return nil
}

// gather marks the generation of the new local description as shown, and requests its candidates if
// it was not shown before.
func (tx *transition) gather(d *described) {
	m := transportSection(d.Description)
	if m == nil {
		return
	}
	g := tx.generationOf(d.TransportOf(m).ICEUfrag)
	if (*g).shown {
		return
	}
	shown := **g
	shown.shown = true
	*g = &shown
	tx.out.Gather = &Gather{shown.Credentials, tx.link == nil && d.typ == Offer && !tx.config.ICELite}
}

// Gathered returns the local ICE generation in the local description, or that for the first one. It
// also reports whether gathering of its candidates has begun, and whether it is complete.
func (m *Machine) Gathered() (c Credentials, begun, complete bool) {
	g := m.s.local
	if d := m.s.lastLocal(); d != nil && m.s.next != nil && m.s.next.isIn(d.Description) {
		g = m.s.next
	}
	return g.Credentials, g.shown, g.complete
}

// AddLocalCandidate records a candidate that was found for the local generation with the ufrag, as
// in an a=candidate line. Local descriptions show it in the section that has the transport (RFC
// 9143, section 7.1.3). It reports false if there is no such generation, or no more.
func (m *Machine) AddLocalCandidate(ufrag, candidate string) bool {
	g := m.s.generationOf(ufrag)
	if g == nil {
		return false
	}
	next := **g
	next.candidates = append(slices.Clip(next.candidates), candidate)
	*g = &next
	return true
}

// LocalComplete records that all candidates of the local generation with the ufrag were found. It
// reports false if there is no such generation, or no more.
func (m *Machine) LocalComplete(ufrag string) bool {
	g := m.s.generationOf(ufrag)
	if g == nil {
		return false
	}
	next := **g
	next.complete = true
	*g = &next
	return true
}

// Mid returns the mid of the section that has the transport, which local candidates are announced
// with: that of the answer once there is one. It is empty without a data section.
func (m *Machine) Mid() string {
	d := m.s.lastLocal()
	if r := m.s.lastRemote(); r != nil && r.typ != Offer {
		d = r
	}
	if d == nil {
		return ""
	}
	section := d.Application()
	if section == nil {
		return ""
	}
	return d.TaggedOf(section).Mid
}

// text writes a local description with the candidates that are known of its generation.
func (s *state) text(d *described) Description {
	m := transportSection(d.Description)
	if m == nil {
		return Description{d.typ, d.String()}
	}
	g := s.generationOf(d.TransportOf(m).ICEUfrag)
	if g == nil {
		return Description{d.typ, d.String()}
	}
	copied := withCandidates(d.Description, (*g).candidates, (*g).complete)
	return Description{d.typ, copied.String()}
}

// withCandidates returns a copy of the description that has the candidates in the section that has
// the transport. It shares everything else.
func withCandidates(d *sdp.Description, candidates []string, complete bool) *sdp.Description {
	copied := *d
	copied.Media = append([]sdp.MediaDescription(nil), d.Media...)
	tagged := copied.TaggedOf(transportSection(&copied))
	tagged.Candidates, tagged.EndOfCandidates = candidates, complete
	return &copied
}
