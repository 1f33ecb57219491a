package jsep

import "github.com/rtcstack/rtcstack/sdp"

// An Outcome holds the decisions of an input. The owner carries the fields out in their order; the
// zero value means that there is nothing to do.
type Outcome struct {
	// StateChanged is set when [Machine.State] differs from that before the input.
	StateChanged bool
	// Announce is the local description to be signalled, with the candidates known so far.
	Announce *Description
	// Discarded is a local ICE generation that no description will have any more, because the owner
	// has rolled back. A generation whose offer was rolled back for one of the peer is not discarded:
	// its candidates remain valid, and it must continue to answer checks.
	Discarded *Credentials
	// Gather is the local ICE generation to gather candidates for. It is set once for each
	// generation, when a local description shows it for the first time.
	Gather *Gather
	// Transport is set by each agreement on a data section, even if it does not affect the
	// transports, and by a provisional answer on a connection without an agreement.
	Transport *Transport
	// Ended is set when the peer's final answer, or its offer that was answered, rejects the data
	// section of a connection that has transports: they are to be closed. The next Transport, if
	// any, begins anew with other local credentials.
	Ended bool
	// Rejected is set when the peer's final answer rejects the data section that was offered; with
	// Ended, if there were transports.
	Rejected bool
}

// Credentials are the ICE credentials of one side, which identify one of its generations (RFC 8839,
// section 5.4).
type Credentials struct {
	Ufrag, Pwd string
}

// A Gather requests the candidates of a local ICE generation.
type Gather struct {
	Credentials
	// Controlling is the ICE role until a Transport has another one. The peer's checks may arrive
	// before its answer.
	Controlling bool
}

// A Description is the text of a session description, with its type.
type Description struct {
	Type Type
	SDP  string
}

// A Transport is the result of offer and answer for ICE, DTLS and SCTP.
type Transport struct {
	// Local and Remote are the ICE credentials of the generation that both sides use from now on.
	Local, Remote Credentials
	// RemoteLite is set if the peer is an ICE-lite implementation.
	RemoteLite bool
	// Restart is set if an ICE session on a connection that has one is replaced: Local, Remote or
	// both are not those of the previous Transport. Only Local is the same if another peer sends
	// the final answer after a provisional one: the same local credentials then begin a second
	// session.
	Restart bool
	// Controlling is the ICE role to begin with; meaningful for the first Transport and for one
	// with NewAssociation. The offerer controls (RFC 8445, section 6.1.1), and the full
	// implementation against a lite one. If both sides answered, the session ids decide.
	Controlling bool
	// RemoteCandidates are the candidates of the peer known so far, as in a=candidate lines without
	// "a=". Candidates that were returned before may be among them. The slice is read-only.
	RemoteCandidates []string
	// RemoteCandidatesComplete is set if no others will follow.
	RemoteCandidatesComplete bool

	// NewAssociation is set if a DTLS association begins, and an SCTP association in it unless
	// SCTPPort is 0: the first, or another because the peer has another identity (RFC 8842, section
	// 5; RFC 8841, section 9.3). An earlier one is to be closed.
	NewAssociation bool
	// Client is set if this side is the DTLS client. It changes only with NewAssociation.
	Client bool
	// Fingerprints are those of the peer's certificate. The slice is read-only.
	Fingerprints []sdp.Fingerprint

	// NewSCTP is set if the DTLS association continues and SCTPPort has changed (RFC 8841, section
	// 9.3). The SCTP association, if there is one, is to be closed, and another one begins unless
	// SCTPPort is 0. NewSCTP is not set with NewAssociation.
	NewSCTP bool
	// SCTPPort is the SCTP port of the peer; 0 if the peer has no SCTP association (a=sctp-port:0;
	// RFC 8841, section 5.2).
	SCTPPort uint16
	// RemoteMaxMessageSize is the size in bytes of the largest message that the peer accepts;
	// math.MaxUint64 for any. It may change with every agreement.
	RemoteMaxMessageSize uint64
}
