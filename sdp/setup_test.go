package sdp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 4145, section 4.1: the answers that an offer allows; RFC 8842, section 5.3: the choice among
// them.
func TestAnswerSetup(t *testing.T) {
	for offer, want := range map[Setup]Setup{
		SetupUnspecified: SetupActive,
		SetupActpass:     SetupActive,
		SetupPassive:     SetupActive,
		SetupActive:      SetupPassive,
		SetupHoldconn:    SetupHoldconn,
	} {
		answer, err := AnswerSetup(offer)
		require.NoError(t, err)
		require.Equal(t, want, answer, "offer %v", offer)
	}
	_, err := AnswerSetup(Setup(9))
	require.ErrorIs(t, err, ErrSetup)
}

func TestIsClient(t *testing.T) {
	const client, server, none = 1, 2, 3
	for _, test := range []struct {
		offer  Setup
		answer [5]int // the role of the answerer, by the Setup of its answer
	}{
		//                   unspecified, actpass, active, passive, holdconn
		{SetupUnspecified, [5]int{client, none, client, server, none}},
		{SetupActpass, [5]int{client, none, client, server, none}},
		{SetupActive, [5]int{server, none, none, server, none}},
		{SetupPassive, [5]int{client, none, client, none, none}},
		{SetupHoldconn, [5]int{none, none, none, none, none}},
		{Setup(9), [5]int{none, none, none, none, none}},
	} {
		for answer, want := range test.answer {
			answerer, err := AnswererIsClient(test.offer, Setup(answer))
			if want == none {
				require.ErrorIs(t, err, ErrSetup, "offer %v, answer %v", test.offer, Setup(answer))
				continue
			}
			require.NoError(t, err, "offer %v, answer %v", test.offer, Setup(answer))
			require.Equal(t, want == client, answerer, "offer %v, answer %v", test.offer, Setup(answer))
		}
	}
}

func TestSetupWords(t *testing.T) {
	for _, s := range []Setup{SetupActpass, SetupActive, SetupPassive, SetupHoldconn} {
		got, ok := parseSetup(s.String())
		require.True(t, ok)
		require.Equal(t, s, got)
	}
	for _, word := range []string{"", "Active", "active passive"} {
		_, ok := parseSetup(word)
		require.False(t, ok, word)
	}
	require.Equal(t, "", SetupUnspecified.String())
	require.Equal(t, "Setup(9)", Setup(9).String())
}
