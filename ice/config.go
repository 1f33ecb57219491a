package ice

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// Default durations of a Config.
const (
	// DefaultCheckInterval is Ta, the average time between new transactions
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-14.2).
	DefaultCheckInterval = 50 * time.Millisecond
	// DefaultRTO is the least retransmission timeout of checks and gathering
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-14.3).
	DefaultRTO = 500 * time.Millisecond
	// DefaultNominationGrace is how long a controlling agent waits, from the first valid pair, for one of a higher priority.
	// Pairs that work answer within a round trip of each other, so the time needs to cover differences of paths, not
	// lost packets; data flows meanwhile.
	DefaultNominationGrace = 100 * time.Millisecond
	// DefaultGatheringTimeout is when STUN servers that have not answered are given up: gathering is complete without
	// them. Requests go at 0, 0.5, 1.5 and 3.5 s. Signalling without trickle waits for this.
	DefaultGatheringTimeout = 5 * time.Second
	// DefaultKeepalive is Tr (https://www.rfc-editor.org/rfc/rfc8445.html#section-11): how often the mapping of a
	// server-reflexive candidate is refreshed until a pair is nominated. A selected pair is kept alive by consent
	// checks, which come more often.
	DefaultKeepalive = 15 * time.Second
	// DefaultConsentInterval is the average time between consent checks; each waits 0.8 to 1.2 times as long
	// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
	DefaultConsentInterval = 5 * time.Second
	// DefaultConsentTimeout is how long consent lasts after the last answer
	// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
	DefaultConsentTimeout = 30 * time.Second
	// DefaultDisconnectedTimeout is how long consent checks may go unanswered before the state is disconnected: "a
	// transient condition, … may trigger intermittently" (W3C WebRTC, RTCIceTransportState). It covers one lost check.
	DefaultDisconnectedTimeout = 5 * time.Second
	// DefaultUnusedTimeout is how long a socket is kept that is not the selected pair's, counted from the nomination and from the
	// peer's last check or application data there. RFC 8445 asks for three seconds at least
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3.1). But a peer may have selected another pair than this agent: then it
	// asks for consent there, and had it not done so for 30 seconds, it could not send there any more
	// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
	DefaultUnusedTimeout = 30 * time.Second
	// DefaultPatience is how long the agent waits before it fails although it has nothing left to check: a check from
	// the peer may still show a path (https://www.rfc-editor.org/rfc/rfc8863.html#section-4).
	DefaultPatience = 39500 * time.Millisecond
)

// Limits on what an agent holds. All that a peer can influence is bounded.
const (
	// maxLocalAddresses bounds the calls of AddLocal.
	maxLocalAddresses = 64
	// maxSTUNServers bounds the servers asked from each base; a few more add nothing but traffic.
	maxSTUNServers = 16
	// maxRemoteCandidates bounds the candidates of the peer, signalled and peer-reflexive. Browsers send 4 to 20.
	maxRemoteCandidates = 64
	// maxEarlyCandidates bounds the peer-reflexive candidates learned before the peer's credentials are known.
	maxEarlyCandidates = 16
	// maxPairs bounds the check list (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.5).
	maxPairs = 100
	// maxResponses bounds the responses that wait for Transmit. A request beyond it is dropped; the peer repeats it.
	maxResponses = 64
	// checkBurst is how many checks, and how many requests to STUN servers, may start at once before Ta spaces them. They are about 100 bytes each, so
	// ten are the load that the initial window of TCP puts on an unknown path
	// (https://www.rfc-editor.org/rfc/rfc6928.html#section-2 allows ten full segments, a dozen times the bytes).
	checkBurst = 10
)

// Errors of the agent's methods.
var (
	ErrCredentials = errors.New("ufrag needs 4 to 256 ice-chars and pwd 22 to 256")
	ErrAddress     = errors.New("not a usable transport address")
	ErrDuplicate   = errors.New("already known")
	ErrLimit       = errors.New("too many")
	ErrState       = errors.New("not possible in this state")
	// ErrUnresolved is returned for a remote candidate whose Host the caller has to resolve first: see Candidate.WithAddr.
	ErrUnresolved = errors.New("host name is not resolved")
	// ErrUnsupportedTransport is returned for TCP candidates, which may be ignored.
	ErrUnsupportedTransport = errors.New("transport is not supported")
	// ErrUnsupportedComponent is returned for components other than 1, which may be ignored.
	ErrUnsupportedComponent = errors.New("component is not supported")
)

// Config configures an Agent. The zero value is a controlled agent with host candidates only.
type Config struct {
	// Ufrag and Pwd are the local credentials, letters, digits, '+' and '/': 4 to 256 and 22 to 256 characters.
	// Both are generated when both are empty.
	Ufrag, Pwd string
	// Controlling is the initial role: true for the side that makes the offer.
	Controlling bool
	// STUNServers are asked, from each base of their address family, for server-reflexive candidates. At most 16 are used.
	STUNServers []netip.AddrPort

	// The durations that zero sets to the default of that name.
	CheckInterval       time.Duration // Ta
	RTO                 time.Duration
	NominationGrace     time.Duration
	GatheringTimeout    time.Duration
	Keepalive           time.Duration // Tr
	ConsentInterval     time.Duration
	ConsentTimeout      time.Duration
	DisconnectedTimeout time.Duration
	UnusedTimeout       time.Duration
	Patience            time.Duration

	// Rand is read once, by NewAgent, for a seed of 32 bytes; nil is crypto/rand.Reader. The agent's credentials, transaction identifiers
	// and tie-breaker come from a ChaCha8 generator with that seed, so equal seeds make agents that behave equally.
	Rand io.Reader
	// Logger gets state changes at Info and single checks at Debug; nil is silent.
	Logger *slog.Logger
}

// setDefaults fills in the durations left zero.
func (c *Config) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.CheckInterval, DefaultCheckInterval},
		{&c.RTO, DefaultRTO},
		{&c.NominationGrace, DefaultNominationGrace},
		{&c.GatheringTimeout, DefaultGatheringTimeout},
		{&c.Keepalive, DefaultKeepalive},
		{&c.ConsentInterval, DefaultConsentInterval},
		{&c.ConsentTimeout, DefaultConsentTimeout},
		{&c.DisconnectedTimeout, DefaultDisconnectedTimeout},
		{&c.UnusedTimeout, DefaultUnusedTimeout},
		{&c.Patience, DefaultPatience},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
}
