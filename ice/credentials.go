package ice

import (
	"github.com/rtcstack/rtcstack/internal/icechars"
	"github.com/rtcstack/rtcstack/stun"
)

// randomCredentials returns new local credentials.
func (a *Agent) randomCredentials() (ufrag, pwd string) {
	var random [icechars.RandomSize]byte
	a.random.fill(random[:])
	return icechars.Credentials(random)
}

// validCredentials reports whether local credentials match the grammar of RFC 8839, section 5.4.
func validCredentials(ufrag, pwd string) bool {
	return icechars.Valid(ufrag, icechars.MinUfrag, icechars.MaxUfrag) &&
		icechars.Valid(pwd, icechars.MinPwd, icechars.MaxPwd)
}

// validRemoteCredentials is validCredentials for those of a peer, which may have other characters.
func validRemoteCredentials(ufrag, pwd string) bool {
	return icechars.Accepted(ufrag, icechars.MinUfrag, icechars.MaxUfrag) &&
		icechars.Accepted(pwd, icechars.MinPwd, icechars.MaxPwd)
}

// newTransactionID returns 96 unpredictable bits.
func (a *Agent) newTransactionID() (id stun.TransactionID) {
	x, y := a.random.uint64(), a.random.uint64()
	for i := range 8 {
		id[i] = byte(x >> (8 * i))
	}
	for i := range 4 {
		id[8+i] = byte(y >> (8 * i))
	}
	return id
}

// LocalCredentials returns the ufrag and password to be signalled to the peer: those of the last
// Restart, or of NewAgent.
func (a *Agent) LocalCredentials() (ufrag, pwd string) {
	if a.current == nil {
		return "", ""
	}
	g := a.latest()
	return g.localUfrag, g.localPwd
}

// HasCredentials reports whether these local credentials are in use, or will be when SetRemote
// completes the last Restart.
func (a *Agent) HasCredentials(ufrag, pwd string) bool {
	for _, g := range [...]*generation{a.current, a.next} {
		if g != nil && g.localUfrag == ufrag && g.localPwd == pwd {
			return true
		}
	}
	return false
}
