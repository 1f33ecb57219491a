package stun

import "time"

// Defaults of a Timing (RFC 8489, section 6.2.1 and, for Ti, 6.2.2).
const (
	DefaultRTO         = 500 * time.Millisecond   // the first retransmission timeout, where the round trip is not known
	DefaultMaxRequests = 7                        // Rc, how often the request is sent in all
	DefaultLastWait    = 16                       // Rm, how many RTOs to wait after the last request
	DefaultTimeout     = 39500 * time.Millisecond // Ti, how long to wait on a reliable transport
)

// maxInterval bounds the doubled retransmission timeout, and about bounds the last wait, so that no
// configuration of RTO, Rc and Rm overflows.
const maxInterval = time.Hour

// Timing is the schedule of a transaction's requests. The zero value is the RFC's: requests at 0,
// 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, failure at 39.5 s. A zero field stands for its default.
type Timing struct {
	RTO         time.Duration // the time to the first retransmission; it doubles with each. ICE and cached round trips set it
	MaxRequests int           // Rc
	LastWait    int           // Rm
	Reliable    bool          // the transport retransmits by itself (TCP, TLS): the request is sent once
	Timeout     time.Duration // Ti, from the request to failure; used if Reliable
}

// TransactionState is where a transaction is.
type TransactionState uint8

// The states of a transaction.
const (
	TransactionIdle      TransactionState = iota // not started
	TransactionWaiting                           // requests are sent, or due, and no response has come
	TransactionCompleted                         // a response was accepted, or the transaction was stopped
	TransactionTimedOut                          // no response came in time
)

// String returns the state's name in lower case.
func (s TransactionState) String() string {
	switch s {
	case TransactionIdle:
		return "idle"
	case TransactionWaiting:
		return "waiting"
	case TransactionCompleted:
		return "completed"
	case TransactionTimedOut:
		return "timed out"
	}
	return "invalid"
}

// Transaction is the client's side of one request and its response: it knows when to send the
// request and when to give up. It holds no bytes; the request stays with its owner, who sends the
// same bytes each time (or builds them again from the same values: "retransmission of the request"
// means the same request with the same identifier). The zero value is idle; it is to be embedded in
// what the request is about. It does nothing by itself and is not for concurrent use.
//
//	t.Start(now, id, stun.Timing{})
//	for t.Transmit(now) { send(request) }      // after Start and after every Advance
//	wait until t.Deadline(), then t.Advance(now)
//	if t.Matches(m) && m.CheckIntegrity(k) == nil { t.Complete(now) }
type Transaction struct {
	id          TransactionID
	state       TransactionState
	quiet       bool // no more requests, but a response is still welcome
	sent        int  // requests sent
	maxRequests int
	rto         time.Duration
	lastWait    time.Duration // from the last request to failure
	next        time.Time     // when the next request is due, or after the last: when the transaction fails
	first       time.Time     // when the first request was sent
}

// Start begins a transaction, or begins anew with another; the first request is due at now.
func (t *Transaction) Start(now time.Time, id TransactionID, timing Timing) {
	*t = Transaction{id: id, state: TransactionWaiting, next: now}
	if timing.Reliable {
		t.maxRequests = 1
		t.lastWait = orDefault(timing.Timeout, DefaultTimeout)
		return
	}
	t.rto = min(orDefault(timing.RTO, DefaultRTO), maxInterval)
	t.maxRequests = orDefault(timing.MaxRequests, DefaultMaxRequests)
	lastWait := orDefault(timing.LastWait, DefaultLastWait)
	t.lastWait = t.rto * min(time.Duration(lastWait), maxInterval/t.rto+1)
}

// orDefault returns v, or def where v is not positive.
func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// ID returns the transaction's identifier.
func (t *Transaction) ID() TransactionID { return t.id }

// State returns the state the last call left the transaction in.
func (t *Transaction) State() TransactionState { return t.state }

// Requests returns how many requests were sent.
func (t *Transaction) Requests() int { return t.sent }

// Transmit reports whether the request is due, and takes it that the caller sends it at now: the
// time to the next one counts from there, so that a late caller never sends two in a row.
func (t *Transaction) Transmit(now time.Time) bool {
	if t.state != TransactionWaiting || t.quiet || t.sent >= t.maxRequests || now.Before(t.next) {
		return false
	}
	if t.sent == 0 {
		t.first = now
	}
	t.sent++
	// "Retransmissions continue until a response is received, or until a total of Rc requests have
	// been sent. … If, after the last request, a duration equal to Rm times the RTO has passed
	// without a response …, the client SHOULD consider the transaction to have failed." RFC 8489,
	// section 6.2.1
	if t.sent == t.maxRequests {
		t.next = now.Add(t.lastWait)
	} else {
		t.next = now.Add(t.interval(t.sent))
	}
	return true
}

// interval returns the time between the nth request (from 1) and the one after it.
func (t *Transaction) interval(n int) time.Duration {
	d := t.rto
	for ; n > 1 && d < maxInterval; n-- {
		d *= 2
	}
	return min(d, maxInterval)
}

// Advance fails the transaction if its time is over; State tells. Call it when Deadline has come,
// and Transmit after it.
func (t *Transaction) Advance(now time.Time) {
	if t.state == TransactionWaiting && (t.quiet || t.sent >= t.maxRequests) && !now.Before(t.next) {
		t.state = TransactionTimedOut
	}
}

// Deadline returns when Advance and Transmit have something to do next; the zero time: never, the
// transaction is not running.
func (t *Transaction) Deadline() time.Time {
	if t.state != TransactionWaiting {
		return time.Time{}
	}
	return t.next
}

// Matches reports whether m is a response to this transaction, which has to be waiting for one. It
// does not check integrity: a response that fails the check must be treated as if it had not come,
// so the owner decides when to call Complete.
func (t *Transaction) Matches(m Message) bool {
	if t.state != TransactionWaiting || t.sent == 0 {
		return false
	}
	c := m.Type().Class()
	return (c == ClassSuccess || c == ClassError) && m.TransactionID() == t.id
}

// Complete ends the transaction after its response, or stops it. If exactly one request was sent,
// rtt is the round trip time and ok is true: of a response after a retransmission nobody knows
// which request it answers (Karn's algorithm, RFC 8489, section 6.2.1).
func (t *Transaction) Complete(now time.Time) (rtt time.Duration, ok bool) {
	if t.state != TransactionWaiting {
		return 0, false
	}
	t.state = TransactionCompleted
	if t.sent != 1 {
		return 0, false
	}
	return now.Sub(t.first), true
}

// StopRetransmitting makes the transaction send no more requests but still wait for a response
// until the time it would have failed without: what ICE calls cancelling a transaction (RFC 8445,
// section 7.3.1.4).
func (t *Transaction) StopRetransmitting() {
	if t.state != TransactionWaiting || t.quiet {
		return
	}
	if t.sent == 0 { // nothing was asked, no response can come
		t.state = TransactionCompleted
		return
	}
	if t.sent < t.maxRequests { // next is when the request would have been sent again
		for n := t.sent + 1; n < t.maxRequests && t.next.Sub(t.first) < maxInterval; n++ {
			t.next = t.next.Add(t.interval(n))
		}
		t.next = t.next.Add(t.lastWait)
	}
	t.quiet = true
}
