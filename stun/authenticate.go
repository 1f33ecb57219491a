package stun

import (
	"bytes"
	"errors"
	"fmt"
)

// Credentials authenticate requests and their responses, with the short-term (RFC 8489, section
// 9.1) or the long-term credential mechanism (section 9.2). [Exchange] uses them; a program that
// has a [Transaction] calls AddTo for each request and Receive for each response. They keep the
// challenge of the server, so that the next request to the same server is accepted at once.
//
// Username and Password are used as they are: see [OpaqueString]. They must not be changed after
// the first use. Credentials are for one goroutine at a time.
type Credentials struct {
	Username string
	Password string
	// LongTerm selects the long-term mechanism, in which the server requests authentication by the
	// error response 401 (Unauthenticated) with a realm and a nonce: TURN, and STUN servers for
	// registered users. Otherwise it is the short-term one, in which both sides have agreed on the
	// credential before: ICE.
	LongTerm bool
	// Integrity is the attribute that authenticates the requests of the short-term mechanism:
	// AttributeMessageIntegrity for servers of RFC 5389, some of which reject the other, or
	// AttributeMessageIntegritySHA256. 0: both, until the first authentic response shows which one
	// the server has chosen.
	Integrity AttributeType

	key *Key // nil before the first use, and in the long-term mechanism before the first challenge
	challenge
}

// A challenge has the parameters that a server of the long-term mechanism has sent.
type challenge struct {
	realm, nonce []byte
	algorithms   []byte // the value of PASSWORD-ALGORITHMS; nil: it was absent
	algorithm    uint16 // the first of them that is supported; PASSWORD-ALGORITHM
	anonymous    bool   // USERHASH instead of USERNAME
}

// Realm returns the realm of the last challenge in the long-term mechanism. It is empty if the
// server has not asked for authentication: its responses are then not authenticated either.
func (c *Credentials) Realm() string { return string(c.realm) }

// AddTo appends the attributes that authenticate a request, which cover all attributes added
// before. Only AddFingerprint may follow. The long-term mechanism adds nothing before the first
// challenge (RFC 8489, section 9.2.3.1).
func (c *Credentials) AddTo(b *Builder) {
	if c.LongTerm {
		c.addLongTerm(b)
		return
	}
	if c.key == nil {
		c.key = NewKey([]byte(c.Password))
	}
	b.AddString(AttributeUsername, c.Username)
	if c.Integrity != AttributeMessageIntegritySHA256 {
		b.AddIntegrity(c.key)
	}
	if c.Integrity != AttributeMessageIntegrity {
		b.AddIntegritySHA256(c.key)
	}
}

func (c *Credentials) addLongTerm(b *Builder) {
	if c.key == nil {
		return
	}
	if c.anonymous {
		hash := UserHash(c.Username, string(c.realm))
		b.Add(AttributeUserHash, hash[:])
	} else {
		b.AddString(AttributeUsername, c.Username)
	}
	b.Add(AttributeRealm, c.realm)
	b.Add(AttributeNonce, c.nonce)
	// RFC 8489, section 9.2.5: "If the response contains a PASSWORD-ALGORITHMS attribute, all the
	// subsequent requests MUST be authenticated using MESSAGE-INTEGRITY-SHA256 only."
	if c.algorithms == nil {
		b.AddIntegrity(c.key)
		return
	}
	b.Add(AttributePasswordAlgorithms, c.algorithms)
	b.AddPasswordAlgorithm(PasswordAlgorithm{Algorithm: c.algorithm})
	b.AddIntegritySHA256(c.key)
}

// Receive checks a response to a request that AddTo has authenticated.
//
// An error that matches [ErrIntegrityMismatch] means that the response is not authentic and must be
// discarded as if it had not been received. If retry is true, the server requests authentication or
// a new nonce: the request is to be sent again, in a new transaction, after AddTo. Otherwise
// the response is the result, and authentic, except for two responses of the long-term mechanism
// that cannot be: a response before the first challenge, and a final error response 401
// (Unauthenticated) or 438 (Stale Nonce), whose challenge cannot be met, because the user name or
// password is wrong or no password algorithm of the server is supported.
func (c *Credentials) Receive(response Message) (retry bool, err error) {
	if !c.LongTerm {
		return false, c.receiveShortTerm(response)
	}
	code := 0
	if response.Type().Class() == ClassError {
		code, _, _ = response.ErrorCode()
	}
	switch {
	case code == CodeUnauthenticated || code == CodeStaleNonce:
		return c.receiveChallenge(response, code), nil
	case lacksAlgorithms(response):
		return false, fmt.Errorf("%w: PASSWORD-ALGORITHMS was removed", ErrIntegrityMismatch)
	case c.key == nil && code == CodeBadRequest: // RFC 8489, section 9.2.5: discarded without integrity
		return false, notAuthentic(response, ErrAttributeNotFound)
	case c.key == nil:
		return false, nil
	}
	if c.algorithms == nil {
		return false, notAuthentic(response, response.CheckIntegrity(c.key))
	}
	return false, notAuthentic(response, response.CheckIntegritySHA256(c.key))
}

func (c *Credentials) receiveShortTerm(response Message) error {
	if c.key == nil {
		c.key = NewKey([]byte(c.Password))
	}
	attribute, check := AttributeMessageIntegritySHA256, Message.CheckIntegritySHA256
	if _, ok := response.Get(attribute); c.Integrity == AttributeMessageIntegrity || c.Integrity == 0 && !ok {
		attribute, check = AttributeMessageIntegrity, Message.CheckIntegrity
	}
	if err := notAuthentic(response, check(response, c.key)); err != nil {
		return err
	}
	c.Integrity = attribute
	return nil
}

// receiveChallenge takes over the challenge of a 401 or 438 response and reports whether the
// request is to be sent again.
func (c *Credentials) receiveChallenge(response Message, code int) (retry bool) {
	next, ok := readChallenge(response)
	// RFC 8489, section 9.2.5: a client must not retry with the user name, realm and password that
	// the server has refused. The next request begins without them.
	refused := code == CodeUnauthenticated && c.key != nil &&
		bytes.Equal(next.realm, c.realm) && next.anonymous == c.anonymous
	if !ok || refused {
		c.key, c.challenge = nil, challenge{}
		return false
	}
	c.challenge = next
	newKey := NewLongTermKey
	if next.algorithm == PasswordAlgorithmSHA256 {
		newKey = NewLongTermKeySHA256
	}
	c.key = newKey(c.Username, string(c.realm), c.Password)
	return true
}

// readChallenge copies the challenge out of an error response. It reports false if there is none
// that can be met.
func readChallenge(response Message) (c challenge, ok bool) {
	realm, errRealm := response.Realm()
	nonce, errNonce := response.Nonce()
	if errRealm != nil || errNonce != nil || lacksAlgorithms(response) {
		return challenge{}, false
	}
	features, _ := ParseNonce(nonce)
	c = challenge{
		realm:     bytes.Clone(realm),
		nonce:     bytes.Clone(nonce),
		anonymous: features&FeatureUsernameAnonymity != 0,
	}
	offered, err := response.PasswordAlgorithms(nil)
	if errors.Is(err, ErrAttributeNotFound) {
		return c, true
	}
	value, _ := response.Get(AttributePasswordAlgorithms)
	c.algorithms = append([]byte{}, value...)
	for _, a := range offered {
		if a.Algorithm == PasswordAlgorithmMD5 || a.Algorithm == PasswordAlgorithmSHA256 {
			c.algorithm = a.Algorithm
			return c, err == nil
		}
	}
	return challenge{}, false
}

// lacksAlgorithms reports whether the nonce announces PASSWORD-ALGORITHMS and the response does not
// have it: an attacker has removed it, so that a weaker algorithm is used (RFC 8489, section
// 9.2.1).
func lacksAlgorithms(response Message) bool {
	nonce, _ := response.Nonce()
	features, _ := ParseNonce(nonce)
	_, ok := response.Get(AttributePasswordAlgorithms)
	return features&FeaturePasswordAlgorithms != 0 && !ok
}

// notAuthentic returns the error for a response whose integrity check has returned err.
func notAuthentic(response Message, err error) error {
	if !errors.Is(err, ErrAttributeNotFound) {
		if err != nil && !errors.Is(err, ErrIntegrityMismatch) {
			err = fmt.Errorf("%w: %w", ErrIntegrityMismatch, err)
		}
		return err
	}
	if code, reason, err := response.ErrorCode(); err == nil {
		return fmt.Errorf("%w: %d %s without MESSAGE-INTEGRITY", ErrIntegrityMismatch, code, reason)
	}
	return fmt.Errorf("%w: the response has no MESSAGE-INTEGRITY", ErrIntegrityMismatch)
}
