package jsep

import (
	"errors"
	"slices"
	"strings"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
)

// maxRemoteCandidates bounds the candidates that are added to a remote description. Peers rarely
// have more than two dozen; the ICE agent has bounds of its own.
const maxRemoteCandidates = 64

// CandidateUse is the action of the owner for a remote candidate.
type CandidateUse uint8

const (
	// CandidateIgnored: the candidate is not of the described transport and generation.
	CandidateIgnored CandidateUse = iota
	// CandidateKept: the candidate is of a generation that is not agreed yet. It will be in
	// [Transport.RemoteCandidates].
	CandidateKept
	// CandidateReady: the candidate is to be passed to ICE now.
	CandidateReady
	// CandidatesComplete: all candidates of the generation in use are known, which is to be
	// reported to ICE now.
	CandidatesComplete
)

// AddRemoteCandidate adds a candidate that the peer has sent after its description, with or without
// "a=", and records it in the remote description. mid may be empty. It ignores candidates of an
// unknown type or transport protocol, of another section than those of the transport, and of
// another generation (RFC 8838, section 9). The candidate returned is meaningful with
// CandidateReady.
//
// The error matches [ErrState] if there is no remote description, and [ErrInvalid] for a malformed
// candidate.
func (m *Machine) AddRemoteCandidate(text, mid string) (CandidateUse, ice.Candidate, error) {
	none := ice.Candidate{}
	remote := m.s.lastRemote()
	if remote == nil {
		return CandidateIgnored, none, statef("there is no remote description")
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "a=")
	if text == "" {
		return CandidateIgnored, none, nil
	}
	end := text == "end-of-candidates"
	var candidate ice.Candidate
	if !end {
		var err error
		candidate, err = ice.ParseCandidate(text)
		switch {
		case errors.Is(err, ice.ErrUnsupportedCandidate):
			return CandidateIgnored, none, nil
		case err != nil:
			return CandidateIgnored, none, &Error{Kind: ErrInvalid, Err: err}
		}
	}
	section := transportSection(remote.Description)
	if section == nil || !sameTransport(remote.Description, section, mid) ||
		!sameGeneration(candidate, remote.TransportOf(section).ICEUfrag) {
		return CandidateIgnored, none, nil
	}
	m.s.record(remote, section, text, end)
	ready := m.s.link != nil && m.s.link.remote == credentialsOf(remote.Description, section)
	switch {
	case !ready:
		return CandidateKept, none, nil
	case end:
		return CandidatesComplete, none, nil
	}
	return CandidateReady, candidate, nil
}

// record replaces the remote description by one with the candidate, or with a=end-of-candidates.
func (s *state) record(remote *described, section *sdp.MediaDescription, text string, end bool) {
	candidates, complete := remote.CandidatesOf(section)
	if !end {
		if slices.Contains(candidates, text) || len(candidates) >= maxRemoteCandidates {
			return
		}
		candidates = append(slices.Clip(candidates), text)
	}
	next := &described{remote.typ, withCandidates(remote.Description, candidates, complete || end)}
	if s.pendingRemote != nil {
		s.pendingRemote = next
	} else {
		s.currentRemote = next
	}
}

// sameTransport reports whether a candidate with the mid is of the transport of section. All
// sections of a BUNDLE group have one; a section that has ICE credentials of its own besides was
// offered with another transport, for a peer that does not bundle.
func sameTransport(d *sdp.Description, section *sdp.MediaDescription, mid string) bool {
	if mid == "" {
		return true
	}
	m := d.MediaByMid(mid)
	return m != nil && (m.ICEUfrag == "" || m.ICEUfrag == d.TransportOf(section).ICEUfrag)
}

// sameGeneration reports whether a candidate is of the ICE generation with the ufrag, or has no
// ufrag.
func sameGeneration(c ice.Candidate, ufrag string) bool {
	for _, e := range c.Extensions {
		if e.Key == "ufrag" {
			return e.Value == ufrag
		}
	}
	return true
}
