package fuzz_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/rtcstack/rtcstack/stun"
)

// FuzzICECandidate parses arbitrary candidate lines. An accepted candidate must be formatted as one
// line, which must be accepted again.
func FuzzICECandidate(f *testing.F) {
	for _, s := range []string{
		"candidate:1 1 udp 2130706431 203.0.113.141 8998 typ host",
		"a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n",
		"candidate:842163049 1 udp 1677729535 2001:db8::5 46154 typ relay raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-cost 10",
		"candidate:1 1 udp 2122260223 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 55000 typ host",
		"candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0",
		"candidate:1 1 udp 5 ::ffff:192.0.2.1 9 typ prflx x",
		"candidate: 1 udp 2113667327 192.0.2.18 54400 typ host",
		"candidate:udp_1-a=# 1 udp 4294967295 [fe80::1%eth0] 4000 typ host tcptype passive raddr 1%92.0 rport 61665",
		"candidate:1 1 tcp 1509957375 192.0.2.14 0 typ host generation 0",
		"candidate:1 1 ssltcp 2113932029 192.0.2.15 443 typ future",
		"candidate: 1 udp 1 ::0%\x00 0 typ prflx",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ice.ParseCandidate(s)
		if err != nil {
			var refused *ice.CandidateError
			if !errors.As(err, &refused) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if (c.Transport == ice.TransportTCP) != (c.TCPType != 0) || c.Addr.Addr().Zone() != "" {
			t.Fatalf("%q became %+v", s, c)
		}
		// A description may contain an accepted candidate.
		d := sdp.Description{Media: []sdp.MediaDescription{{
			Kind: sdp.KindAudio, Rejected: true, Candidates: []string{strings.TrimPrefix(strings.TrimSpace(s), "a=")},
		}}}
		if err := d.Validate(); err != nil {
			t.Fatalf("%q in a description: %v", s, err)
		}
		text := c.String()
		if strings.ContainsAny(text, "\r\n") {
			t.Fatalf("%q became %q: more than one line", s, text)
		}
		again, err := ice.ParseCandidate(text)
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", s, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q became %q became %q", s, text, again.String())
		}
	})
}

// iceSeed builds inputs for FuzzICEAgent. Each step is an operation, an argument, and for packets a
// length and the bytes.
type iceSeed []byte

func (s iceSeed) step(op, argument byte) iceSeed { return append(s, op, argument) }

func (s iceSeed) packet(argument byte, p []byte) iceSeed {
	s = append(s, iceReceive, argument)
	s = binary.BigEndian.AppendUint16(s, uint16(len(p)))
	return append(s, p...)
}

const (
	iceReceive = iota
	iceAdvance
	iceAddLocal
	iceAddRemote
	iceSetRemote
	iceComplete
	iceAnswer
	iceRestart
	iceRemoveLocal
	iceData
	iceOperations
)

const iceUfrag, icePwd, iceRemoteUfrag, iceRemotePwd = "user", "passwordpasswordpassword", "peer", "drowssapdrowssapdrowssap"

// iceCheck returns a valid connectivity check of the peer.
func iceCheck(controlling, useCandidate bool) []byte {
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassRequest), stun.TransactionID{})
	b.AddString(stun.AttributeUsername, iceUfrag+":"+iceRemoteUfrag)
	b.AddUint32(stun.AttributePriority, 1<<30)
	if controlling {
		b.AddUint64(stun.AttributeICEControlling, 1<<63)
	} else {
		b.AddUint64(stun.AttributeICEControlled, 1<<63)
	}
	if useCandidate {
		b.AddFlag(stun.AttributeUseCandidate)
	}
	b.AddIntegrity(stun.NewKey([]byte(icePwd)))
	b.AddFingerprint()
	return b.Bytes()
}

// FuzzICEAgent passes arbitrary datagrams, candidates, responses to its requests and times to an
// agent. The agent must not panic, must not send without end, and its Deadline must be in the
// future when it has nothing to send.
func FuzzICEAgent(f *testing.F) {
	start := iceSeed{}.step(iceAddLocal, 0).step(iceSetRemote, 0).step(iceAddRemote, 1)
	f.Add(true, []byte(start.step(iceAnswer, 0).step(iceAnswer, 0).step(iceComplete, 0).step(iceAdvance, 60).step(iceAnswer, 0)))
	f.Add(false, []byte(start.packet(1, iceCheck(true, true)).step(iceAnswer, 0).step(iceAdvance, 50).step(iceAdvance, 255)))
	f.Add(false, []byte(iceSeed{}.step(iceAddLocal, 0).packet(2, iceCheck(false, false)).step(iceSetRemote, 0).step(iceAdvance, 9)))
	f.Add(true, []byte(start.packet(1, iceCheck(true, false)).step(iceAnswer, 1).step(iceAnswer, 2).step(iceAdvance, 200)))
	f.Add(true, []byte(iceSeed{}.step(iceAddLocal, 0).step(iceAddLocal, 1).step(iceAnswer, 3).step(iceComplete, 0).step(iceAdvance, 100)))
	// A response to a consent check on a pair that has been lost.
	f.Add(false, []byte("C0A\xb4B\x9a002x2000"))

	f.Fuzz(func(t *testing.T, controlling bool, script []byte) {
		agent, err := ice.NewAgent(ice.Config{
			Ufrag: iceUfrag, Pwd: icePwd, Controlling: controlling, Rand: strings.NewReader(strings.Repeat("seed", 8)),
			STUNServers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:3478")},
		})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1_700_000_000, 0)
		address := func(network, n byte) netip.AddrPort {
			if n&0x80 != 0 {
				return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: network, 15: n}), 5000+uint16(n&1))
			}
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, network, n}), 5000+uint16(n&1))
		}
		keys := []*stun.Key{stun.NewKey([]byte(iceRemotePwd)), stun.NewKey([]byte(icePwd))}
		type sent struct {
			path ice.Path
			id   stun.TransactionID
		}
		var requests []sent
		var bases ice.BaseID
		hasPath := false
		buf := make([]byte, 0, 2048)
		drain := func() {
			for n := 0; ; n++ {
				b, path, ok := agent.Transmit(now, buf)
				if !ok {
					break
				}
				m, err := stun.Parse(b)
				if err != nil {
					t.Fatalf("sent a packet that is not STUN: %v", err)
				}
				if m.Type().Class() == stun.ClassRequest {
					requests = append(requests, sent{path, m.TransactionID()})
				}
				if n > 1000 {
					t.Fatal("Transmit does not end")
				}
			}
			if d := agent.Deadline(); !d.IsZero() && !d.After(now) {
				agent.Advance(now)
				if _, _, ok := agent.Transmit(now, buf); !ok && !agent.Deadline().IsZero() && !agent.Deadline().After(now) {
					t.Fatal("Deadline does not move")
				}
			}
			for {
				e, ok := agent.Event()
				if !ok {
					break
				}
				switch e.Kind {
				case ice.EventSelectedPair:
					hasPath = true
				case ice.EventPathLost:
					hasPath = false
				}
			}
			if _, ok := agent.Selected(); ok != hasPath && agent.State() != ice.StateClosed {
				t.Fatalf("the agent has a path: %v; according to its events: %v", ok, hasPath)
			}
			agent.Stats()
		}
		for len(script) >= 2 {
			op, argument := script[0]%iceOperations, script[1]
			script = script[2:]
			switch op {
			case iceReceive:
				if len(script) < 2 {
					return
				}
				n := min(int(binary.BigEndian.Uint16(script)), len(script)-2)
				agent.Receive(now, ice.Path{Base: 1 + ice.BaseID(argument>>1&3), Remote: address(1, argument)}, script[2:2+n])
				script = script[2+n:]
			case iceAdvance:
				now = now.Add(time.Duration(argument) * 200 * time.Millisecond)
				agent.Advance(now)
			case iceAddLocal:
				if _, err := agent.AddLocal(now, ice.Local{Addr: address(0, argument&0x83)}); err == nil {
					bases++
				}
			case iceAddRemote:
				agent.AddRemoteCandidate(now, ice.Candidate{
					Foundation: string(rune('a' + argument%4)), Component: 1, Type: ice.CandidateType(1 + argument%4),
					Priority: uint32(argument) << 16, Addr: address(1, argument),
				})
			case iceSetRemote:
				agent.SetRemote(now, ice.RemoteParameters{
					Ufrag: iceRemoteUfrag + strings.Repeat("x", int(argument>>1&1)), Pwd: iceRemotePwd, Lite: argument&1 == 1,
				})
			case iceRestart:
				if argument&1 == 0 {
					agent.Restart(now, iceUfrag+strings.Repeat("x", int(argument>>1&1)), icePwd)
				} else {
					agent.CancelRestart(now)
				}
			case iceRemoveLocal:
				agent.RemoveLocal(now, 1+ice.BaseID(argument)%(bases+1))
			case iceData:
				path := ice.Path{Base: 1 + ice.BaseID(argument>>1&3), Remote: address(1, argument)}
				if agent.Permits(path) {
					agent.ReceivedData(now, path)
				}
			case iceComplete:
				if argument&1 == 0 {
					agent.SetLocalComplete(now)
				}
				agent.SetRemoteComplete(now)
			case iceAnswer: // a response to the last request: success, role conflict, or a wrong key
				if len(requests) == 0 {
					continue
				}
				r := requests[len(requests)-1]
				requests = requests[:len(requests)-1]
				class := stun.ClassSuccess
				if argument&1 == 1 {
					class = stun.ClassError
				}
				b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, class), r.id)
				if class == stun.ClassError {
					b.AddErrorCode(stun.CodeRoleConflict, "")
				} else {
					b.AddXORAddress(stun.AttributeXORMappedAddress, address(0, argument>>2))
				}
				b.AddIntegrity(keys[argument>>1&1])
				b.AddFingerprint()
				agent.Receive(now, r.path, b.Bytes())
			}
			drain()
		}
	})
}
