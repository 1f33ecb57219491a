package rtc

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSignalInJSON(t *testing.T) {
	description := Signal{Description: &SessionDescription{Type: DescriptionOffer, SDP: "v=0\r\n"}}
	candidate := Signal{Candidate: &Candidate{Candidate: "candidate:1", Mid: "0"}}
	for _, c := range []struct {
		text    string
		want    Signal
		encodes bool // encoding the signal returns the same text
	}{
		{`{"type":"offer","sdp":"v=0\r\n"}`, description, true},
		{`{"candidate":"candidate:1","sdpMid":"0"}`, candidate, true},
		{`{"type":"rollback","sdp":""}`, Signal{Description: &SessionDescription{Type: DescriptionRollback}}, true},
		{`{"candidate":"","sdpMid":""}`, Signal{Candidate: &Candidate{}}, true},
		{`null`, Signal{}, true},
		// RTCIceCandidate.toJSON of Chromium and Firefox returns more members.
		{`{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"}`, candidate, false},
		{`{"candidate":"candidate:1","sdpMid":null,"sdpMLineIndex":0}`, Signal{Candidate: &Candidate{Candidate: "candidate:1"}}, false},
		// https://www.w3.org/TR/webrtc/#perfect-negotiation-example sends {description} and {candidate}.
		{`{"description":{"type":"offer","sdp":"v=0\r\n"}}`, description, false},
		{`{"candidate":{"candidate":"candidate:1","sdpMid":"0"}}`, candidate, false},
		{`{"description":{"type":"offer","sdp":"v=0\r\n"},"candidate":null}`, description, false},
		{`{"candidate":null}`, Signal{Candidate: &Candidate{}}, false},
		{` { "type" : "offer" , "sdp" : "v=0\r\n" , "from" : "alice" } `, description, false},
	} {
		s := Signal{Candidate: &Candidate{Candidate: "what was there before"}}
		require.NoError(t, json.Unmarshal([]byte(c.text), &s), c.text)
		require.Equal(t, c.want, s, c.text)
		if c.encodes {
			text, err := json.Marshal(s)
			require.NoError(t, err)
			require.Equal(t, c.text, string(text))
		}
	}
	for _, text := range []string{`{}`, `[]`, `"offer"`, `7`, `{"type":"offre"}`, `{"type":7}`, `{"candidate":7}`,
		`{"candidate":{"candidate":7}}`, `{"sdp":"v=0"}`, `{"sdpMid":"0"}`, `{"type":"offer","candidate":"candidate:1"}`} {
		s := candidate
		require.ErrorIs(t, json.Unmarshal([]byte(text), &s), ErrInvalid, text)
		require.Equal(t, candidate, s, "%s changes nothing", text)
	}
	both := Signal{description.Description, candidate.Candidate}
	_, err := json.Marshal(both)
	require.ErrorIs(t, err, ErrInvalid)
	pc := newConnection(t, Configuration{})
	require.ErrorIs(t, pc.ReceiveSignal(both), ErrInvalid)
	require.ErrorIs(t, pc.ReceiveSignal(candidate), ErrFailure, "there is no description")
	require.ErrorIs(t, pc.ReceiveSignal(description), ErrInvalid)
	require.NoError(t, pc.ReceiveSignal(Signal{}))
}

// Two connections signal by JSON text alone; one of them sets its callback late.
func TestSignalsConnect(t *testing.T) {
	inSimulation(t, 1, place{unconnected: true, interfaces: twoInterfaces()}, func(t *testing.T, s *simulation) {
		var mu sync.Mutex
		var kinds []string // of a's signals
		exchange := func(from, to *PeerConnection) {
			from.OnSignal(func(signal Signal) {
				text, err := json.Marshal(signal)
				if err != nil {
					t.Error(err)
				}
				if from == s.a {
					mu.Lock()
					kinds = append(kinds, fmt.Sprintf("%.12s", text))
					mu.Unlock()
				}
				var received Signal
				if err := json.Unmarshal(text, &received); err != nil {
					t.Error(err)
				}
				if err := to.ReceiveSignal(received); err != nil {
					t.Error(err)
				}
			})
		}
		exchange(s.b, s.a)
		// The event of the description is processed without a callback, those of the candidates
		// with one.
		_, err := s.a.CreateDataChannel("x", nil)
		require.NoError(t, err)
		synctest.Wait()
		exchange(s.a, s.b)
		_, err = s.a.Wait(t.Context(), StateConnected)
		require.NoError(t, err)
		synctest.Wait()
		mu.Lock()
		require.Equal(t, `{"type":"off`, kinds[0])
		mu.Unlock()

		s.b.OnSignal(nil)
		require.NoError(t, s.b.RestartICE())
		pause(time.Second)
		require.Equal(t, SignalingStateHaveLocalOffer, s.b.SignalingState())
		require.Equal(t, SignalingStateStable, s.a.SignalingState(), "nothing was signalled")
	})
}
