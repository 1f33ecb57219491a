package stun

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

// check builds and receives an ICE connectivity check and its response, the messages of the hot
// path.
type check struct {
	key    *Key
	id     TransactionID
	addr   netip.AddrPort
	buf    [512]byte
	result netip.AddrPort
	sum    uint64 // keeps the compiler from optimizing the measured calls away
}

func newCheck(key *Key) *check {
	return &check{key: key, id: TransactionID{1, 2, 3}, addr: netip.MustParseAddrPort("[2001:db8::1]:54321")}
}

// request builds a check like those of browsers.
func (c *check) request() []byte {
	b := NewBuilder(c.buf[:0], TypeBindingRequest, c.id)
	b.AddString(AttributeUsername, "qeJH:AbcdEfgh01234567")
	b.AddUint64(AttributeICEControlling, 0x932ff9b151263b36)
	b.AddFlag(AttributeUseCandidate)
	b.AddUint32(AttributePriority, 1853824767)
	b.AddIntegrity(c.key)
	b.AddFingerprint()
	return b.Bytes()
}

// response builds the response.
func (c *check) response() []byte {
	b := NewBuilder(c.buf[:0], TypeBindingSuccess, c.id)
	b.AddXORAddress(AttributeXORMappedAddress, c.addr)
	b.AddIntegrity(c.key)
	b.AddFingerprint()
	return b.Bytes()
}

// receive processes a message as an ICE agent does and reports whether it is correct.
func (c *check) receive(packet []byte) bool {
	if !Is(packet) {
		return false
	}
	m, err := Parse(packet)
	if err != nil || m.CheckFingerprint() != nil || m.CheckIntegrity(c.key) != nil {
		return false
	}
	var unknown [4]AttributeType
	if len(m.UnknownRequired(unknown[:0], knownToICE)) != 0 {
		return false
	}
	if m.Type().Class() == ClassSuccess {
		c.result, err = m.XORMappedAddress()
		return err == nil
	}
	username, err := m.Username()
	if err != nil || string(username) != "qeJH:AbcdEfgh01234567" {
		return false
	}
	priority, err := m.Priority()
	if err != nil || !m.UseCandidate() {
		return false
	}
	tieBreaker, err := m.ICEControlling()
	c.sum += tieBreaker + uint64(priority)
	if _, missing := m.ICEControlled(); missing != ErrAttributeNotFound {
		return false
	}
	for t, value := range m.Attributes() {
		c.sum += uint64(t) + uint64(len(value))
	}
	return err == nil && m.TransactionID() == c.id
}

func knownToICE(t AttributeType) bool { return t == AttributePriority || t == AttributeUseCandidate }

func TestChecksAreMadeAndReadWithoutAllocation(t *testing.T) {
	if race.Enabled {
		t.Skip("pools drop hashes at random under the race detector")
	}
	for name, key := range map[string]*Key{"short-term": NewKey([]byte(vectorPassword)), "long-term": NewLongTermKey("u", "r", "p")} {
		t.Run(name, func(t *testing.T) {
			c := newCheck(key)
			require.True(t, c.receive(c.request()))
			require.True(t, c.receive(c.response()))
			require.Equal(t, c.addr, c.result)
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if !c.receive(c.request()) || !c.receive(c.response()) {
					t.Fail()
				}
			}))
		})
	}
}

func TestSHA256WithoutAllocation(t *testing.T) {
	if race.Enabled {
		t.Skip("pools drop hashes at random under the race detector")
	}
	key := NewLongTermKeySHA256("user", "realm", "pass")
	buf := make([]byte, 0, 512)
	run := func() {
		b := NewBuilder(buf, NewType(MethodRefresh, ClassRequest), TransactionID{})
		b.AddLifetime(600 * time.Second)
		b.AddIntegritySHA256(key)
		m, err := Parse(b.Bytes())
		if err != nil || m.CheckIntegritySHA256(key) != nil {
			t.Fail()
		}
	}
	run() // allocates the state of the key
	require.Zero(t, testing.AllocsPerRun(100, run))
}

// A wrong key must not cost more than the right one: an attacker who floods an agent has no key.
func TestMismatchDoesNotAllocate(t *testing.T) {
	c := newCheck(NewKey([]byte("right")))
	m, err := Parse(c.request())
	require.NoError(t, err)
	wrong := NewKey([]byte("wrong"))
	require.Equal(t, ErrIntegrityMismatch, m.CheckIntegrity(wrong))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if m.CheckIntegrity(wrong) == nil {
			t.Fail()
		}
	}))
}

func TestTransactionsDoNotAllocate(t *testing.T) {
	start := time.Unix(1700000000, 0)
	var x Transaction
	require.Zero(t, testing.AllocsPerRun(100, func() {
		x.Start(start, TransactionID{}, Timing{})
		for now := start; x.State() == TransactionWaiting; now = x.Deadline() {
			x.Advance(now)
			x.Transmit(now)
		}
	}))
}

func BenchmarkIs(b *testing.B) {
	packet := newCheck(NewKey([]byte(vectorPassword))).request()
	for b.Loop() {
		if !Is(packet) {
			b.Fatal("not STUN")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	packet := newCheck(NewKey([]byte(vectorPassword))).request()
	b.ReportAllocs()
	b.SetBytes(int64(len(packet)))
	for b.Loop() {
		if _, err := Parse(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	m, _ := Parse(newCheck(NewKey([]byte(vectorPassword))).request())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Priority(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	c := newCheck(NewKey([]byte(vectorPassword)))
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := NewBuilder(c.buf[:0], TypeBindingRequest, c.id)
			m.AddString(AttributeUsername, "qeJH:AbcdEfgh01234567")
			m.AddUint64(AttributeICEControlling, 1)
			m.AddUint32(AttributePriority, 1853824767)
			c.sum += uint64(len(m.Bytes()))
		}
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.sum += uint64(len(c.request()))
		}
	})
}

// BenchmarkCheck measures a connectivity check: request and response, built and received.
func BenchmarkCheck(b *testing.B) {
	c := newCheck(NewKey([]byte(vectorPassword)))
	b.ReportAllocs()
	for b.Loop() {
		if !c.receive(c.request()) || !c.receive(c.response()) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkIntegrity(b *testing.B) {
	key := NewKey([]byte(vectorPassword))
	m, _ := Parse(newCheck(key).request())
	b.Run("SHA-1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.CheckIntegrity(key); err != nil {
				b.Fatal(err)
			}
		}
	})
	builder := NewBuilder(nil, TypeBindingRequest, TransactionID{})
	builder.Add(AttributeData, m.Raw())
	builder.AddIntegritySHA256(key)
	m, _ = Parse(builder.Bytes())
	b.Run("SHA-256", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.CheckIntegritySHA256(key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
