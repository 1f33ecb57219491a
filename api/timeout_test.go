package rtc

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// A peer that cannot be reached makes the connection fail after ConnectTimeout, not sooner.
func TestConnectTimeout(t *testing.T) {
	checkLeaks(t)
	const timeout = 300 * time.Millisecond
	a, err := NewPeerConnection(Configuration{BindAddress: "127.0.0.1", ConnectTimeout: timeout})
	require.NoError(t, err)
	defer func() { require.NoError(t, a.CloseAndWait()) }()
	b, err := NewPeerConnection(Configuration{BindAddress: "127.0.0.1"})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.CloseAndWait()) }()
	failed := make(chan time.Time, 1)
	a.OnStateChange(func(s State) {
		if s == StateFailed {
			failed <- time.Now()
		}
	})
	offer, answer := make(chan SessionDescription, 10), make(chan SessionDescription, 10)
	a.OnLocalDescription(func(d SessionDescription) { offer <- d })
	b.OnLocalDescription(func(d SessionDescription) { answer <- d })
	_, err = a.CreateDataChannel("x", nil)
	require.NoError(t, err)
	// Neither side is told the other's candidates.
	require.NoError(t, b.SetRemoteDescription(receive(t, offer, "offer")))
	d := receive(t, answer, "answer")
	d.SDP += "a=end-of-candidates\r\n"
	start := time.Now()
	require.NoError(t, a.SetRemoteDescription(d))
	require.GreaterOrEqual(t, receive(t, failed, "state failed").Sub(start), timeout)
}

// The settings of a connection go before those of the process.
func TestSCTPSettingsOfOneConnection(t *testing.T) {
	p := newPair(t, Configuration{SCTP: &SCTPSettings{CongestionControl: sctp.CongestionCUBIC}}, Configuration{})
	a, b := p.connect("x", nil)
	got := make(chan int, 1)
	b.OnMessage(func(m Message) { got <- len(m.Data) })
	require.NoError(t, a.Send(make([]byte, 200_000)))
	require.Equal(t, 200_000, receive(t, got, "message"))
	require.Equal(t, sctp.CongestionCUBIC, p.a.Stats().SCTP.CongestionControl)
	require.Equal(t, sctp.CongestionBBR, p.b.Stats().SCTP.CongestionControl)
}
