package fuzz_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// stunSeeds returns messages with every kind of attribute, and malformed ones.
func stunSeeds() [][]byte {
	key := stun.NewKey([]byte("VOkJxbRl1RmTxUk/WvJxBt"))
	check := stun.NewBuilder(nil, stun.TypeBindingRequest, stun.TransactionID{1})
	check.AddString(stun.AttributeUsername, "evtj:h6vY")
	check.AddUint32(stun.AttributePriority, 0x6e0001ff)
	check.AddUint64(stun.AttributeICEControlled, 1)
	check.AddFlag(stun.AttributeUseCandidate)
	check.AddIntegrity(key)
	check.AddIntegritySHA256(key)
	check.AddFingerprint()

	response := stun.NewBuilder(nil, stun.TypeBindingSuccess, stun.TransactionID{2})
	response.AddXORAddress(stun.AttributeXORMappedAddress, netip.MustParseAddrPort("192.0.2.1:32853"))
	response.AddAddress(stun.AttributeMappedAddress, netip.MustParseAddrPort("[2001:db8::1]:3478"))
	response.AddIntegritySHA256Truncated(key, 16)

	challenge := stun.NewBuilder(nil, stun.NewType(stun.MethodAllocate, stun.ClassError), stun.TransactionID{3})
	challenge.AddErrorCode(stun.CodeUnauthorized, stun.Reason(stun.CodeUnauthorized))
	challenge.AddString(stun.AttributeRealm, "example.org")
	challenge.Add(stun.AttributeNonce, stun.AppendNonce(nil, stun.FeaturePasswordAlgorithms))
	challenge.AddPasswordAlgorithms(stun.PasswordAlgorithm{Algorithm: stun.PasswordAlgorithmSHA256}, stun.PasswordAlgorithm{Algorithm: 9, Parameters: []byte{1}})
	challenge.AddUnknownAttributes([]stun.AttributeType{0x7777})

	allocate := stun.NewBuilder(nil, stun.NewType(stun.MethodAllocate, stun.ClassRequest), stun.TransactionID{4})
	allocate.AddRequestedTransport(stun.ProtocolUDP)
	allocate.AddLifetime(time.Minute)
	allocate.AddFamily(stun.AttributeRequestedAddressFamily, stun.FamilyIPv6)
	allocate.AddEvenPort(true)
	allocate.AddReservationToken(stun.ReservationToken{1})
	allocate.AddChannelNumber(0x4000)
	allocate.AddICMP(stun.ICMP{Type: 3, Code: 4, Data: 1280})
	allocate.AddAddressErrorCode(stun.FamilyIPv4, stun.CodeInsufficientCapacity, "")

	seeds := [][]byte{check.Bytes(), response.Bytes(), challenge.Bytes(), allocate.Bytes()}
	for _, seed := range seeds[:4] {
		seeds = append(seeds, seed[:len(seed)-4], seed[:20])
	}
	return append(seeds, nil, []byte("\x00\x01\x00\x04\x21\x12\xa4\x42............\x80\x22\xff\xff"))
}

// FuzzSTUNParse parses arbitrary bytes. If they are a message, views stay within the packet,
// nothing writes to the packet, and a builder can make the same message again.
func FuzzSTUNParse(f *testing.F) {
	for _, seed := range stunSeeds() {
		f.Add(seed)
	}
	key := stun.NewKey([]byte("VOkJxbRl1RmTxUk/WvJxBt"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		before := bytes.Clone(packet)
		m, err := stun.Parse(packet)
		if err != nil {
			if _, err2 := stun.Parse(packet); err2.Error() != err.Error() {
				t.Fatalf("two errors for one packet: %v, %v", err, err2)
			}
			return
		}
		if !stun.Is(packet) {
			t.Fatal("Parse takes what Is does not")
		}
		if n, ok := stun.Size(packet); !ok || n != len(packet) {
			t.Fatalf("Size says %d, %v of a message of %d bytes", n, ok, len(packet))
		}
		useSTUNGetters(m)
		verified := m.CheckIntegrity(key) == nil
		_ = m.CheckIntegritySHA256Truncated(key, 0)
		fingerprinted := m.CheckFingerprint() == nil
		if !bytes.Equal(before, packet) {
			t.Fatal("the packet was written to")
		}
		rebuildSTUN(t, m, key, verified, fingerprinted)
	})
}

// useSTUNGetters calls all getters, which must neither panic nor write to the packet.
func useSTUNGetters(m stun.Message) {
	_, _ = m.Username()
	_, _ = m.UserHash()
	_, _ = m.PasswordAlgorithm()
	_, _ = m.PasswordAlgorithms(nil)
	_, _ = m.Priority()
	_, _ = m.ICEControlled()
	_, _ = m.Lifetime()
	_, _ = m.ChannelNumber()
	_, _ = m.RequestedAddressFamily()
	_, _ = m.EvenPort()
	_, _ = m.ReservationToken()
	_, _ = m.ICMP()
	_, _, _, _ = m.AddressErrorCode()
	_, _, _ = m.ErrorCode()
	_, _ = m.UnknownAttributes(nil)
	_ = m.UnknownRequired(nil, nil)
	if nonce, err := m.Nonce(); err == nil {
		stun.ParseNonce(nonce)
	}
	for t, value := range m.Attributes() {
		_, _ = m.Address(t)
		_, _ = m.XORAddress(t)
		_, _ = m.DecodeXORAddress(t, value)
	}
}

// rebuildSTUN builds a message with the attributes of m, which must have the same values when
// parsed. Integrity and fingerprint are computed anew if they were correct, since the padding that
// they cover may differ, and omitted otherwise.
func rebuildSTUN(t *testing.T, m stun.Message, key *stun.Key, verified, fingerprinted bool) {
	type attribute struct {
		typ   stun.AttributeType
		value []byte
	}
	var want []attribute
	b := stun.NewBuilder(nil, m.Type(), m.TransactionID())
	for typ, value := range m.Attributes() {
		switch typ {
		case stun.AttributeMessageIntegrity:
			if verified {
				b.AddIntegrity(key)
			}
		case stun.AttributeMessageIntegritySHA256:
		case stun.AttributeFingerprint:
			if fingerprinted {
				b.AddFingerprint()
			}
		default:
			b.Add(typ, value)
			want = append(want, attribute{typ, value})
		}
	}
	if b.Err() != nil {
		t.Fatalf("cannot build again what was parsed: %v", b.Err())
	}
	again, err := stun.Parse(b.Bytes())
	if err != nil {
		t.Fatalf("cannot parse what was built: %v", err)
	}
	if again.Type() != m.Type() || again.TransactionID() != m.TransactionID() {
		t.Fatal("another header")
	}
	for typ, value := range again.Attributes() {
		switch typ {
		case stun.AttributeMessageIntegrity:
			if err := again.CheckIntegrity(key); err != nil {
				t.Fatal(err)
			}
		case stun.AttributeFingerprint:
			if err := again.CheckFingerprint(); err != nil {
				t.Fatal(err)
			}
		default:
			if len(want) == 0 || want[0].typ != typ || !bytes.Equal(want[0].value, value) {
				t.Fatalf("attribute %v differs", typ)
			}
			want = want[1:]
		}
	}
	if len(want) != 0 {
		t.Fatalf("%d attributes were lost", len(want))
	}
}

// FuzzSTUNTransaction tests a transaction with any schedule and any delays: it always ends, sends
// at most the allowed number of requests, and its deadline is never in the past.
func FuzzSTUNTransaction(f *testing.F) {
	f.Add(int64(500), uint8(7), uint8(16), false, []byte{0, 0, 0})
	f.Add(int64(1), uint8(255), uint8(1), false, []byte{255, 1})
	f.Add(int64(0), uint8(0), uint8(0), true, []byte{})
	f.Fuzz(func(t *testing.T, rto int64, requests, lastWait uint8, reliable bool, late []byte) {
		now := time.Unix(1700000000, 0)
		var x stun.Transaction
		x.Start(now, stun.TransactionID{1}, stun.Timing{
			RTO: time.Duration(rto), MaxRequests: int(requests), LastWait: int(lastWait), Reliable: reliable, Timeout: time.Duration(rto),
		})
		for steps := 0; x.State() == stun.TransactionWaiting; steps++ {
			if steps > 300 {
				t.Fatal("does not end")
			}
			x.Advance(now)
			if x.Transmit(now); x.Transmit(now) {
				t.Fatal("two requests at once")
			}
			if x.State() != stun.TransactionWaiting {
				break
			}
			if deadline := x.Deadline(); deadline.After(now) {
				now = deadline
			} else {
				t.Fatalf("deadline %v is not after %v", deadline, now)
			}
			if steps < len(late) {
				switch {
				case late[steps] == 255:
					x.StopRetransmitting()
				default:
					now = now.Add(time.Duration(late[steps]) * time.Second)
				}
			}
		}
		if x.Requests() > max(int(requests), stun.DefaultMaxRequests) || reliable && x.Requests() != 1 {
			t.Fatalf("%d requests", x.Requests())
		}
		if !x.Deadline().IsZero() {
			t.Fatal("a deadline after the end")
		}
	})
}
