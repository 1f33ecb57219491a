package jsep

import (
	"slices"

	"github.com/rtcstack/rtcstack/sdp"
)

// A link is the state that was last passed to the transports.
type link struct {
	local, remote Credentials
	fingerprints  []sdp.Fingerprint // of the peer
	tlsID         string            // of the peer; "" if its descriptions have none
	client        bool
	sctpPort      uint16 // of the peer; 0 if it has no association
	provisional   bool   // no final answer has confirmed it
	failed        bool   // its ICE session has failed
}

var (
	errRole = &Error{Kind: ErrInvalid,
		Text: "the DTLS role changes, and the DTLS identity does not"}
	errIdentity = &Error{Kind: ErrInvalid,
		Text: "the DTLS identity changes, and the ICE credentials do not"}
	errFailed = &Error{Kind: ErrState,
		Text: "the ICE credentials change, and ICE has failed: only an offer that restarts ICE can be answered so"}
)

// identifies reports whether a description of the peer continues the DTLS association: the set of
// its fingerprints is the same (RFC 8842, section 5.1), and so is a=tls-id if it has one.
func (l *link) identifies(t sdp.Transport) bool {
	if l.tlsID != "" && t.TLSID != "" && l.tlsID != t.TLSID {
		return false
	}
	return includes(l.fingerprints, t.Fingerprints) && includes(t.Fingerprints, l.fingerprints)
}

// includes reports whether each of some fingerprints is among all.
func includes(all, some []sdp.Fingerprint) bool {
	for _, f := range some {
		if !slices.ContainsFunc(all, f.Equal) {
			return false
		}
	}
	return true
}

// agree applies the pending offer and its answer, if they have a transport. offered is set if the
// offer is the local one. A provisional answer starts the transports of a new connection, but does
// not affect one that was agreed: until the final answer, the offer can be rolled back.
func (tx *transition) agree(offered bool) error {
	answer := tx.pendingLocal
	if offered {
		answer = tx.pendingRemote
	}
	final := answer.typ == Answer
	remote := tx.pendingRemote.Description
	own, m := transportSection(tx.pendingLocal.Description), transportSection(remote)
	old := tx.link
	switch {
	case (own == nil || m == nil) && final:
		tx.reject(offered && own != nil)
		return nil
	case own == nil || m == nil || !final && old != nil && !old.provisional:
		return nil
	}
	theirs := remote.TransportOf(m)
	next := &link{
		local:        credentialsOf(tx.pendingLocal.Description, own),
		remote:       Credentials{theirs.ICEUfrag, theirs.ICEPwd},
		fingerprints: theirs.Fingerprints,
		tlsID:        theirs.TLSID,
		provisional:  !final,
	}
	if !m.SCTPClosed {
		next.sctpPort = m.EffectiveSCTPPort()
	}
	t := &Transport{
		Local:                next.local,
		Remote:               next.remote,
		RemoteLite:           remote.ICELite,
		Restart:              old != nil && (next.local != old.local || next.remote != old.remote),
		Controlling:          tx.controls(offered, remote),
		NewAssociation:       old == nil || !old.identifies(theirs),
		Fingerprints:         theirs.Fingerprints,
		SCTPPort:             next.sctpPort,
		RemoteMaxMessageSize: m.MessageLimit(),
	}
	t.RemoteCandidates, t.RemoteCandidatesComplete = remote.CandidatesOf(m)
	if t.NewAssociation && old != nil && next.remote == old.remote {
		return errIdentity
	}
	if old != nil && old.failed && next.local == old.local {
		// A peer that was started again answers with new credentials, even if the offer has not
		// restarted ICE. Local credentials whose session has failed cannot be used with them.
		if next.remote != old.remote {
			return errFailed
		}
		next.failed = true
	}
	if !t.NewAssociation {
		t.NewSCTP = next.sctpPort != old.sctpPort
		if next.tlsID == "" {
			next.tlsID = old.tlsID
		}
	}
	var err error
	if next.client, err = tx.role(own, theirs, offered, t.NewAssociation); err != nil {
		return err
	}
	t.Client = next.client
	tx.link, tx.out.Transport = next, t
	if final {
		tx.settle(old, next, offered)
	}
	return nil
}

// settle records the credentials that both sides have in use after a final answer.
func (tx *transition) settle(old, next *link, offered bool) {
	if tx.next != nil && tx.next.Credentials == next.local {
		tx.local, tx.next = tx.next, nil
		tx.wantRestart = false
	}
	if offered {
		tx.replaced = Credentials{}
	} else if old != nil && old.remote != next.remote {
		tx.replaced = old.remote
	}
	tx.peer = next.remote
	if tx.revealed != (Credentials{}) {
		tx.reveal(tx.revealed)
	}
}

// reject ends the transports, because the final answer has no data section. The next ones have new
// local credentials.
func (tx *transition) reject(byPeer bool) {
	tx.out.Rejected = byPeer
	if tx.link == nil {
		return
	}
	tx.out.Ended = true
	tx.link, tx.next, tx.wantRestart = nil, nil, false
	tx.local = tx.config.generation()
	tx.peer, tx.replaced = Credentials{}, Credentials{}
}

// controls returns the ICE role to begin with. RFC 8445, section 6.1.1: the side that made the
// offer controls, if both are full implementations, and the full one if the other is lite.
func (tx *transition) controls(offered bool, remote *sdp.Description) bool {
	switch {
	case tx.config.ICELite != remote.ICELite:
		return remote.ICELite
	case tx.voided && !offered:
		return tx.config.SessionID > remote.SessionID
	}
	return offered
}

// role reports whether this side is the DTLS client.
func (tx *transition) role(own *sdp.MediaDescription, theirs sdp.Transport, offered, fresh bool) (client bool, err error) {
	ours := tx.pendingLocal.TransportOf(own).Setup
	offer, answer := ours, theirs.Setup
	if !offered {
		offer, answer = answer, ours
	}
	if offered && !fresh && answer == sdp.SetupUnspecified {
		return tx.link.client, nil // an answer without a=setup keeps the role
	}
	answererIsClient, err := sdp.AnswererIsClient(offer, answer)
	if err != nil {
		return false, &Error{Kind: ErrInvalid, Err: err}
	}
	client = answererIsClient != offered
	switch {
	case fresh || client == tx.link.client:
		return client, nil
	case offered:
		// RFC 8842, section 5.3, forbids the answerer to change the role of an existing
		// association. Firefox nevertheless answers every later offer with "active", and keeps its
		// association.
		return tx.link.client, nil
	}
	return false, errRole
}
