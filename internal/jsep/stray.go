package jsep

import "github.com/rtcstack/rtcstack/sdp"

// see notes the origin of a description of the peer that is applied.
func (s *state) see(d *sdp.Description) {
	s.origin = origin{d.SessionID, d.SessionVersion}
}

// ignoreStray handles an answer that cannot be to the pending offer, if any. It reports false if it
// cannot be to an offer that was rolled back either: it is a provisional answer to one, or older
// than the description set before.
//
// A stray answer shows the credentials that the peer has in use: it has agreed on an offer that is
// void here. If they are neither those agreed here nor those before, the peer has restarted ICE,
// and only another restart brings both sides together. If they are those before, the peer has
// rolled a restart of its own back, and still wishes for it.
func (tx *transition) ignoreStray(t Type, d *sdp.Description) bool {
	m := transportSection(d)
	newer := d.SessionID != tx.origin.session || d.SessionVersion > tx.origin.version ||
		// Some peers number all their descriptions alike.
		d.SessionVersion == tx.origin.version && m != nil && tx.link != nil && credentialsOf(d, m) != tx.link.remote
	if t != Answer || !newer {
		return false
	}
	tx.strays--
	tx.see(d)
	tx.out.Stray = true
	switch {
	case m == nil:
	case tx.signaling.answering():
		tx.revealed = credentialsOf(d, m) // to be compared with the outcome of the answer here
	case tx.link != nil:
		tx.reveal(credentialsOf(d, m))
	}
	return true
}

// reveal notes the credentials that the peer has in use, as a stray answer has shown them.
func (tx *transition) reveal(c Credentials) {
	tx.peer = c
	if c != tx.link.remote && c != tx.replaced {
		tx.wishRestart(tx.config)
	}
}
