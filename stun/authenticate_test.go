package stun

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShortTermCredentials(t *testing.T) {
	key := NewKey([]byte("secret"))
	for _, test := range []struct {
		name         string
		integrity    AttributeType // of the client
		sha1, sha256 bool          // in its first request
		answer       func(b *Builder)
		next         AttributeType // the only one in its second request
	}{
		{"both, old server", 0, true, true, func(b *Builder) { b.AddIntegrity(key) }, AttributeMessageIntegrity},
		{"both, new server", 0, true, true, func(b *Builder) { b.AddIntegritySHA256(key) }, AttributeMessageIntegritySHA256},
		{"SHA-1", AttributeMessageIntegrity, true, false, func(b *Builder) { b.AddIntegrity(key) }, AttributeMessageIntegrity},
		{"SHA-256", AttributeMessageIntegritySHA256, false, true, func(b *Builder) { b.AddIntegritySHA256(key) },
			AttributeMessageIntegritySHA256},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ func() time.Duration) {
				conn, requests := connect(t, func(request Message) [][]byte {
					return [][]byte{success(request, test.answer)}
				})
				credentials := &Credentials{Username: "alice", Password: "secret", Integrity: test.integrity}
				for range 2 {
					_, err := Exchange(t.Context(), conn, Request{Credentials: credentials})
					require.NoError(t, err)
				}
				first, err := Parse((*requests)[0])
				require.NoError(t, err)
				username, err := first.Username()
				require.NoError(t, err)
				require.Equal(t, "alice", string(username))
				require.Equal(t, test.sha1, first.CheckIntegrity(key) == nil)
				require.Equal(t, test.sha256, first.CheckIntegritySHA256(key) == nil)

				// RFC 8489, section 9.1.5: subsequent requests have the attribute of the response.
				second, err := Parse((*requests)[1])
				require.NoError(t, err)
				require.Equal(t, test.next == AttributeMessageIntegrity, second.CheckIntegrity(key) == nil)
				require.Equal(t, test.next == AttributeMessageIntegritySHA256, second.CheckIntegritySHA256(key) == nil)
			})
		})
	}
}

func TestResponsesThatAreNotAuthentic(t *testing.T) {
	right, wrong := NewKey([]byte("secret")), NewKey([]byte("guess"))
	forgeries := func(request Message) [][]byte {
		return [][]byte{
			success(request, nil),
			success(request, func(b *Builder) { b.AddIntegrity(wrong) }),
			success(request, func(b *Builder) { b.AddIntegrity(wrong); b.AddIntegritySHA256(wrong) }),
			success(request, func(b *Builder) { b.Add(AttributeMessageIntegrity, make([]byte, 19)) }),
			failure(request, CodeUnauthenticated, nil),
		}
	}
	request := Request{Credentials: &Credentials{Username: "alice", Password: "secret"}}
	// Over datagrams they are discarded, and the authentic response is still taken.
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte {
			return append(forgeries(request), success(request, func(b *Builder) { b.AddIntegrity(right) }))
		})
		addr, err := ReflexiveAddress(t.Context(), conn, request)
		require.NoError(t, err)
		require.Equal(t, clientAddr, addr)
		require.Zero(t, elapsed())
	})
	// "If all the responses received are discarded, then instead of signaling a timeout after
	// ending the transaction, the layer MUST signal that the integrity protection was violated."
	// (RFC 8489, section 9.2.5)
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		conn, _ := connect(t, forgeries)
		_, err := Exchange(t.Context(), conn, request)
		require.ErrorIs(t, err, ErrIntegrityMismatch)
		require.NotErrorIs(t, err, ErrNoResponse)
		require.EqualError(t, err,
			"stun: Binding request: message integrity mismatch: 401 Unauthenticated without MESSAGE-INTEGRITY")
		require.Equal(t, 39500*time.Millisecond, elapsed())
	})
	// Over a stream the first of them ends the transaction.
	for i := range forgeries(Message{}) {
		inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
			conn, _ := connect(t, func(request Message) [][]byte { return forgeries(request)[i : i+1] })
			stream := request
			stream.Timing.Reliable = true
			_, err := Exchange(t.Context(), conn, stream)
			require.ErrorIs(t, err, ErrIntegrityMismatch)
			require.Zero(t, elapsed())
		})
	}
}

// A longTermServer authenticates requests as RFC 8489, section 9.2.4 demands.
type longTermServer struct {
	t          *testing.T
	features   SecurityFeatures
	algorithms []PasswordAlgorithm // offered; nil: no PASSWORD-ALGORITHMS
	nonce      string              // the valid one, without the features
	log        []string            // a word for each request
}

func (s *longTermServer) challenge(b *Builder) {
	b.AddString(AttributeRealm, "example.org")
	b.Add(AttributeNonce, append(AppendNonce(nil, s.features), s.nonce...))
	if s.algorithms != nil {
		b.AddPasswordAlgorithms(s.algorithms...)
	}
}

func (s *longTermServer) answer(request Message) [][]byte {
	say := func(word string, packet []byte) [][]byte {
		s.log = append(s.log, word)
		return [][]byte{packet}
	}
	nonce, err := request.Nonce()
	if err != nil {
		_, errIntegrity := request.Get(AttributeMessageIntegrity)
		_, errUsername := request.Username()
		require.False(s.t, errIntegrity)
		require.Error(s.t, errUsername)
		return say("challenged", failure(request, CodeUnauthenticated, s.challenge))
	}
	username, _ := request.Username()
	hash, _ := request.UserHash()
	if s.features&FeatureUsernameAnonymity != 0 {
		require.Nil(s.t, username)
		require.Equal(s.t, UserHash("alice", "example.org"), hash)
	} else {
		require.Equal(s.t, "alice", string(username))
	}
	key, check, sign := NewLongTermKey("alice", "example.org", "secret"), Message.CheckIntegrity, (*Builder).AddIntegrity
	if s.algorithms != nil {
		chosen, err := request.PasswordAlgorithm()
		require.NoError(s.t, err)
		offered, err := request.PasswordAlgorithms(nil)
		require.NoError(s.t, err)
		require.Len(s.t, offered, len(s.algorithms))
		if chosen.Algorithm == PasswordAlgorithmSHA256 {
			key = NewLongTermKeySHA256("alice", "example.org", "secret")
		}
		check, sign = Message.CheckIntegritySHA256, (*Builder).AddIntegritySHA256
		require.ErrorIs(s.t, request.CheckIntegrity(key), ErrAttributeNotFound)
	}
	switch {
	case check(request, key) != nil:
		return say("refused", failure(request, CodeUnauthenticated, s.challenge))
	case string(nonce) != string(AppendNonce(nil, s.features))+s.nonce:
		return say("stale", failure(request, CodeStaleNonce, s.challenge))
	}
	return say("accepted", success(request, func(b *Builder) { sign(b, key) }))
}

func TestLongTermCredentials(t *testing.T) {
	md5, sha256 := PasswordAlgorithm{Algorithm: PasswordAlgorithmMD5}, PasswordAlgorithm{Algorithm: PasswordAlgorithmSHA256}
	unknown := PasswordAlgorithm{Algorithm: 99, Parameters: []byte{1, 2, 3}}
	for name, server := range map[string]*longTermServer{
		"RFC 5389":       {},
		"SHA-256":        {features: FeaturePasswordAlgorithms, algorithms: []PasswordAlgorithm{unknown, sha256, md5}},
		"MD5":            {features: FeaturePasswordAlgorithms, algorithms: []PasswordAlgorithm{md5, sha256}},
		"user name hash": {features: FeatureUsernameAnonymity},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
				server.t, server.nonce = t, "1"
				conn, requests := connect(t, server.answer)
				credentials := &Credentials{Username: "alice", Password: "secret", LongTerm: true}
				request := Request{Credentials: credentials}
				exchange := func() error {
					addr, err := ReflexiveAddress(t.Context(), conn, request)
					if err == nil {
						require.Equal(t, clientAddr, addr)
					}
					return err
				}
				require.Empty(t, credentials.Realm())
				require.NoError(t, exchange())
				require.Equal(t, "example.org", credentials.Realm())
				require.NoError(t, exchange())
				server.nonce = "2"
				require.NoError(t, exchange())
				require.Equal(t, []string{"challenged", "accepted", "accepted", "stale", "accepted"}, server.log)
				require.Zero(t, elapsed())

				// Each transaction has an identifier of its own.
				ids := make(map[TransactionID]bool)
				for _, packet := range *requests {
					m, err := Parse(packet)
					require.NoError(t, err)
					ids[m.TransactionID()] = true
				}
				require.Len(t, ids, len(*requests))

				// "The client MUST NOT perform this retry if it is not changing the USERNAME,
				// USERHASH, REALM, or its associated password from the previous attempt." (section
				// 9.2.5)
				server.log = nil
				request.Credentials = &Credentials{Username: "alice", Password: "guess", LongTerm: true}
				err := exchange()
				var response *ResponseError
				require.ErrorAs(t, err, &response)
				require.Equal(t, CodeUnauthenticated, response.Code)
				require.Equal(t, []string{"challenged", "refused"}, server.log)
				require.Error(t, exchange())
				require.Equal(t, []string{"challenged", "refused", "challenged", "refused"}, server.log)
			})
		})
	}
}

func TestLongTermChallengesThatCannotBeMet(t *testing.T) {
	unknown := []PasswordAlgorithm{{Algorithm: 99}}
	for name, server := range map[string]*longTermServer{
		// The nonce announces algorithms that an attacker has removed, so that a weaker one is
		// used.
		"bid down":     {features: FeaturePasswordAlgorithms},
		"no supported": {features: FeaturePasswordAlgorithms, algorithms: unknown},
		"none at all":  {algorithms: []PasswordAlgorithm{}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ func() time.Duration) {
				server.t = t
				conn, _ := connect(t, server.answer)
				_, err := Exchange(t.Context(), conn, Request{Credentials: &Credentials{Username: "alice", Password: "secret", LongTerm: true}})
				require.EqualError(t, err, "stun: Binding request: 401 Unauthenticated")
				require.Equal(t, []string{"challenged"}, server.log)
			})
		})
	}
	// A server without end of nonces.
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		calls := 0
		conn, _ := connect(t, func(request Message) [][]byte {
			calls++
			return [][]byte{failure(request, CodeStaleNonce, (&longTermServer{}).challenge)}
		})
		_, err := Exchange(t.Context(), conn, Request{Credentials: &Credentials{LongTerm: true}})
		require.EqualError(t, err, "stun: Binding request: 438 Stale Nonce")
		require.Equal(t, maxTransactions, calls)
	})
}

func TestLongTermResponsesThatAreNotAuthentic(t *testing.T) {
	inBubble(t, func(t *testing.T, elapsed func() time.Duration) {
		key := NewLongTermKey("alice", "example.org", "secret")
		server := &longTermServer{t: t}
		conn, _ := connect(t, func(request Message) [][]byte {
			genuine := server.answer(request)
			success := func(request Message, add func(b *Builder)) []byte {
				return success(request, func(b *Builder) {
					b.AddString(AttributeSoftware, "not genuine")
					if add != nil {
						add(b)
					}
				})
			}
			if _, err := request.Nonce(); err != nil {
				return append([][]byte{failure(request, CodeBadRequest, nil)}, genuine...)
			}
			return append([][]byte{
				success(request, nil),
				failure(request, CodeBadRequest, nil),
				success(request, func(b *Builder) { b.AddIntegritySHA256(key) }),
				success(request, func(b *Builder) {
					b.Add(AttributeNonce, AppendNonce(nil, FeaturePasswordAlgorithms))
					b.AddIntegrity(key)
				}),
			}, genuine...)
		})
		credentials := &Credentials{Username: "alice", Password: "secret", LongTerm: true}
		response, err := Exchange(t.Context(), conn, Request{Credentials: credentials})
		require.NoError(t, err)
		_, err = response.Software()
		require.ErrorIs(t, err, ErrAttributeNotFound)
		require.Zero(t, elapsed())
	})
	// A server that does not ask for authentication is not authenticated.
	inBubble(t, func(t *testing.T, _ func() time.Duration) {
		conn, _ := connect(t, func(request Message) [][]byte { return [][]byte{success(request, nil)} })
		credentials := &Credentials{Username: "alice", Password: "secret", LongTerm: true}
		_, err := Exchange(t.Context(), conn, Request{Credentials: credentials})
		require.NoError(t, err)
		require.Empty(t, credentials.Realm())
	})
}
