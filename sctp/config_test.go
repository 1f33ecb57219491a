package sctp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		field  string // the one that is wrong; "": none
	}{
		{Config{}, ""},
		{Config{MTU: MinMTU}, ""},
		{Config{MTU: MinMTU - 1}, "MTU"},
		{Config{MTU: -1}, "MTU"},
		{Config{MTU: MaxMTU, MaxMTU: MaxMTU}, ""},
		{Config{MTU: MaxMTU + 1}, "MTU"},
		{Config{MaxMTU: 100}, ""}, // below MTU: no discovery
		{Config{MaxMTU: -4}, "MaxMTU"},
		{Config{MaxMTU: MaxMTU + 1}, "MaxMTU"},
		{Config{MaxMessageSize: -1}, "MaxMessageSize"},
		{Config{MaxMessageSize: MaxBuffer}, ""},
		{Config{MaxMessageSize: MaxBuffer + 1}, "MaxMessageSize"},
		{Config{MaxStreams: 65535}, ""},
		{Config{MaxStreams: 10, MaxTotalStreams: 9}, "MaxTotalStreams"},
		{Config{MaxTotalStreams: DefaultMaxStreams - 1}, "MaxTotalStreams"},
		{Config{DisableRequests: allRequests}, ""},
		{Config{DisableRequests: allRequests + 1}, "DisableRequests"},
		{Config{MaxSendBuffer: -1}, "MaxSendBuffer"},
		{Config{MaxReceiveWindow: 1499, MaxMessageSize: 1000}, "MaxReceiveWindow"},
		{Config{MaxReceiveWindow: 1500, MaxMessageSize: 1000}, ""},
		{Config{MaxReceiveWindow: DefaultMaxMessageSize - 1}, "MaxReceiveWindow"},
		{Config{MaxInitRetransmits: -1}, "MaxInitRetransmits"},
		{Config{MaxRetransmits: -1}, "MaxRetransmits"},
		{Config{InitialRTO: -1}, "InitialRTO"},
		{Config{MinRTO: -1}, "MinRTO"},
		{Config{MaxRTO: -1}, "MaxRTO"},
		{Config{MinRTO: 2 * time.Second, MaxRTO: time.Second}, "MinRTO"},
		{Config{InitialRTO: 2 * time.Second, MaxRTO: time.Second}, "InitialRTO"},
		{Config{MinRTO: 2 * time.Minute}, ""}, // the default of MaxRTO is as much
		{Config{MaxRTO: time.Millisecond}, ""},
		{Config{SACKDelay: -time.Second}, ""},
		{Config{SACKDelay: MaxSACKDelay}, ""},
		{Config{SACKDelay: MaxSACKDelay + 1}, "SACKDelay"}, // RFC 9260, section 6.2
		{Config{HeartbeatInterval: -1}, ""},
		{Config{InitialCongestionWindow: -1}, "InitialCongestionWindow"},
		{Config{Scheduler: SchedulerWeightedFair}, ""},
		{Config{Scheduler: SchedulerWeightedFair + 1}, "Scheduler"},
		{Config{CongestionControl: CongestionBBR}, ""},
		{Config{CongestionControl: CongestionBBR + 1}, "CongestionControl"},
	} {
		a, err := New(c.config)
		require.Equal(t, err, c.config.Validate())
		if c.field == "" {
			require.NoError(t, err, "%+v", c.config)
			require.NotNil(t, a)
			continue
		}
		var bad *ConfigError
		require.ErrorAs(t, err, &bad, "%+v", c.config)
		require.Equal(t, c.field, bad.Field, "%v", err)
		require.Nil(t, a)
	}
	require.EqualError(t, Config{MTU: 399}.Validate(), "sctp: Config.MTU is 399, not from 400 to 65535")
	require.EqualError(t, Config{MinRTO: 2 * time.Second, MaxRTO: time.Second}.Validate(), "sctp: Config.MinRTO is 2s, not from 1ns to 1s")
}

func TestEnumerationNames(t *testing.T) {
	for want, s := range map[string]interface{ String() string }{
		"connected": EventConnected, "stream-reset-complete": EventStreamResetComplete, "sender-dry": EventSenderDry, "event 0": EventKind(0), "event 99": EventKind(99),
		"shutdown-ack-sent": StateShutdownAckSent, "state 99": State(99),
		"round-robin-packet": SchedulerRoundRobinPacket, "scheduler 99": Scheduler(99),
		"bbr": CongestionBBR, "congestion control 99": CongestionControl(99),
		"No User Data": CauseNoUserData, "cause 999": CauseCode(999),
		"none": ReconfigRequests(0), "outgoing-reset,add-incoming": RequestOutgoingReset | RequestAddIncoming, "request 0x80": ReconfigRequests(0x80),
	} {
		require.Equal(t, want, s.String())
	}
}
