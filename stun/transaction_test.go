package stun

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// transactionTest drives a Transaction in virtual time: it waits for the deadline, advances, and
// sends.
type transactionTest struct {
	Transaction
	t     *testing.T
	start time.Time
	now   time.Time
	sends []int64 // ms after the start
}

func newTransactionTest(t *testing.T, timing Timing) *transactionTest {
	start := time.Unix(1700000000, 0)
	x := &transactionTest{t: t, start: start, now: start}
	x.Start(start, TransactionID{1}, timing)
	x.transmit()
	return x
}

// ms returns the time since the start in milliseconds.
func (x *transactionTest) ms() int64 { return x.now.Sub(x.start).Milliseconds() }

// transmit sends the request if it is due.
func (x *transactionTest) transmit() {
	for x.Transmit(x.now) {
		x.sends = append(x.sends, x.ms())
	}
}

// step waits until the deadline and for late after it, then advances and sends.
func (x *transactionTest) step(late time.Duration) {
	x.t.Helper()
	deadline := x.Deadline()
	require.True(x.t, deadline.After(x.now), "a deadline in the past would make a driver spin")
	// Nothing is due before the deadline.
	early := x.Transaction
	early.Advance(deadline.Add(-1))
	require.False(x.t, early.Transmit(deadline.Add(-1)))
	require.Equal(x.t, TransactionWaiting, early.State())

	x.now = deadline.Add(late)
	x.Advance(x.now)
	x.transmit()
}

// run calls step until the transaction ends.
func (x *transactionTest) run() {
	x.t.Helper()
	for x.State() == TransactionWaiting {
		x.step(0)
	}
}

// response returns a response to the transaction.
func response(t *testing.T, typ Type, id TransactionID) Message {
	b := NewBuilder(nil, typ, id)
	m, err := Parse(b.Bytes())
	require.NoError(t, err)
	return m
}

func TestRetransmissionSchedule(t *testing.T) {
	// "For example, assuming an RTO of 500 ms, requests would be sent at times 0 ms, 500 ms, 1500
	// ms, 3500 ms, 7500 ms, 15500 ms, and 31500 ms. If the client has not received a response after
	// 39500 ms, the client will consider the transaction to have timed out." (RFC 8489, section
	// 6.2.1)
	x := newTransactionTest(t, Timing{})
	x.run()
	require.Equal(t, []int64{0, 500, 1500, 3500, 7500, 15500, 31500}, x.sends)
	require.Equal(t, int64(39500), x.ms())
	require.Equal(t, TransactionTimedOut, x.State())
	require.Equal(t, 7, x.Requests())
	require.Zero(t, x.Deadline())
	require.False(t, x.Transmit(x.now))
	require.False(t, x.Matches(response(t, TypeBindingSuccess, x.ID())), "too late")
}

func TestConfiguredSchedules(t *testing.T) {
	for name, test := range map[string]struct {
		timing Timing
		sends  []int64
		fail   int64
	}{
		"RTO":           {Timing{RTO: 100 * time.Millisecond}, []int64{0, 100, 300, 700, 1500, 3100, 6300}, 7900},
		"Rc and Rm":     {Timing{MaxRequests: 3, LastWait: 2}, []int64{0, 500, 1500}, 2500},
		"one request":   {Timing{MaxRequests: 1, LastWait: 1}, []int64{0}, 500},
		"reliable":      {Timing{Reliable: true, RTO: time.Millisecond}, []int64{0}, 39500}, // 6.2.2: Ti
		"reliable, Ti":  {Timing{Reliable: true, Timeout: time.Second}, []int64{0}, 1000},
		"negative":      {Timing{RTO: -1, MaxRequests: -1, LastWait: -1}, []int64{0, 500, 1500, 3500, 7500, 15500, 31500}, 39500},
		"capped at 1 h": {Timing{RTO: 1 << 62, MaxRequests: 3, LastWait: 1 << 30}, []int64{0, 3600e3, 7200e3}, 4 * 3600e3},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTransactionTest(t, test.timing)
			x.run()
			require.Equal(t, test.sends, x.sends)
			require.Equal(t, test.fail, x.ms())
			require.Equal(t, TransactionTimedOut, x.State())
		})
	}
}

func TestEndlessRetransmissionDoesNotOverflow(t *testing.T) {
	x := newTransactionTest(t, Timing{RTO: time.Nanosecond, MaxRequests: 200})
	x.run()
	require.Len(t, x.sends, 200)
}

func TestLateDriverSendsOneRequestAtATime(t *testing.T) {
	x := newTransactionTest(t, Timing{})
	x.step(10 * time.Second) // the second request is 10 s late, and the third is not due at once
	require.Equal(t, []int64{0, 10500}, x.sends)
	x.step(0)
	require.Equal(t, []int64{0, 10500, 11500}, x.sends)
}

func TestResponseEndsTheTransaction(t *testing.T) {
	for _, typ := range []Type{TypeBindingSuccess, TypeBindingError} {
		x := newTransactionTest(t, Timing{})
		x.now = x.now.Add(80 * time.Millisecond)
		require.True(t, x.Matches(response(t, typ, x.ID())))
		require.Equal(t, TransactionWaiting, x.State(), "the owner has yet to check its integrity")
		rtt, ok := x.Complete(x.now)
		require.True(t, ok)
		require.Equal(t, 80*time.Millisecond, rtt)
		require.Equal(t, TransactionCompleted, x.State())
		require.Zero(t, x.Deadline())
		require.False(t, x.Matches(response(t, typ, x.ID())), "the response to a retransmission")
		x.Advance(x.now.Add(time.Hour))
		require.Equal(t, TransactionCompleted, x.State())
		_, ok = x.Complete(x.now)
		require.False(t, ok)
	}
}

func TestOnlyResponsesToThisTransactionMatch(t *testing.T) {
	x := newTransactionTest(t, Timing{})
	require.False(t, x.Matches(response(t, TypeBindingRequest, x.ID())), "our own request, reflected")
	require.False(t, x.Matches(response(t, TypeBindingIndication, x.ID())))
	require.False(t, x.Matches(response(t, TypeBindingSuccess, TransactionID{2})))
	require.False(t, x.Matches(Message{}))

	var idle Transaction
	require.False(t, idle.Matches(response(t, TypeBindingSuccess, TransactionID{})), "nothing was asked")
	require.False(t, idle.Transmit(x.now))
	require.Zero(t, idle.Deadline())

	// A response before the first request does not match either.
	idle.Start(x.now, TransactionID{7}, Timing{})
	require.False(t, idle.Matches(response(t, TypeBindingSuccess, TransactionID{7})))
	require.Equal(t, x.now, idle.Deadline())
}

func TestKarnsAlgorithm(t *testing.T) {
	// A response after a retransmission does not measure the round-trip time.
	x := newTransactionTest(t, Timing{})
	x.step(0)
	require.Equal(t, 2, x.Requests())
	_, ok := x.Complete(x.now.Add(time.Millisecond))
	require.False(t, ok)
	require.Equal(t, TransactionCompleted, x.State())
}

func TestStopRetransmitting(t *testing.T) {
	// "Cancellation means that the agent will not retransmit the Binding requests associated with
	// the connectivity-check transaction, will not treat the lack of response to be a failure, but
	// will wait the duration of the transaction timeout for a response." (RFC 8445, section
	// 7.3.1.4)
	for sent := 1; sent <= DefaultMaxRequests; sent++ {
		x := newTransactionTest(t, Timing{})
		for x.Requests() < sent {
			x.step(0)
		}
		x.StopRetransmitting()
		x.StopRetransmitting()
		require.True(t, x.Matches(response(t, TypeBindingSuccess, x.ID())))
		x.step(0)
		require.Len(t, x.sends, sent)
		require.Equal(t, int64(39500), x.ms(), "after %d requests", sent)
		require.Equal(t, TransactionTimedOut, x.State())
	}
	var x Transaction
	x.StopRetransmitting()
	require.Equal(t, TransactionIdle, x.State())
	x.Start(time.Unix(1, 0), TransactionID{}, Timing{})
	x.StopRetransmitting()
	require.Equal(t, TransactionCompleted, x.State(), "never sent, so there is nothing to wait for")
}

func TestTransactionCanBeStartedAgain(t *testing.T) {
	x := newTransactionTest(t, Timing{MaxRequests: 1})
	x.StopRetransmitting()
	x.run()
	x.start, x.sends = x.now, nil
	x.Start(x.now, TransactionID{2}, Timing{})
	x.transmit()
	x.run()
	require.Equal(t, []int64{0, 500, 1500, 3500, 7500, 15500, 31500}, x.sends)
}

func TestTransactionStateNames(t *testing.T) {
	for state, want := range map[TransactionState]string{TransactionIdle: "idle", TransactionWaiting: "waiting",
		TransactionCompleted: "completed", TransactionTimedOut: "timed out", 9: "invalid"} {
		require.Equal(t, want, state.String())
	}
}
