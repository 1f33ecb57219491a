package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 5.1, as the side that begins. A: it sends INIT with an Initiate Tag other than
// 0. C: at the INIT ACK it stops T1-init, sends COOKIE ECHO with the State Cookie, starts
// T1-cookie, and enters COOKIE-ECHOED.
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

	// RFC 9260, section 5.1.1: the peer has 17 streams out and accepts 60; the smaller numbers
	// count.
	s.wait(rtt)
	s.receive(rawChunk(2, 0, uint32(peerTag), uint32(5000), uint16(17), uint16(60), uint32(peerTSN), rawParam(7, "cookie"), supportsAll))
	require.Equal(t, StateCookieEchoed, s.a.State())
	s.want(`COOKIE ECHO "cookie"`)
	s.wantEvents()

	// RFC 9260, section 5.1, E: COOKIE ACK stops T1-cookie and establishes the association.
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

// cutLength shortens a packet with one chunk to n bytes and adapts the length of the chunk, for a
// comparison without its parameters.
func cutLength(p []byte, n int) []byte {
	p = append([]byte(nil), p[:n]...)
	p[14], p[15] = byte((n-12)>>8), byte(n-12)
	return p
}

// RFC 9260, section 5.1, as the side that answers. B: it answers with INIT ACK, and keeps no state
// (section 5.1.3). D: at the COOKIE ECHO it establishes the association and sends COOKIE ACK, which
// may be bundled with data.
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

// RFC 9260, section 5.1: DATA may follow COOKIE ECHO in its packet, and nothing else is sent until
// the COOKIE ACK has come.
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

	// The packet is lost: T1 retransmits all of it, and the messages sent meanwhile.
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

	// The peer's COOKIE ECHO establishes the association, too (RFC 9260, section 5.2.4, action D).
	s = begin()
	s.receiveTag(0, initChunk(peerTag, peerTSN, supportsAll))
	s.take()
	s.receive(cookieEcho(s.cookie), sack(1000))
	s.want(`COOKIE ACK | DATA 1001 s3 ssn1 BE "later"`)
	s.receive(sack(1001))
	require.Zero(t, s.a.BufferedAmount())
}

// Requests made before the COOKIE ACK are performed after it.
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

// A side that has answered an INIT before its Connect leaves the handshake to the peer, and sends
// an INIT of its own only when that has not succeeded within the time of T1.
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

// RFC 9260, section 5.1.5, 1 and 2: a cookie whose MAC is wrong, or whose tag is not that of the
// packet, is discarded.
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

// RFC 9260, section 5.1.5, 3: an expired cookie is answered by an ERROR with the cause Stale
// Cookie. Section 5.2.6 is the reaction of the other side.
func TestStaleCookie(t *testing.T) {
	for _, c := range []struct {
		name   string
		params []byte
		life   time.Duration
	}{
		{"", nil, 60 * time.Second},
		// RFC 9260, section 3.3.2.1: Cookie Preservative extends the lifetime.
		{"preserved", rawParam(9, uint32(5000)), 65 * time.Second},
		{"preserved for ever", rawParam(9, uint32(0xffffffff)), 120 * time.Second},
		{"preservative cut short", rawParam(9, uint16(5000)), 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			s.receiveTag(0, initChunk(peerTag, peerTSN, c.params))
			s.want("[tag 0xb0b0b0b] INIT ACK")
			// RFC 9260, section 3.3.10.3: the Measure of Staleness is in microseconds.
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

// RFC 9260, section 5.2.6, 1: the handshake is repeated with a new INIT.
func TestPeerReportsStaleCookie(t *testing.T) {
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

	// After repeated stale cookies it ends.
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

// RFC 9260, section 5.1, note 1: INIT and COOKIE ECHO are retransmitted unchanged at the expiry of
// T1, Max.Init.Retransmits times; then the failure is reported.
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

// RFC 9260, section 5.2.1: in COOKIE-WAIT and COOKIE-ECHOED, INIT is answered with the tag and
// parameters of the own INIT. The COOKIE ECHO of the other side then establishes the association
// (section 5.2.4, action B), and later packets have no effect.
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
	s.receive(cookieAck())                             // RFC 9260, section 5.2.5: discarded
	s.receive(initAck(peerTag+5, peerTSN+5))           // RFC 9260, section 5.2.3: discarded
	s.receive(rawChunk(9, 0, rawParam(3, uint32(99)))) // a late ERROR
	s.want()
	s.wantAlive()

	// The other order: the peer's COOKIE ECHO arrives in COOKIE-WAIT.
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

// RFC 9260, section 5.2.2: in any other state, INIT is answered with a new Initiate Tag, and the
// existing association does not change.
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

// RFC 9260, section 5.2.4, action A: a restart of the peer is treated like an ABORT followed by a
// new COOKIE ECHO.
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

	// TSNs, SSNs and windows are in their initial state.
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

// tagInCookie returns the tag of this side in the last INIT ACK.
func (s *script) tagInCookie() uint32 {
	s.t.Helper()
	k, err := openCookie(s.cookie, &s.a.hand.secret)
	require.NoError(s.t, err)
	return k.myTag
}

// A sender that waits for EventWritable gets it after a restart, too.
func TestRestartMakesWritable(t *testing.T) {
	s := established(t, Config{MaxSendBuffer: 2000})
	s.send(1, string(make([]byte, 2000)))
	require.ErrorIs(t, s.a.Send(s.now, 1, 51, []byte("x"), SendOptions{}), ErrSendBufferFull)
	s.receiveTag(0, initChunk(peerTag+7, 1))
	s.receiveTag(s.tagInCookie(), cookieEcho(s.cookie))
	s.wantEvents("restarted", "connected", "writable")
}

// RFC 9260, section 5.2.4, table 12: the effect of a COOKIE ECHO whose tags match (M), do not match
// (X) or are unknown (0).
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
		// All other cases: the cookie is discarded.
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
				case "B": // the peer's tag is taken from the cookie, and COOKIE ACK sent
					s.want("COOKIE ACK")
					s.wantEvents("connected")
					require.Equal(t, c.peerTag, s.a.hand.peerTag)
					require.EqualValues(t, 4999, s.a.recv.cum)
				case "D": // ESTABLISHED, and COOKIE ACK
					s.want("COOKIE ACK")
					if state == StateCookieEchoed {
						s.wantEvents("connected")
					}
					require.EqualValues(t, peerTSN-1, s.a.recv.cum)
				default: // discarded: neither state nor timers change
					s.want()
					require.Equal(t, state, s.a.State())
					require.EqualValues(t, 1, s.a.Stats().CookiesInvalid)
				}
				s.wantEvents()
			})
		}
	}
}

// Row D: an expired cookie is valid where both tags match, because it can only be in a
// retransmitted COOKIE ECHO.
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

// Action A in SHUTDOWN-ACK-SENT: SHUTDOWN ACK is repeated with an ERROR with the cause Cookie
// Received While Shutting Down. Section 9.2: an INIT in that state is discarded, and SHUTDOWN ACK
// repeated.
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
