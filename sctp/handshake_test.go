package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// https://www.rfc-editor.org/rfc/rfc9260.html#section-5.1, as the side that
// begins. A) "first builds a TCB and sends an INIT chunk ... Initiate Tag in the
// range of 1 to 4294967295"; C) "upon reception of the INIT ACK chunk ... stops
// the T1-init timer and leaves the COOKIE-WAIT state. 'A' then sends the State
// Cookie received in the INIT ACK chunk in a COOKIE ECHO chunk, starts the
// T1-cookie timer, and enters the COOKIE-ECHOED state."
func TestHandshakeAsClient(t *testing.T) {
	s := newScript(t, Config{MaxStreams: 100})
	require.Equal(t, StateClosed, s.a.State())
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrNotConnected)

	s.a.Connect(s.now)
	s.drain()
	require.Equal(t, StateCookieWait, s.a.State())
	_, raw := s.take()
	require.Equal(t, packet(0, rawChunk(1, 0, uint32(ownTag), uint32(s.a.window.limit), uint16(100), uint16(100), uint32(ownTSN))[:20]), withChecksum(cutLength(raw[0], 32)))

	s.a.Connect(s.now) // again, or too late: no effect
	s.drain()
	s.want()

	// The peer has 17 streams out and takes 60: "the endpoint MUST use MIN(its
	// OS, the peer's MIS)" (section 5.1.1).
	s.wait(rtt)
	s.receive(rawChunk(2, 0, uint32(peerTag), uint32(5000), uint16(17), uint16(60), uint32(peerTSN), rawParam(7, "cookie"), supportsAll))
	require.Equal(t, StateCookieEchoed, s.a.State())
	s.want(`COOKIE ECHO "cookie"`)
	s.wantEvents()

	// E) "Upon reception of the COOKIE ACK chunk, 'A' will move from the
	// COOKIE-ECHOED state to the ESTABLISHED state, stopping the T1-cookie timer."
	s.wait(rtt)
	s.receive(cookieAck())
	require.Equal(t, StateEstablished, s.a.State())
	s.want()
	s.wantEvents("connected")
	out, in := s.a.Streams()
	require.EqualValues(t, 60, out)
	require.EqualValues(t, 17, in)
	require.Equal(t, 5000, s.a.Stats().PeerWindow)
	require.ErrorIs(t, s.a.Send(s.now, 60, 51, []byte("x"), SendOptions{}), ErrInvalidStream)
	s.send(59, "x")
	s.want(`DATA 1000 s59 ssn0 BE "x"`)
}

// cutLength shortens a packet with one chunk to n bytes and makes the chunk's
// length fit, for a comparison without its parameters.
func cutLength(p []byte, n int) []byte {
	p = append([]byte(nil), p[:n]...)
	p[14], p[15] = byte((n-12)>>8), byte(n-12)
	return p
}

// The same as the side that answers. B) "Z responds immediately with an INIT ACK
// chunk"; section 5.1.3: "it MUST NOT ... keep state"; D) "Upon reception of the
// COOKIE ECHO chunk, endpoint 'Z' replies with a COOKIE ACK chunk after building
// a TCB and moving to the ESTABLISHED state. A COOKIE ACK chunk MAY be bundled
// with any pending DATA chunks."
func TestHandshakeAsServer(t *testing.T) {
	s := newScript(t, Config{MaxStreams: 100})
	s.receiveTag(0, rawChunk(1, 0, uint32(peerTag), uint32(5000), uint16(17), uint16(60), uint32(peerTSN), supportsAll))
	s.want("[tag 0xb0b0b0b] INIT ACK")
	require.Equal(t, StateClosed, s.a.State())
	require.True(t, s.a.Deadline().IsZero(), "no timer runs for a peer that may not exist")

	// The cookie comes with the first data.
	s.wait(rtt)
	s.receive(cookieEcho(s.cookie), data(peerTSN, 3, 0, "BEI", "early"))
	require.Equal(t, StateEstablished, s.a.State())
	s.want("COOKIE ACK | SACK 2000")
	s.wantEvents("connected")
	s.wantMessages("3:early")
	out, in := s.a.Streams()
	require.EqualValues(t, 60, out)
	require.EqualValues(t, 17, in)
	require.Equal(t, 5000, s.a.Stats().PeerWindow)
	s.wantAlive()
}

// "A COOKIE ECHO chunk can be bundled with any pending outbound DATA chunks, but
// it MUST be the first chunk in the packet and until the COOKIE ACK chunk is
// returned the sender MUST NOT send any other packets to the peer."
// https://www.rfc-editor.org/rfc/rfc9260.html#section-5.1
func TestDataWithCookieEcho(t *testing.T) {
	begin := func() *script {
		s := newScript(t, Config{MaxRetransmits: 3})
		s.a.Connect(s.now)
		s.drain()
		s.take()
		require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrNotConnected)
		s.wait(rtt)
		s.hold = true // as an owner that looks at the state before it transmits
		s.receive(initAck(peerTag, peerTSN, rawParam(7, "cookie"), supportsAll))
		require.Equal(t, StateCookieEchoed, s.a.State())
		require.NoError(t, s.a.Send(s.now, 3, 51, []byte("early"), SendOptions{}))
		require.ErrorIs(t, s.a.Send(s.now, 1024, 51, []byte("x"), SendOptions{}), ErrInvalidStream)
		s.flush()
		s.want(`COOKIE ECHO "cookie" | DATA 1000 s3 ssn0 IBE "early"`)
		s.send(3, "later")
		s.want()
		return s
	}

	s := begin()
	s.wait(rtt)
	s.receive(cookieAck(), sack(1000))
	s.wantEvents("connected")
	s.want(`DATA 1001 s3 ssn1 BE "later"`)
	s.wait(rtt)
	s.receive(sack(1001))
	require.Zero(t, s.a.BufferedAmount())

	// The packet is lost: T1 brings all of it again, and what came meanwhile.
	s = begin()
	s.waitDeadline()
	s.want(`COOKIE ECHO "cookie" | DATA 1000 s3 ssn0 IBE "early" | DATA 1001 s3 ssn1 IBE "later"`)
	s.receive(cookieAck(), sack(1001))
	require.Zero(t, s.a.BufferedAmount())

	// The acknowledgement of the data is lost: T3 is running.
	s = begin()
	s.wait(rtt)
	s.receive(cookieAck())
	s.wantEvents("connected")
	s.want(`DATA 1001 s3 ssn1 BE "later"`)
	for range 3 {
		s.waitDeadline()
		s.take()
	}
	s.receive(sack(1001))
	require.Zero(t, s.a.BufferedAmount())
	s.wantAlive()

	// The peer's COOKIE ECHO ends our wait (section 5.2.4, action D).
	s = begin()
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	s.take()
	s.receive(cookieEcho(s.cookie), sack(1000))
	s.want(`COOKIE ACK | DATA 1001 s3 ssn1 BE "later"`)
	s.receive(sack(1001))
	require.Zero(t, s.a.BufferedAmount())
}

// What is asked for before the COOKIE ACK is there is done when it is.
func TestRequestsBeforeCookieAck(t *testing.T) {
	begin := func() *script {
		s := newScript(t, Config{})
		s.a.Connect(s.now)
		s.drain()
		require.ErrorIs(t, s.a.ResetStream(s.now, 3), ErrNotConnected)
		s.hold = true
		s.receive(initAck(peerTag, peerTSN, rawParam(7, "cookie"), supportsAll))
		require.NoError(t, s.a.Send(s.now, 3, 51, []byte("early"), SendOptions{}))
		return s
	}

	s := begin()
	require.NoError(t, s.a.ResetStream(s.now, 3))
	s.flush()
	s.take()
	s.wait(rtt)
	s.receive(cookieAck(), sack(1000))
	s.want("RE-CONFIG reset #1000 last 1000 s3")

	s = begin()
	s.a.Shutdown(s.now)
	require.ErrorIs(t, s.a.Send(s.now, 3, 51, []byte("x"), SendOptions{}), ErrClosed)
	s.flush()
	s.take()
	s.wait(rtt)
	s.receive(cookieAck(), sack(1000))
	s.want("SHUTDOWN 1999")
	s.receive(shutdownAck())
	s.want("SHUTDOWN COMPLETE")
	s.wantEvents("connected", "closed")
}

// Who has answered an INIT before it wanted to connect itself leaves the
// handshake to the peer, and comes back with an INIT of its own only when that
// has led to nothing within the T1 timer.
func TestConnectAfterThePeer(t *testing.T) {
	s := newScript(t, Config{})
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	s.want("[tag 0xb0b0b0b] INIT ACK")
	s.a.Connect(s.now)
	s.drain()
	s.want()
	require.Equal(t, StateCookieWait, s.a.State())
	s.wait(rtt)
	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents("connected")

	s = newScript(t, Config{})
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	s.want("[tag 0xb0b0b0b] INIT ACK")
	s.a.Connect(s.now)
	s.drain()
	s.want()
	require.Equal(t, time.Second, s.waitDeadline(), "RTO.Initial")
	s.want("[tag 0] INIT")
	s.receive(initAck(peerTag, peerTSN, rawParam(7, "cookie"), supportsAll))
	s.want(`COOKIE ECHO "cookie"`)
	s.receive(cookieAck())
	s.wantEvents("connected")
}

// Section 5.1.5: the cookie's authenticity is computed anew, 1); "Compare the
// Verification Tags contained within the State Cookie to the actual Verification
// Tag within the SCTP common header", 2); else "the packet MUST be silently
// discarded".
func TestForgedCookies(t *testing.T) {
	s := newScript(t, Config{})
	s.receiveTag(0, initChunk(peerTag, peerTSN))
	s.want("[tag 0xb0b0b0b] INIT ACK")
	for i := range s.cookie {
		forged := append([]byte(nil), s.cookie...)
		forged[i] ^= 0x40
		s.receive(cookieEcho(forged))
	}
	for n := range s.cookie {
		s.receive(cookieEcho(s.cookie[:n]))
	}
	s.receive(cookieEcho(append(s.cookie[:len(s.cookie):len(s.cookie)], 0)))
	s.receiveTag(ownTag+1, cookieEcho(s.cookie))
	require.EqualValues(t, 2*len(s.cookie)+2, s.a.Stats().CookiesInvalid)

	other := newScript(t, Config{Rand: fixedRand(ownTag, ownTSN)})
	other.a.hand.secret[0]++ // another process's
	other.receive(cookieEcho(s.cookie))
	other.want()
	require.Equal(t, StateClosed, other.a.State())

	s.want()
	s.wantEvents()
	require.Equal(t, StateClosed, s.a.State())
	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
}

// Section 5.1.5, 3): "If the State Cookie is older ... send an ERROR chunk with a
// 'Stale Cookie' error cause". 5.2.6 tells the other side what to do then.
func TestStaleCookie(t *testing.T) {
	for _, c := range []struct {
		name   string
		params []byte
		life   time.Duration
	}{
		{"", nil, 60 * time.Second},
		// 3.3.2.1: "This increment SHOULD be added to the State Cookie's life-span."
		{"preserved", rawParam(9, uint32(5000)), 65 * time.Second},
		{"preserved for ever", rawParam(9, uint32(0xffffffff)), 120 * time.Second},
		{"preservative cut short", rawParam(9, uint16(5000)), 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			s.receiveTag(0, initChunk(peerTag, peerTSN, c.params))
			s.want("[tag 0xb0b0b0b] INIT ACK")
			// "Measure of Staleness: the difference, in microseconds, between the
			// current time and the time the State Cookie expired" (3.3.10.3).
			s.wait(c.life + 3*time.Millisecond)
			s.receive(cookieEcho(s.cookie))
			s.want("[tag 0xb0b0b0b] ERROR, Stale Cookie 00000bb8")
			require.Equal(t, StateClosed, s.a.State())

			s.receiveTag(0, initChunk(peerTag, peerTSN, c.params))
			s.want("[tag 0xb0b0b0b] INIT ACK")
			s.wait(c.life)
			s.receive(cookieEcho(s.cookie))
			s.want("COOKIE ACK | HEARTBEAT")
		})
	}
}

// Section 5.2.6: "1) Send a new INIT chunk to the endpoint to generate a new State
// Cookie and reattempt the setup procedure."
func TestPeerCallsTheCookieStale(t *testing.T) {
	stale := rawChunk(9, 0, rawParam(3, uint32(1)))
	s := newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	s.want("[tag 0] INIT")
	s.receive(stale) // not in COOKIE-WAIT
	s.want()
	s.receive(initAck(peerTag, peerTSN))
	s.want(`COOKIE ECHO "cookie"`)
	s.receive(stale)
	s.want("[tag 0] INIT")
	s.receive(initAck(peerTag+1, peerTSN))
	s.want(`COOKIE ECHO "cookie"`)
	s.receive(cookieAck())
	s.wantEvents("connected")

	// A peer that says so each time is not asked for ever.
	s = newScript(t, Config{MaxInitRetransmits: 3})
	s.a.Connect(s.now)
	s.drain()
	for range 3 {
		s.receive(initAck(peerTag, peerTSN))
		s.receive(stale)
	}
	s.receive(initAck(peerTag, peerTSN))
	s.wantEvents()
	s.receive(stale)
	s.wantEvents("closed: " + ErrStaleCookie.Error())
	require.Equal(t, StateClosed, s.a.State())
}

// Section 5.1, note 1: "If T1-init timer expires at 'A' after the INIT or COOKIE
// ECHO chunks are sent, the same INIT or COOKIE ECHO chunk with the same Initiate
// Tag (i.e., Tag_A) or State Cookie is retransmitted and the timer is restarted.
// This is repeated Max.Init.Retransmits times before 'A' considers 'Z' unreachable
// and reports the failure to its upper layer".
func TestHandshakeTimeouts(t *testing.T) {
	wantBackOff := func(s *script, first time.Duration, times int, packet string) {
		for d := first; times > 0; times-- {
			require.Equal(s.t, d, s.waitDeadline())
			s.want(packet)
			d = min(2*d, 60*time.Second)
		}
	}
	t.Run("INIT", func(t *testing.T) {
		s := newScript(t, Config{})
		s.a.Connect(s.now)
		s.drain()
		_, first := s.take()
		s.wait(time.Second)
		_, second := s.take()
		require.Equal(t, first, second)
		wantBackOff(s, 2*time.Second, 7, "[tag 0] INIT")
		s.wantEvents()
		require.Equal(t, 60*time.Second, s.waitDeadline())
		s.want()
		s.wantEvents("closed: " + ErrHandshakeTimeout.Error())
		require.True(t, s.a.Deadline().IsZero())
		require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrClosed)
		s.a.Connect(s.now) // an association is used once
		s.drain()
		s.want()
	})
	t.Run("COOKIE ECHO", func(t *testing.T) {
		s := newScript(t, Config{MaxInitRetransmits: 3, MinRTO: 300 * time.Millisecond})
		s.a.Connect(s.now)
		s.drain()
		s.want("[tag 0] INIT")
		s.wait(rtt)
		s.receive(initAck(peerTag, peerTSN))
		s.want(`COOKIE ECHO "cookie"`)
		wantBackOff(s, 300*time.Millisecond, 3, `COOKIE ECHO "cookie"`)
		s.waitDeadline()
		s.want()
		s.wantEvents("closed: " + ErrHandshakeTimeout.Error())
	})
	t.Run("each message lost once", func(t *testing.T) {
		// Two associations, of which one connects; the n-th packet is lost.
		for n := range 5 {
			a, b := newScript(t, Config{}), newScript(t, Config{Rand: fixedRand(peerTag, peerTSN)})
			a.a.Connect(a.now)
			count := 0
			carry := func(from, to *script) {
				from.drain()
				_, raw := from.take()
				for _, p := range raw {
					if count++; count-1 != n {
						to.a.Receive(to.now, p)
					}
				}
			}
			for a.a.State() != StateEstablished || b.a.State() != StateEstablished {
				carry(a, b)
				carry(b, a)
				a.wait(10 * time.Millisecond)
				b.wait(10 * time.Millisecond)
				require.Less(t, a.now.Sub(time.Unix(1_700_000_000, 0)), 2*time.Second, "packet %d", n)
			}
			a.wantEvents("connected")
			b.wantEvents("connected")
		}
	})
}

// Section 5.2.1, in COOKIE-WAIT or COOKIE-ECHOED: "the endpoint MUST respond with
// an INIT ACK chunk using the same parameters it sent in its original INIT chunk
// (including its Initiate Tag, unchanged)". The COOKIE ECHO of the other side then
// establishes (5.2.4, action B), and what comes after finds that done.
func TestSimultaneousHandshake(t *testing.T) {
	s := newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	_, raw := s.take()
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	_, answer := s.take()
	require.Equal(t, raw[0][16:32], answer[0][16:32], "tag, window, streams, TSN")
	require.Equal(t, StateCookieWait, s.a.State())

	s.receive(initAck(peerTag, peerTSN, supportsAll))
	s.want(`COOKIE ECHO "cookie"`)
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll)) // INIT again, in COOKIE-ECHOED
	_, answer = s.take()
	require.Equal(t, raw[0][16:32], answer[0][16:32])

	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents("connected")
	s.receive(cookieAck())                             // for ours; 5.2.5: "At any state other than COOKIE-ECHOED, an endpoint SHOULD silently discard"
	s.receive(initAck(peerTag+5, peerTSN+5))           // 5.2.3: "SHOULD discard the INIT ACK chunk"
	s.receive(rawChunk(9, 0, rawParam(3, uint32(99)))) // a late ERROR
	s.want()
	s.wantAlive()

	// The other order: the peer's COOKIE ECHO finds us in COOKIE-WAIT still.
	s = newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	s.take()
	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents("connected")
	s.receive(initAck(peerTag, peerTSN, supportsAll))
	s.want()
	s.wantAlive()
}

// Section 5.2.2, an INIT in any other state: "an endpoint MUST respond with an
// INIT ACK chunk ... a new, random Initiate Tag ... Other parameters for the
// endpoint SHOULD be copied from the existing parameters of the association ...
// After sending the INIT ACK or ABORT chunk, the endpoint MUST take no further
// actions; i.e., the existing association, including its current state, and the
// corresponding TCB MUST NOT be changed."
func TestUnexpectedInit(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "in flight")
	s.want(`DATA 1000 s1 ssn0 BE "in flight"`)
	deadline := s.a.Deadline()
	s.receiveTag(0, initChunk(peerTag+7, 1, supportsAll))
	_, raw := s.take()
	require.Equal(t, "[tag 0xb0b0b12] INIT ACK", s.describe(raw[0]))
	require.NotEqual(t, fields(uint32(ownTag)), raw[0][16:20])
	require.NotEqual(t, fields(uint32(0)), raw[0][16:20])
	require.Equal(t, deadline, s.a.Deadline())
	s.receive(sack(1000))
	require.Zero(t, s.a.BufferedAmount())
	s.wantAlive()
}

// Section 5.2.4, action A: "the peer has restarted. When the endpoint recognizes
// this potential 'restart', the existing session is treated the same as if it
// received an ABORT chunk followed by a new COOKIE ECHO chunk".
func TestRestart(t *testing.T) {
	s := established(t, Config{MaxSendBuffer: 2000})
	s.send(1, "in flight")
	s.send(2, "too")
	s.receive(sack(ownTSN-1, 1001, 1001))
	s.receive(data(peerTSN+1, 1, 1, "BE", "waits"), data(peerTSN+3, 1, 2, "B", "part"))
	require.NoError(t, s.a.ResetStream(s.now, 2))
	s.drain()
	s.take()
	const newTag, newTSN = 0x0c0c0c0c, 7000
	s.receiveTag(0, initChunk(newTag, newTSN, supportsAll))
	s.want("[tag 0xc0c0c0c] INIT ACK")
	myTag := s.tagInCookie()
	s.receiveTag(myTag, cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents("restarted", "connected")
	require.Equal(t, StateEstablished, s.a.State())
	require.Zero(t, s.a.BufferedAmount())
	require.Zero(t, s.a.Stats().Held)

	// Everything begins anew: TSNs, SSNs, windows.
	first := s.a.out.next
	s.send(1, "new")
	s.want(fmt.Sprintf(`DATA %d s1 ssn0 BE "new"`, first))
	s.receiveTag(myTag, data(newTSN, 1, 0, "BEI", "hello"))
	s.want("SACK 7000")
	s.wantMessages("1:hello")
	s.receive(data(newTSN+1, 1, 1, "BEI", "of the old association")) // with the old tag
	s.want()
	s.wantMessages()
	// The COOKIE ACK was lost: action D, a second one.
	s.receiveTag(myTag, cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents()
}

// tagInCookie is the tag that the association's last INIT ACK gave itself.
func (s *script) tagInCookie() uint32 {
	s.t.Helper()
	k, err := openCookie(s.cookie, &s.a.hand.secret)
	require.NoError(s.t, err)
	return k.myTag
}

// A sender that was told to wait must not wait for ever because the peer came
// back as another.
func TestRestartMakesWritable(t *testing.T) {
	s := established(t, Config{MaxSendBuffer: 2000})
	s.send(1, string(make([]byte, 2000)))
	require.ErrorIs(t, s.a.Send(s.now, 1, 51, []byte("x"), SendOptions{}), ErrSendBufferFull)
	s.receiveTag(0, initChunk(peerTag+7, 1))
	s.receiveTag(s.tagInCookie(), cookieEcho(s.cookie))
	s.wantEvents("restarted", "connected", "writable")
}

// The table of section 5.2.4: what a COOKIE ECHO does by whether its tags match
// ("M"), do not ("X") or are unknown ("0").
func TestCookieEchoTable(t *testing.T) {
	const other = 0x0d0d0d0d
	for _, c := range []struct {
		row                                  string
		localTag, peerTag, localTie, peerTie uint32
		action                               string
	}{
		{"X X M M", other, other, ownTag, peerTag, "A"},
		{"M X A A", ownTag, other, 0, 0, "B"},
		{"M 0 A A", ownTag, peerTag, 0, 0, "B"}, // in COOKIE-WAIT the peer's tag is unknown
		{"X M 0 0", other, peerTag, 0, 0, "C"},
		{"M M A A", ownTag, peerTag, 0, 0, "D"},
		// "For any case not shown in Table 12 a cookie SHOULD be silently discarded."
		{"X X 0 0", other, other, 0, 0, ""},
		{"X X M X", other, other, ownTag, other, ""},
		{"X X X M", other, other, other, peerTag, ""},
		{"X M M M", other, peerTag, ownTag, peerTag, ""},
	} {
		for _, state := range []State{StateCookieWait, StateCookieEchoed, StateEstablished} {
			t.Run(c.row+" "+state.String(), func(t *testing.T) {
				s := newScript(t, Config{})
				s.a.Connect(s.now)
				s.drain()
				if state >= StateCookieEchoed {
					s.receive(initAck(peerTag, peerTSN))
				}
				if state >= StateEstablished {
					s.receive(cookieAck())
					s.wantEvents("connected")
				}
				s.take()
				require.Equal(t, state, s.a.State())
				k := cookie{life: time.Minute, myTag: c.localTag, peerTag: c.peerTag, myTSN: ownTSN, peerTSN: 5000, window: 9999,
					localTieTag: c.localTie, peerTieTag: c.peerTie, outStreams: 5, inStreams: 5}
				s.receiveTag(c.localTag, cookieEcho(k.seal(&s.a.hand.secret)))

				action := c.action
				switch {
				case state == StateCookieWait && c.localTag == ownTag:
					action = "B" // nothing is known of the peer yet: M 0
				case state == StateCookieWait:
					action = ""
				case state == StateCookieEchoed && c.row == "M 0 A A":
					action = "D"
				case state == StateEstablished && c.row == "M 0 A A":
					action = "D"
				case state == StateEstablished && action == "B":
					action = "" // of a peer that we have not been talking to since
				}
				switch action {
				case "A": // restart
					s.want("COOKIE ACK")
					s.wantEvents("restarted", "connected")
					require.EqualValues(t, other, s.a.hand.peerTag)
					require.EqualValues(t, 4999, s.a.recv.cum)
				case "B": // "MUST update its peer's Verification Tag from the State Cookie ... and send a COOKIE ACK"
					s.want("COOKIE ACK")
					s.wantEvents("connected")
					require.Equal(t, c.peerTag, s.a.hand.peerTag)
					require.EqualValues(t, 4999, s.a.recv.cum)
				case "D": // "enter the ESTABLISHED state, if it has not already done so ... send a COOKIE ACK"
					s.want("COOKIE ACK")
					if state == StateCookieEchoed {
						s.wantEvents("connected")
					}
					require.EqualValues(t, peerTSN-1, s.a.recv.cum)
				default: // "silently discarded. The endpoint SHOULD NOT change states and SHOULD leave any timers running."
					s.want()
					require.Equal(t, state, s.a.State())
					require.EqualValues(t, 1, s.a.Stats().CookiesInvalid)
				}
				s.wantEvents()
			})
		}
	}
}

// Row D again: "an expired State Cookie ... the State Cookie is considered valid"
// where both tags match, because it can only be a COOKIE ECHO sent again.
func TestExpiredCookieOfThisAssociation(t *testing.T) {
	s := newScript(t, Config{HeartbeatInterval: -1})
	s.receiveTag(0, initChunk(peerTag, peerTSN))
	s.receive(cookieEcho(s.cookie))
	s.take()
	s.wantEvents("connected")
	s.wait(61 * time.Second)
	s.receive(cookieEcho(s.cookie))
	s.want("COOKIE ACK")
	s.wantEvents()
}

// Action A in SHUTDOWN-ACK-SENT: "it MUST NOT set up a new association but instead
// resend the SHUTDOWN ACK chunk and send an ERROR chunk with a 'Cookie Received
// While Shutting Down' error cause to its peer." And 9.2: "If an endpoint is in
// the SHUTDOWN-ACK-SENT state and receives an INIT chunk ... it SHOULD discard the
// INIT chunk and retransmit the SHUTDOWN ACK chunk."
func TestRestartWhileShuttingDown(t *testing.T) {
	s := established(t, Config{})
	s.receiveTag(0, initChunk(peerTag+1, 5))
	s.want("[tag 0xb0b0b0c] INIT ACK")
	s.receive(shutdownChunk(ownTSN - 1))
	s.want("SHUTDOWN ACK")
	require.Equal(t, StateShutdownAckSent, s.a.State())
	s.receiveTag(s.tagInCookie(), cookieEcho(s.cookie))
	s.want("ERROR, Cookie Received While Shutting Down | SHUTDOWN ACK")
	s.receiveTag(0, initChunk(peerTag+1, 5))
	s.want("SHUTDOWN ACK")
	require.Equal(t, StateShutdownAckSent, s.a.State())
	s.wantEvents()
}
