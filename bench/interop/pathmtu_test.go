package interop_test

import (
	"fmt"
	"testing"

	pionsctp "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// findMTU sends until the path MTU is found, which is more than what the peer sends itself.
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

// pion drops a packet with a chunk that it does not know, such as PAD. Its answers are as it
// configures packets.
func TestPionPathMTU(t *testing.T) {
	for _, mtu := range []uint32{600, 1191} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			s := newConfiguredSCTPSession(t, bothConnect, lossyNetwork{}, sctp.Config{MaxMTU: 1412}, pionsctp.WithMTU(mtu))
			findMTU(s.ours, 1412)
		})
	}
}

// usrsctp keeps an answer for ever that is larger than its packets. Its MTU includes IP and UDP.
func TestUsrsctpPathMTU(t *testing.T) {
	program := buildUsrsctp(t)
	for _, mtu := range []int{600, 1280} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			s := newUsrsctpSession(t, program, usrsctpOptions{mtu: mtu, config: sctp.Config{MaxMTU: 1412}})
			findMTU(s.ours, 1412)
		})
	}
}
