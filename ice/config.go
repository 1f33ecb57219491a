package ice

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// Default durations of a Config.
const (
	// DefaultCheckInterval is Ta, the average time between new transactions: RFC 8445, section
	// 14.2.
	DefaultCheckInterval = 50 * time.Millisecond
	// DefaultRTO is the minimum retransmission timeout of connectivity checks and of gathering: RFC
	// 8445, section 14.3.
	DefaultRTO = 500 * time.Millisecond
	// DefaultNominationGrace is the time for which a controlling agent waits, from the first valid
	// pair on, for one of a higher priority. Working pairs answer within a round trip of each
	// other, so that it covers the differences of paths rather than lost packets. Data flows
	// meanwhile.
	DefaultNominationGrace = 100 * time.Millisecond
	// DefaultGatheringTimeout is the time after which gathering completes without the STUN servers
	// that have not answered. Requests are sent at 0, 0.5, 1.5 and 3.5 s. Signalling without
	// trickle takes as long in the worst case.
	DefaultGatheringTimeout = 5 * time.Second
	// DefaultKeepalive is Tr, the interval in which the mapping of a server-reflexive candidate is
	// refreshed until a pair is nominated: RFC 8445, section 11. The more frequent consent checks
	// keep the selected pair alive.
	DefaultKeepalive = 15 * time.Second
	// DefaultConsentInterval is the average time between consent checks; each interval is 0.8 to
	// 1.2 times as long: RFC 7675, section 5.1.
	DefaultConsentInterval = 5 * time.Second
	// DefaultConsentTimeout is the time for which consent lasts after the last answer: RFC 7675,
	// section 5.1.
	DefaultConsentTimeout = 30 * time.Second
	// DefaultDisconnectedTimeout is the time for which consent checks go unanswered before the
	// state is disconnected (W3C WebRTC, RTCIceTransportState). One lost check is not enough.
	DefaultDisconnectedTimeout = 5 * time.Second
	// DefaultUnusedTimeout is the time for which a base other than that of the selected pair is
	// kept, counted from the nomination and from the peer's last check or data there. RFC 8445,
	// section 8.3.1, requires three seconds at least. But a peer that has selected another pair
	// than this agent requests consent on it. RFC 7675, section 5.1: a peer that has not done so
	// for 30 seconds must not send there any more.
	DefaultUnusedTimeout = 30 * time.Second
	// DefaultPatience is the minimum time from SetRemote or the last new candidate to failure.
	// After its last own check the agent still waits for checks of the peer, which may reveal a
	// path: RFC 8863, section 4.
	DefaultPatience = 39500 * time.Millisecond
)

// Limits of an agent. Everything that a peer can influence has one.
const (
	// maxLocalAddresses bounds the bases.
	maxLocalAddresses = 64
	// maxSTUNServers bounds the servers that each base queries. More servers would add only
	// traffic.
	maxSTUNServers = 16
	// maxRemoteCandidates bounds the candidates of the peer, signalled and peer-reflexive. Browsers
	// send 4 to 20.
	maxRemoteCandidates = 64
	// maxEarlyCandidates bounds the peer-reflexive candidates found before the peer's credentials
	// are known.
	maxEarlyCandidates = 16
	// maxPairs bounds the check list: RFC 8445, section 6.1.2.5.
	maxPairs = 100
	// maxResponses bounds the responses queued for Transmit. Further requests are dropped, and the
	// peer repeats them.
	maxResponses = 64
	// checkBurst is the number of checks, and of requests to STUN servers, that may start at once
	// before Ta spaces them. At about 100 bytes each, ten are less than a tenth of the initial
	// window of TCP, ten full segments: RFC 6928, section 2.
	checkBurst = 10
)

// Errors of the agent's methods, which wrap them with the operation.
var (
	ErrCredentials = errors.New("ufrag needs 4 to 256 ice-chars and pwd 22 to 256")
	ErrAddress     = errors.New("not a usable transport address")
	ErrDuplicate   = errors.New("already known")
	ErrLimit       = errors.New("too many")
	ErrState       = errors.New("not possible in this state")
	// ErrUnresolved is returned for a remote candidate with a Host, which the caller has to
	// resolve: see [Candidate.WithAddr].
	ErrUnresolved = errors.New("host name is not resolved")
	// ErrUnsupportedTransport is returned for TCP candidates, which the caller may ignore.
	ErrUnsupportedTransport = errors.New("transport is not supported")
	// ErrUnsupportedComponent is returned for components other than 1, which the caller may ignore.
	ErrUnsupportedComponent = errors.New("component is not supported")
)

// Config configures an Agent. The zero value is that of a controlled agent with host candidates
// only.
type Config struct {
	// Ufrag and Pwd are the local credentials: 4 to 256 and 22 to 256 letters, digits, '+' and '/'.
	// NewAgent generates both if both are empty.
	Ufrag, Pwd string
	// Controlling is the initial role: true for the side that makes the offer.
	Controlling bool
	// STUNServers are queried for server-reflexive candidates from each base of their address
	// family. At most 16 are used. NewAgent copies the slice.
	STUNServers []netip.AddrPort

	// Durations. Zero and negative values stand for the default of the same name.
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

	// Rand is a cryptographic source of random bytes. NewAgent reads a seed of 32 bytes. The
	// agent's credentials, transaction identifiers and tie-breaker come from a ChaCha8 generator
	// with that seed, so that agents with equal seeds and inputs behave equally. With nil, they
	// come from crypto/rand.
	Rand io.Reader
	// Logger receives state changes at Info and single checks at Debug. nil disables logging.
	Logger *slog.Logger
}

// withDefaults sets the durations that are not positive.
func (c Config) withDefaults() Config {
	c.CheckInterval = cmp.Or(max(c.CheckInterval, 0), DefaultCheckInterval)
	c.RTO = cmp.Or(max(c.RTO, 0), DefaultRTO)
	c.NominationGrace = cmp.Or(max(c.NominationGrace, 0), DefaultNominationGrace)
	c.GatheringTimeout = cmp.Or(max(c.GatheringTimeout, 0), DefaultGatheringTimeout)
	c.Keepalive = cmp.Or(max(c.Keepalive, 0), DefaultKeepalive)
	c.ConsentInterval = cmp.Or(max(c.ConsentInterval, 0), DefaultConsentInterval)
	c.ConsentTimeout = cmp.Or(max(c.ConsentTimeout, 0), DefaultConsentTimeout)
	c.DisconnectedTimeout = cmp.Or(max(c.DisconnectedTimeout, 0), DefaultDisconnectedTimeout)
	c.UnusedTimeout = cmp.Or(max(c.UnusedTimeout, 0), DefaultUnusedTimeout)
	c.Patience = cmp.Or(max(c.Patience, 0), DefaultPatience)
	return c
}
