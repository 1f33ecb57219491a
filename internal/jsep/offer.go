package jsep

import (
	"strconv"

	"github.com/rtcstack/rtcstack/sdp"
)

// checkOffer checks that an offer would have a section.
func (s *state) checkOffer() error {
	if s.wantData || s.currentLocal != nil && len(s.currentLocal.Media) > 0 {
		return nil
	}
	return statef("nothing to describe: there is no data channel")
}

// offer returns an offer. The sections that were agreed before remain in their order (RFC 8829,
// section 5.2.2).
func (tx *transition) offer() *sdp.Description {
	d := tx.description()
	t := tx.transport(*tx.offered(), sdp.SetupActpass)
	offered := false
	var previous *sdp.Group
	if current := tx.currentLocal; current != nil {
		for i := range current.Media {
			m := &current.Media[i]
			switch {
			case m.IsDataChannel() && !offered:
				offered = true
				d.Media = append(d.Media, tx.application(m.Mid, t))
				previous = current.BundleOf(m.Mid)
			case m.IsRTP() && !m.Rejected && !tx.rejectedByRemote(i):
				d.Media = append(d.Media, m.Inactive(t))
			default:
				d.Media = append(d.Media, m.Rejection())
			}
		}
	}
	if !offered && tx.wantData {
		d.Media = append(d.Media, tx.application(freeMid(d), t))
	}
	bundle(d, previous)
	return d
}

// rejectedByRemote reports whether the peer has rejected section i in the last agreement.
func (s *state) rejectedByRemote(i int) bool {
	return s.currentRemote != nil && i < len(s.currentRemote.Media) && s.currentRemote.Media[i].Rejected
}

// freeMid returns the first number that is not the mid of a section.
func freeMid(d *sdp.Description) string {
	taken := make(map[string]bool, len(d.Media))
	for i := range d.Media {
		taken[d.Media[i].Mid] = true
	}
	for i := 0; ; i++ {
		if mid := strconv.Itoa(i); !taken[mid] {
			return mid
		}
	}
}

// bundle groups all sections that are not rejected, those of the previous group first and in its
// order. The first one has the transport (RFC 9143, section 7.2.1), and it must remain the first as
// long as it is in the group.
func bundle(d *sdp.Description, previous *sdp.Group) {
	left := make(map[string]bool, len(d.Media))
	for i := range d.Media {
		if m := &d.Media[i]; !m.Rejected && m.Mid != "" {
			left[m.Mid] = true
		}
	}
	var mids []string
	take := func(mid string) {
		if left[mid] {
			left[mid] = false
			mids = append(mids, mid)
		}
	}
	if previous != nil {
		for _, mid := range previous.Mids {
			take(mid)
		}
	}
	for i := range d.Media {
		take(d.Media[i].Mid)
	}
	if mids != nil {
		d.Groups = []sdp.Group{{Semantics: sdp.SemanticsBundle, Mids: mids}}
	}
}
