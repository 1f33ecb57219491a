package interop_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"
	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/stretchr/testify/require"
)

func TestPionConnects(t *testing.T) {
	for _, whole := range []bool{false, true} {
		name := "trickle"
		if whole {
			name = "candidates in the description"
		}
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, oursOffers bool) {
				s := newPionSession(t, pionOptions{whole: whole})
				p := s.connect(oursOffers)
				p.exchange(t, message{text: true, data: []byte("hello")})
				local, err := s.ours.LocalAddr()
				require.NoError(t, err)
				pair, err := s.pion.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
				require.NoError(t, err)
				require.Equal(t, local.String(), fmt.Sprintf("%s:%d", pair.Remote.Address, pair.Remote.Port))
				// The offerer's a=setup is actpass, the answerer's is active (RFC 8842, section 5.3). So the offerer is
				// the DTLS server, whose channels have odd streams.
				stream, err := p.ours.Stream()
				require.NoError(t, err)
				require.Equal(t, uint16(1), stream)
			})
		})
	}
}

// Both sides have candidates of all addresses of the machine.
func TestPionConnectsOnAllAddresses(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{allAddresses: true})
		s.connect(oursOffers).exchange(t, message{text: true, data: []byte("hello")})
	})
}

// RFC 8445, section 6.1.1: if pion is lite, our side is controlling, whichever side offers.
func TestPionLite(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{engine: func(e *webrtc.SettingEngine) { e.SetLite(true) }})
		s.connect(oursOffers).exchange(t, message{text: true, data: []byte("hello")})
	})
}

func rsaCertificate(t *testing.T) webrtc.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	certificate, err := webrtc.GenerateCertificate(key)
	require.NoError(t, err)
	return *certificate
}

func TestPionCertificates(t *testing.T) {
	theirs := webrtc.Configuration{Certificates: []webrtc.Certificate{rsaCertificate(t)}}
	for _, row := range []struct {
		name string
		ours rtc.CertificateType
		pion webrtc.Configuration
	}{
		{"pion has RSA", rtc.CertificateTypeECDSA, theirs},
		{"we have RSA", rtc.CertificateTypeRSA, webrtc.Configuration{}},
		{"both have RSA", rtc.CertificateTypeRSA, theirs},
	} {
		t.Run(row.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, oursOffers bool) {
				s := newPionSession(t, pionOptions{ours: rtc.Configuration{CertificateType: row.ours}, pion: row.pion})
				s.connect(oursOffers).exchange(t, message{text: true, data: []byte("hello")})
			})
		})
	}
}

// Settings of pion that change the protocols: our side supports them, or works without them.
func TestPionSettings(t *testing.T) {
	suites := func(ids ...dtls.CipherSuiteID) func(*webrtc.SettingEngine) {
		return func(e *webrtc.SettingEngine) { e.SetDTLSCipherSuites(ids...) }
	}
	for _, row := range []struct {
		name   string
		engine func(*webrtc.SettingEngine)
		suite  string // part of the name of the cipher suite in use; empty: any
	}{
		{"DTLS client", func(e *webrtc.SettingEngine) { _ = e.SetAnsweringDTLSRole(webrtc.DTLSRoleClient) }, ""},
		{"DTLS server", func(e *webrtc.SettingEngine) { _ = e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer) }, ""},
		{"no HelloVerifyRequest", func(e *webrtc.SettingEngine) { e.SetDTLSInsecureSkipHelloVerify(true) }, ""},
		{"AES-128-GCM", suites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), "AES_128_GCM"},
		{"AES-256-GCM", suites(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384), "AES_256_GCM"},
		{"AES-256-CBC", suites(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA), "AES_256_CBC"},
		{"ChaCha20", suites(dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), "CHACHA20"},
		{"fingerprint in the media section", func(e *webrtc.SettingEngine) { e.SetSDPMediaLevelFingerprints(true) }, ""},
		{"zero checksum", func(e *webrtc.SettingEngine) { e.EnableSCTPZeroChecksum(true) }, ""},
		{"SCTP parameters in the description", func(e *webrtc.SettingEngine) { e.EnableSctpSnap(true) }, ""},
		{"priority of USE-CANDIDATE", func(e *webrtc.SettingEngine) { e.SetICEUseCandidateCheckPriority(true) }, ""},
		{"renomination", func(e *webrtc.SettingEngine) { _ = e.SetICERenomination() }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, oursOffers bool) {
				s := newPionSession(t, pionOptions{engine: row.engine})
				p := s.connect(oursOffers)
				p.exchange(t, message{text: true, data: []byte("hello")}, message{data: noise(1, 100_000)})
				require.Contains(t, s.ours.Stats().CipherSuite, row.suite)
			})
		})
	}
}

// pion offers media sections of any direction beside the data channels, in the first offer or later. Our side rejects or
// deactivates them, and the data channels work.
func TestPionOffersMediaToo(t *testing.T) {
	kinds := []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo}
	for _, whole := range []bool{false, true} {
		for _, direction := range []webrtc.RTPTransceiverDirection{
			webrtc.RTPTransceiverDirectionRecvonly, webrtc.RTPTransceiverDirectionSendonly,
			webrtc.RTPTransceiverDirectionSendrecv,
		} {
			add := func(t *testing.T, s *pionSession) {
				for _, kind := range kinds {
					_, err := s.pion.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: direction})
					require.NoError(t, err)
				}
			}
			t.Run(fmt.Sprintf("%v at first, whole %v", direction, whole), func(t *testing.T) {
				s := newPionSession(t, pionOptions{whole: whole})
				add(t, s)
				p := s.connect(false)
				p.exchange(t, message{text: true, data: []byte("hello")})
				if !whole {
					s.agree(func() { require.NoError(t, s.ours.RestartICE()) }, "audio inactive,video inactive,application")
					p.exchange(t, message{text: true, data: []byte("again")})
				}
			})
			if whole {
				continue // the answer is sent after gathering, which does not happen again for a track
			}
			t.Run(fmt.Sprintf("%v later", direction), func(t *testing.T) {
				bothWays(t, func(t *testing.T, oursOffers bool) {
					s := newPionSession(t, pionOptions{})
					p := s.connect(oursOffers)
					p.exchange(t, message{text: true, data: []byte("hello")})
					const sections = "application,audio inactive,video inactive"
					add(t, s)
					s.agree(s.offerFromPion, sections)
					p.exchange(t, message{text: true, data: []byte("again")})
					for _, sender := range s.pion.GetSenders() {
						require.NoError(t, s.pion.RemoveTrack(sender))
					}
					s.agree(s.offerFromPion, sections)
					p.exchange(t, message{text: true, data: []byte("and again")})
					s.agree(func() { require.NoError(t, s.ours.RestartICE()) }, sections)
					p.exchange(t, message{text: true, data: []byte("for the last time")})
				})
			})
		}
	}
}

// agree calls action, which makes one side offer, waits until pion has our description, and checks its sections.
func (s *pionSession) agree(action func(), sections string) {
	s.t.Helper()
	before := s.negotiations.Load()
	action()
	for late := time.Now().Add(pionPatience); s.negotiations.Load() == before; time.Sleep(time.Millisecond) {
		require.True(s.t, time.Now().Before(late), "no answer after %v", pionPatience)
	}
	d, err := sdp.ParseDescription(s.pion.RemoteDescription().SDP)
	require.NoError(s.t, err)
	var got []string
	for _, m := range d.Media {
		switch {
		case m.Rejected:
			got = append(got, m.Kind+" rejected")
		case m.IsDataChannel():
			got = append(got, m.Kind)
		default:
			got = append(got, m.Kind+" "+m.Direction.String())
		}
	}
	require.Equal(s.t, sections, strings.Join(got, ","))
}

// The connection fails if pion's certificate does not match the fingerprint in its description.
func TestPionFingerprintMismatch(t *testing.T) {
	for _, oursOffers := range []bool{true, false} {
		t.Run(fmt.Sprintf("we offer %v", oursOffers), func(t *testing.T) {
			s := newPionSession(t, pionOptions{})
			failed := newMilestone("our side refuses the certificate")
			s.ours.OnStateChange(func(state rtc.State) {
				switch state {
				case rtc.StateFailed:
					failed.reach()
				case rtc.StateConnected:
					t.Error("our side connected")
				}
			})
			s.pion.OnConnectionStateChange(func(webrtc.PeerConnectionState) {})
			s.forge = true
			if oursOffers {
				_, err := s.ours.CreateDataChannel("never", nil)
				require.NoError(t, err)
			} else {
				_, err := s.pion.CreateDataChannel("never", nil)
				require.NoError(t, err)
				s.offerFromPion()
			}
			failed.wait(t)
		})
	}
}
