package jsep

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	firstCandidate  = "candidate:1 1 UDP 5 127.0.0.1 4001 typ host"
	secondCandidate = "candidate:2 1 UDP 5 127.0.0.1 4002 typ host"
)

// add adds a remote candidate, and returns its use.
func (s *script) add(text, mid string) CandidateUse {
	s.Helper()
	use, candidate, err := s.AddRemoteCandidate(text, mid)
	require.NoError(s, err)
	require.Equal(s, use == CandidateReady, candidate.Component != 0)
	return use
}

func TestRemoteCandidates(t *testing.T) {
	s := newScript(t)
	s.WantData()
	_, _, err := s.AddRemoteCandidate(firstCandidate, "0")
	require.ErrorIs(t, err, ErrState)
	require.ErrorContains(t, err, "there is no remote description")

	// Until the answer is known they are kept.
	s.remote(Offer, other.String())
	require.Equal(t, CandidateKept, s.add("a="+firstCandidate, "0"))
	require.Equal(t, CandidateKept, s.add(firstCandidate, ""))
	require.Equal(t, CandidateKept, s.add("a=end-of-candidates", ""))
	for _, text := range []string{"nonsense", "candidate:", "candidate:1 1 UDP x 127.0.0.1 9 typ host"} {
		before := s.snapshot()
		_, _, err := s.AddRemoteCandidate(text, "0")
		require.ErrorIs(t, err, ErrInvalid, text)
		require.Equal(t, before, s.snapshot())
	}
	before := s.snapshot()
	for text, mid := range map[string]string{
		"": "0", firstCandidate: "unknown",
		// RFC 8839, section 5.1: candidates of an unknown kind are to be ignored.
		"candidate:6 1 SCTP 1 127.0.0.1 9 typ host": "0", "candidate:6 1 UDP 1 127.0.0.1 9 typ future": "0",
		// RFC 8838, section 9: candidates of another generation are ignored, too.
		firstCandidate + " ufrag other": "0",
	} {
		require.Equal(t, CandidateIgnored, s.add(text, mid), text)
	}
	require.Equal(t, before, s.snapshot())
	s.local(Answer)
	require.Equal(t, []string{firstCandidate}, s.out.Transport.RemoteCandidates)
	require.True(t, s.out.Transport.RemoteCandidatesComplete)

	require.Equal(t, CandidateReady, s.add(secondCandidate+" ufrag peer", "0"))
	require.Equal(t, CandidatesComplete, s.add("end-of-candidates", "0"))
	remote, _ := s.Remote()
	require.Equal(t, 1, strings.Count(remote.SDP, firstCandidate))
	require.Equal(t, 1, strings.Count(remote.SDP, secondCandidate))
	require.Len(t, s.out.Transport.RemoteCandidates, 1, "the slice that was handed out has not changed")

	// In a restart they are kept again, and those of the generation in use are ignored, as late.
	s.remote(Offer, other.with("", "new1", "2").String())
	require.Equal(t, CandidateKept, s.add(firstCandidate, "0"))
	require.Equal(t, CandidateIgnored, s.add(firstCandidate+" ufrag peer", "0"))
	s.local(Rollback)
	require.Equal(t, CandidateIgnored, s.add(firstCandidate+" ufrag new1", "0"))
	rolledBack, _ := s.Remote()
	require.Equal(t, remote, rolledBack)
}

func TestRemoteCandidatesAreBounded(t *testing.T) {
	s := newScript(t)
	s.remote(Offer, other.String())
	for i := range 2 * maxRemoteCandidates {
		require.Equal(t, CandidateKept, s.add(fmt.Sprintf("candidate:%d 1 UDP 5 127.0.0.1 4001 typ host", i), ""))
	}
	s.local(Answer)
	require.Len(t, s.out.Transport.RemoteCandidates, maxRemoteCandidates)
	require.Equal(t, CandidateReady, s.add("candidate:999 1 UDP 5 127.0.0.1 4001 typ host", ""))
}

// RFC 9143, section 7.1.3: candidates are of the category TRANSPORT. Those of any section apply to
// the whole group, unless the section has a transport of its own.
func TestRemoteCandidatesOfABundle(t *testing.T) {
	audio, data := other.audio("a"), other.data("d")
	another := other.with("", "more", "").video("v")
	none := strings.Replace(other.video("v"), other.transport(), "", 1)
	for _, c := range []struct {
		name, offer, mid string
		taken            bool
	}{
		{"the tagged section", bundleLine("a d v") + audio + data + none, "a", true},
		{"the data section", bundleLine("a d v") + audio + data + none, "d", true},
		{"another section", bundleLine("a d v") + audio + data + none, "v", true},
		{"a section with another transport", bundleLine("a d v") + audio + data + another, "v", false},
		{"a section outside the group", bundleLine("a d") + audio + data + another, "v", false},
		{"an unknown section", bundleLine("a d") + audio + data, "x", false},
		{"no section", bundleLine("a d") + audio + data, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t)
			s.remote(Offer, other.head(c.offer))
			s.add(firstCandidate, c.mid)
			s.local(Answer)
			s.add(secondCandidate, c.mid)
			s.add("end-of-candidates", c.mid)
			var want []string
			if c.taken {
				want = []string{firstCandidate, secondCandidate}
			}
			text, _ := s.Remote()
			d := s.parse(text.SDP)
			candidates, complete := d.CandidatesOf(d.Application())
			require.Equal(t, want, candidates)
			require.Equal(t, c.taken, complete)
			require.Len(t, d.TaggedOf(d.Application()).Candidates, len(want))
		})
	}
}

func TestLocalCandidates(t *testing.T) {
	for _, c := range []struct{ offer, tagged string }{
		{bundleLine("a d") + other.audio("a") + other.data("d"), "a"},
		{bundleLine("d a") + other.audio("a") + other.data("d"), "d"},
		{other.audio("a") + other.data("d"), "d"},
	} {
		s := newScript(t)
		s.remote(Offer, other.head(c.offer))
		s.local(Answer)
		require.Equal(t, c.tagged, s.Mid())
		_, begun, complete := s.Gathered()
		require.True(t, begun && !complete)
		require.True(t, s.AddLocalCandidate("m001", firstCandidate))
		require.True(t, s.AddLocalCandidate("m001", secondCandidate))
		require.False(t, s.AddLocalCandidate("m002", firstCandidate))
		require.True(t, s.LocalComplete("m001"))
		require.False(t, s.LocalComplete("m002"))
		_, _, complete = s.Gathered()
		require.True(t, complete)
		text, _ := s.Local()
		d := s.parse(text.SDP)
		for i := range d.Media {
			m := &d.Media[i]
			require.Equal(t, m.Mid == c.tagged, len(m.Candidates) == 2, m.Mid)
			require.Equal(t, m.Mid == c.tagged, m.EndOfCandidates, m.Mid)
		}
	}

	// Each generation has its own, also while it is withdrawn.
	s := glare(t, other.with("", "", "2"))
	require.True(t, s.AddLocalCandidate("m002", secondCandidate))
	require.NotContains(t, s.local(Answer), "a=candidate")
	require.Contains(t, s.local(Offer), "a="+secondCandidate)
	s.remote(Answer, other.with("active", "new1", "3").String())
	require.False(t, s.AddLocalCandidate("m001", firstCandidate), "it was replaced")
}

// The tagged section of the answer counts, also if it is not that of the offer.
func TestMidOfTheAnswer(t *testing.T) {
	s := newScript(t)
	s.remote(Offer, other.head(bundleLine("a d"))+other.audio("a")+other.data("d"))
	s.local(Answer)
	s.local(Offer)
	require.Equal(t, "a", s.Mid())
	p := other.with("passive", "", "2")
	s.remote(Answer, p.head(bundleLine("d"))+strings.Replace(p.audio("a"), "audio 9", "audio 0", 1)+p.data("d"))
	require.Equal(t, "d", s.Mid())
}
