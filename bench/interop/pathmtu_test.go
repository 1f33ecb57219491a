package interop_test

import (
	"fmt"
	"testing"

	pionsctp "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// findMTU sends messages until the path MTU is found, which is larger than the peer's own packets.
func findMTU(s *sctpEnd, most int) {
	s.t.Helper()
	for range 20 {
		s.send(1, noise(1, 10_000), sctp.SendOptions{})
	}
	s.until("the path MTU is found", func() bool { return s.a.Stats().MTU == most })
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Zero(s.t, s.a.Stats().MTUProbesLost)
}

// pion drops packets with chunks that it does not know, such as PAD. Its answers are not larger than its
// configured MTU.
func TestPionPathMTU(t *testing.T) {
	for _, mtu := range []uint32{600, 1191} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			config := sctp.Config{MaxMTU: 1412}
			s := newConfiguredSCTPSession(t, bothConnect, lossyNetwork{}, config, pionsctp.WithMTU(mtu))
			findMTU(s.ours, 1412)
		})
	}
}

// usrsctp never sends an answer that is larger than its MTU, which includes the headers of IP and UDP.
func TestUsrsctpPathMTU(t *testing.T) {
	program := buildUsrsctp(t)
	for _, mtu := range []int{600, 1280} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			s := newUsrsctpSession(t, program, usrsctpOptions{mtu: mtu, config: sctp.Config{MaxMTU: 1412}})
			findMTU(s.ours, 1412)
		})
	}
}
