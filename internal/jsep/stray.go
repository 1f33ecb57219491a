package jsep

import "github.com/rtcstack/rtcstack/sdp"

// see records the origin of a description of the peer that is applied.
func (s *state) see(d *sdp.Description) {
	s.origin = origin{d.SessionID, d.SessionVersion}
}

// ignoreStray handles an answer that does not fit the pending offer, if any. It reports false if
// the answer does not fit an offer that was rolled back either: it is a provisional answer to one,
// or older than the description set before.
//
// A stray answer shows the credentials that the peer has in use: the peer has applied an offer that
// was rolled back here. If they are neither those agreed here nor the previous ones, the peer has
// restarted ICE, and another restart is necessary for both sides to agree. If they are the previous
// ones, the peer has rolled a restart of its own back, and will offer it again.
func (tx *transition) ignoreStray(t Type, d *sdp.Description) bool {
	m := transportSection(d)
	newer := d.SessionID != tx.origin.session || d.SessionVersion > tx.origin.version ||
		// Some peers use the same version in all their descriptions.
		d.SessionVersion == tx.origin.version && m != nil && tx.link != nil && credentialsOf(d, m) != tx.link.remote
	if t != Answer || !newer {
		return false
	}
	tx.strays--
	tx.see(d)
	switch {
	case m == nil:
	case tx.signaling.answering():
		tx.revealed = credentialsOf(d, m) // to be compared with the outcome of the answer here
	case tx.link != nil:
		tx.reveal(credentialsOf(d, m))
	}
	return true
}

// reveal records the credentials that the peer has in use, which a stray answer has shown.
func (tx *transition) reveal(c Credentials) {
	tx.peer = c
	if c != tx.link.remote && c != tx.replaced {
		tx.requestRestart(tx.config)
	}
}
