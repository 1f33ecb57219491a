// Package jsep implements offer and answer (RFC 8829, RFC 3264) as a pure state machine.
//
// A [Machine] holds the session descriptions of one connection: the current and the pending ones,
// the sections in them, their BUNDLE group, the ICE credentials and the DTLS identities. It uses no
// transport, no clock and no lock. An input either applies as a whole or returns an error and
// changes nothing; the section on offers that cross names the one fact that the machine remembers
// of an error. The decisions of an input are values in its [Outcome], which the owner carries out in
// the order of the fields:
//
//	m := jsep.New(config)
//	m.WantData()
//	out, err := m.SetLocal(jsep.Offer, jsep.LocalInit{})  // out.Announce goes to the peer
//	…
//	d, err := jsep.Parse(text, nil)
//	out, err = m.SetRemote(jsep.Answer, d)                // out.Transport starts ICE, DTLS and SCTP
//
// The machine negotiates one transport, that of the data channels. Media sections are answered as
// inactive if they are bundled with the data channels, and rejected otherwise.
//
// # Offers that cross
//
// An offer that arrives in have-local-offer is applied: the local one is rolled back. If both sides
// do that, two answers cross, and each belongs to an offer that its receiver has rolled back (a
// stray answer). An owner that is the impolite side of perfect negotiation ignores the peer's offer
// instead: it does not call SetRemote. In both cases the sides reach agreement by these rules:
//
//   - New credentials in a local offer that was rolled back for one of the peer are used for the
//     next description that needs new ones. The peer may have accepted that offer. A rollback by
//     the owner discards them.
//   - An answer, also a stray one, shows the credentials that its sender has in use. An offer
//     restarts ICE if its credentials are not those, or not those agreed here.
//   - A requested restart remains requested until the local credentials in use have changed.
//   - A stray answer with credentials that were never seen requests a restart.
//   - An answer that fits the pending offer is applied to it. If it belonged to an earlier offer,
//     the right one follows as a stray answer, and shows whether the credentials match.
//
// A stray answer is recognized by a type that does not fit the state or contents that do not fit
// the pending offer, and by the session version of its o= line. It is expected only after a local
// offer was rolled back for one of the peer, one for each such offer.
//
// An error for a final answer, too, is the end of the wait for it. The machine remembers that an
// answer to the pending offer was refused, and expects no stray answer to that offer. All methods
// return the same as if it had not been refused, until the offer is rolled back for one of the peer
// and then another answer arrives: that is an error, and not ignored as a stray answer. A rollback
// by the owner, and an agreement, end the memory.
//
// # Rollback and transports
//
// A rollback does not end transports that a provisional answer has started. The next description
// that is agreed is compared with the running transports: the same ICE credentials continue the ICE
// session, and the same DTLS identity continues the association.
//
// A Machine is not safe for concurrent use.
package jsep
