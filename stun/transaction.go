package stun

import "time"

// Defaults of a Timing (RFC 8489, section 6.2.1 and, for Ti, 6.2.2).
const (
	DefaultRTO         = 500 * time.Millisecond   // the initial retransmission timeout
	DefaultMaxRequests = 7                        // Rc, the number of requests
	DefaultLastWait    = 16                       // Rm, the wait after the last request, in RTOs
	DefaultTimeout     = 39500 * time.Millisecond // Ti, the wait on a reliable transport
)

// maxInterval is the upper bound of the doubled retransmission timeout and, approximately, of the
// wait after the last request, so that no RTO, Rc and Rm overflow a time.Duration.
const maxInterval = time.Hour

// Timing is the schedule of the requests of a transaction. The zero value is the schedule of RFC
// 8489, section 6.2.1: requests at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, failure at 39.5 s. A
// field that is zero or negative has its default.
type Timing struct {
	// RTO is the time to the first retransmission; it doubles with each further one. ICE sets it,
	// and a client that has measured the round-trip time to the server.
	RTO         time.Duration
	MaxRequests int           // Rc, the number of requests including the first
	LastWait    int           // Rm, the wait after the last request in RTOs
	Reliable    bool          // the transport retransmits by itself (TCP, TLS): the request is sent once
	Timeout     time.Duration // Ti, from the request to failure, if Reliable
}

// TransactionState is the state of a transaction.
type TransactionState uint8

// The states of a transaction.
const (
	TransactionIdle      TransactionState = iota // not started
	TransactionWaiting                           // started, and not ended yet
	TransactionCompleted                         // ended by Complete, or cancelled before the first request
	TransactionTimedOut                          // ended without a response
)

// String returns the name of the state in lower case, or "invalid".
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

// Transaction is the client's side of one request and its response (RFC 8489, section 6.2). It
// decides when the request is sent and when the transaction has failed. It does no I/O and holds no
// packet: the owner sends the same request each time, with the same identifier. The zero value is
// idle. A Transaction is for one goroutine at a time.
//
//	t.Start(now, id, stun.Timing{})
//	for t.Transmit(now) { send(request) }      // after Start and after every Advance
//	wait until t.Deadline(), then t.Advance(now)
//	if t.Matches(m) && m.CheckIntegrity(k) == nil { t.Complete(now) }
type Transaction struct {
	id          TransactionID
	state       TransactionState
	cancelled   bool // by StopRetransmitting: no more requests, but a response is still accepted
	sent        int  // requests sent
	maxRequests int
	rto         time.Duration
	lastWait    time.Duration // from the last request to failure
	next        time.Time     // when the next request is due, or after the last: when the transaction fails
	first       time.Time     // when the first request was sent
}

// Start begins a transaction, also in place of an earlier one. The first request is due at now.
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

// orDefault returns v, or def if v is not positive.
func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// ID returns the transaction's identifier.
func (t *Transaction) ID() TransactionID { return t.id }

// State returns the state of the transaction after the last call.
func (t *Transaction) State() TransactionState { return t.state }

// Requests returns the number of requests sent.
func (t *Transaction) Requests() int { return t.sent }

// Transmit reports whether the request is due. If so, the caller sends it at now. The time to the
// next request starts at now, so that a late caller does not send two requests at once.
func (t *Transaction) Transmit(now time.Time) bool {
	if t.state != TransactionWaiting || t.cancelled || t.sent >= t.maxRequests || now.Before(t.next) {
		return false
	}
	if t.sent == 0 {
		t.first = now
	}
	t.sent++
	// "Retransmissions continue until a response is received, or until a total of Rc requests have
	// been sent. … If, after the last request, a duration equal to Rm times the RTO has passed
	// without a response …, the client SHOULD consider the transaction to have failed." (RFC 8489,
	// section 6.2.1)
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

// Advance ends the transaction with TransactionTimedOut if its time is over. Call it at Deadline,
// and then Transmit.
func (t *Transaction) Advance(now time.Time) {
	if t.state == TransactionWaiting && (t.cancelled || t.sent >= t.maxRequests) && !now.Before(t.next) {
		t.state = TransactionTimedOut
	}
}

// Deadline returns the time at which Advance and Transmit are to be called next. It is the zero
// time if the transaction is not waiting.
func (t *Transaction) Deadline() time.Time {
	if t.state != TransactionWaiting {
		return time.Time{}
	}
	return t.next
}

// Matches reports whether m is a response to this transaction, and the transaction is waiting for
// it. It does not check the integrity: a response that is not authentic must be treated as if it
// had not been received, so the owner calls Complete after its own check.
func (t *Transaction) Matches(m Message) bool {
	if t.state != TransactionWaiting || t.sent == 0 {
		return false
	}
	c := m.Type().Class()
	return (c == ClassSuccess || c == ClassError) && m.TransactionID() == t.id
}

// Complete ends the transaction, after its response or before. If exactly one request was sent, ok
// is true and rtt is the round-trip time. After a retransmission it is not known which request the
// response answers (Karn's algorithm; RFC 8489, section 6.2.1).
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

// StopRetransmitting cancels the transaction in the sense of ICE (RFC 8445, section 7.3.1.4): it
// sends no more requests, but accepts a response until the time at which it would have failed
// otherwise.
func (t *Transaction) StopRetransmitting() {
	if t.state != TransactionWaiting || t.cancelled {
		return
	}
	if t.sent == 0 { // there can be no response
		t.state = TransactionCompleted
		return
	}
	if t.sent < t.maxRequests { // next is the time of the next retransmission
		for n := t.sent + 1; n < t.maxRequests && t.next.Sub(t.first) < maxInterval; n++ {
			t.next = t.next.Add(t.interval(n))
		}
		t.next = t.next.Add(t.lastWait)
	}
	t.cancelled = true
}
