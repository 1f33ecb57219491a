package jsep

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sdp"
)

// fingerprint returns a fingerprint that differs from those of other names.
func fingerprint(name string) sdp.Fingerprint {
	f, err := sdp.NewFingerprint(sdp.SHA256, []byte(name))
	if err != nil {
		panic(err)
	}
	return f
}

// newMachine returns a machine whose credentials are numbered: "a001", "a002", …
func newMachine(name string, id uint64) *Machine { return New(newConfig(name, id, new(int))) }

func newConfig(name string, id uint64, drawn *int) Config {
	return Config{
		SessionID:      id,
		Credentials:    numbered(name, drawn),
		Fingerprints:   []sdp.Fingerprint{fingerprint(name)},
		ICEOptions:     []string{"trickle"},
		MaxMessageSize: 262144,
	}
}

func numbered(name string, drawn *int) func() (string, string) {
	return func() (string, string) {
		*drawn++
		ufrag := fmt.Sprintf("%s%03d", name, *drawn)
		return ufrag, ufrag + "/password/of/22/ch"
	}
}

// message is a description that is being delivered to the other side.
type message struct {
	typ Type
	d   *sdp.Description
}

// policy is the way in which an endpoint uses its machine.
type policy int

const (
	automatic policy = iota // answers every offer, and offers when negotiation is needed
	polite                  // the same: an offer of the peer replaces a local one
	impolite                // the same, but ignores an offer unless it is stable
	manual                  // acts only by operations
)

// endpoint is a machine with the state of its owner.
type endpoint struct {
	*Machine
	name         string // of its credentials and its certificate
	policy       policy
	drawn        *int
	out          []message  // in order, to the other side
	transport    *Transport // the last
	associations int        // how many have begun with the same peer
	controlling  bool       // the ICE role that the last one began with
	lenient      bool       // the errors that permitted names are not recorded
	errors       []error    // of deliveries
}

// permitted reports whether an error is one that endpoints may cause each other if their programs
// roll back, if ICE fails, or if the signalling repeats descriptions.
func permitted(err error) bool {
	// RFC 8829, section 5.6: "If the type is not correct for the current state, processing MUST stop
	// and an error MUST be returned."
	return errors.Is(err, ErrState) ||
		// An answer to an offer that was rolled back, or a repeated answer, is refused as an answer
		// to the next one. RFC 8839, section 4.4.2.1: "it MUST change the SDP ice-pwd and ice-ufrag
		// attribute values."
		strings.Contains(err.Error(), "the offer restarts ICE, and the answer does not")
}

// world consists of two endpoints and the ordered signalling channels between them.
type world struct {
	ends [2]*endpoint
	// mirrored is set if both sides have the same policy, and the DTLS association and with it the
	// roles remain. Then two worlds that differ only in which side is which, and in the roles, have
	// the same behaviour.
	mirrored bool
	// identities is set if there are operations that change the certificate or the SCTP port.
	identities bool
}

func newWorld(first, second policy) *world {
	w := &world{}
	for i, p := range []policy{first, second} {
		drawn := new(int)
		name := string(rune('a' + i))
		w.ends[i] = &endpoint{Machine: New(newConfig(name, uint64(1000+i), drawn)), name: name, policy: p, drawn: drawn}
	}
	return w
}

// replace replaces an endpoint by a program that was started again, with another certificate. The
// messages of the old program and those for it are lost, with its signalling channel; a program that
// is not automatic then rolls back, so that it does not answer an offer of the old one.
func (w *world) replace(side int) error {
	e := w.ends[side]
	drawn, name := new(int), e.name+e.name
	next := &endpoint{Machine: New(newConfig(name, e.config.SessionID+10, drawn)), name: name, policy: e.policy, drawn: drawn, lenient: e.lenient}
	next.config.SCTPPort = e.config.SCTPPort
	w.ends[side] = next
	remaining := w.ends[1-side]
	remaining.out = nil
	if remaining.policy == manual {
		if err := remaining.setLocal(Rollback); err != nil {
			return err
		}
	}
	next.WantData()
	return next.react()
}

func (w *world) clone() *world {
	c := &world{mirrored: w.mirrored, identities: w.identities}
	for i, e := range w.ends {
		next := *e
		drawn := *e.drawn
		next.drawn = &drawn
		next.Machine = &Machine{config: e.config, s: e.s}
		next.config.Credentials = numbered(e.name, &drawn)
		next.out = append([]message(nil), e.out...)
		next.errors = append([]error(nil), e.errors...)
		c.ends[i] = &next
	}
	return c
}

// take applies an Outcome like an owner, and records its effects.
func (e *endpoint) take(out Outcome) {
	if out.Announce != nil {
		// The description itself is sent: machines do not modify published descriptions.
		d := e.s.lastLocal()
		e.out = append(e.out, message{d.typ, d.Description})
	}
	if t := out.Transport; t != nil {
		if e.transport != nil && !e.transport.Fingerprints[0].Equal(t.Fingerprints[0]) {
			e.associations = 0
		}
		e.transport = t
		if t.NewAssociation {
			e.associations++
			e.controlling = t.Controlling
		}
	}
	if out.Ended {
		e.transport = nil
	}
}

// setLocal sets a local description, and negotiates if needed.
func (e *endpoint) setLocal(t Type) error {
	out, err := e.SetLocal(t, LocalInit{})
	if err != nil {
		return err
	}
	e.take(out)
	return e.react()
}

// react performs the actions of an endpoint that is not manual.
func (e *endpoint) react() error {
	switch {
	case e.policy == manual:
		return nil
	case e.State().answering():
		return e.setLocal(Answer)
	case e.State() == Stable && e.NegotiationNeeded():
		return e.setLocal(Offer)
	}
	return nil
}

// receive sets a remote description. An error of the machine must have changed nothing, but the
// machine remembers that a final answer was refused.
func (e *endpoint) receive(m message) error {
	if e.policy == impolite && m.typ == Offer && e.State() != Stable {
		return nil
	}
	before := e.s
	out, err := e.SetRemote(m.typ, m.d)
	if err != nil {
		if before.signaling.awaiting() && m.typ == Answer {
			before.answerRefused = true
		}
		if e.s != before {
			panic("an error has changed the machine: " + err.Error())
		}
		if !e.lenient || !permitted(err) {
			e.errors = append(e.errors, err)
		}
		return err
	}
	e.take(out)
	return e.react()
}

// deliver delivers the next description of one side to the other.
func (w *world) deliver(from int) error {
	e := w.ends[from]
	m := e.out[0]
	e.out = e.out[1:]
	return w.ends[1-from].receive(m)
}

// snapshot returns the whole state of a machine as text.
func (m *Machine) snapshot() string {
	var b strings.Builder
	s := &m.s
	fmt.Fprintf(&b, "%v version %d data %v restart %v voided %v strays %d peer %v replaced %v revealed %v origin %v\n",
		s.signaling, s.version, s.wantData, s.wantRestart, s.voided, s.strays, s.peer, s.replaced, s.revealed, s.origin)
	for _, g := range []*generation{s.local, s.next} {
		if g != nil {
			fmt.Fprintf(&b, "generation %+v\n", *g)
		}
	}
	if s.link != nil {
		fmt.Fprintf(&b, "link %+v\n", *s.link)
	}
	for _, d := range []*described{s.currentLocal, s.pendingLocal, s.currentRemote, s.pendingRemote} {
		if d == nil {
			b.WriteString("none\n")
			continue
		}
		fmt.Fprintf(&b, "%v %s\n", d.typ, d.String())
	}
	return b.String()
}

// namer assigns names to values of which only the equality matters.
type namer struct {
	names                []Credentials
	b                    []byte
	mirrored, identities bool
}

func (n *namer) identity(fingerprints []sdp.Fingerprint, port uint16) {
	n.credentials(Credentials{Ufrag: string(fingerprints[0].Value)})
	n.number(uint64(port))
}

func (n *namer) credentials(c Credentials) {
	if c == (Credentials{}) {
		n.b = append(n.b, '-')
		return
	}
	for i, name := range n.names {
		if name == c {
			n.b = append(n.b, byte('A'+i))
			return
		}
	}
	n.names = append(n.names, c)
	n.b = append(n.b, byte('A'+len(n.names)-1))
}

func (n *namer) flags(flags ...bool) {
	v := byte('0')
	for i, f := range flags {
		if f {
			v += 1 << i
		}
	}
	n.b = append(n.b, v)
}

// rank appends the rank of a version of the other side's descriptions among all that can still be
// compared: that of the newest description that was set, and those in flight. Only their order
// counts.
func (n *namer) rank(version uint64, from, to *endpoint) {
	rank := uint64(0)
	less := func(v uint64) bool { return v < version }
	if less(to.s.origin.version) {
		rank++
	}
	last := to.s.origin.version
	for _, m := range from.out {
		if v := m.d.SessionVersion; v != last && less(v) {
			rank++
			last = v
		}
	}
	n.number(rank)
}

func (n *namer) number(v uint64) { n.b = append(n.b, byte(v)) }

func (n *namer) description(t Type, d *sdp.Description) {
	n.number(uint64(t))
	n.number(uint64(len(d.Media)))
	if m := transportSection(d); m != nil {
		t := d.TransportOf(m)
		n.credentials(Credentials{t.ICEUfrag, t.ICEPwd})
		if !n.mirrored {
			n.number(uint64(t.Setup))
		}
		if n.identities {
			n.identity(t.Fingerprints, m.SCTPPort)
		}
	}
}

// key returns a text that is the same for worlds with the same behaviour.
func (w *world) key() string {
	key := w.keyFrom(0)
	if w.mirrored {
		key = min(key, w.keyFrom(1))
	}
	return key
}

func (w *world) keyFrom(first int) string {
	n := &namer{names: make([]Credentials, 0, 16), b: make([]byte, 0, 128), mirrored: w.mirrored, identities: w.identities}
	for _, i := range [2]int{first, 1 - first} {
		e := w.ends[i]
		s := &e.s
		n.number(uint64(s.signaling))
		n.flags(s.wantData || w.mirrored, s.wantRestart, s.voided && !w.mirrored, s.answerRefused, s.next != nil, s.link != nil)
		n.number(uint64(s.strays))
		n.number(uint64(e.associations))
		n.rank(s.origin.version, w.ends[1-i], e)
		n.flags(s.origin.session != 0, e.controlling && !w.mirrored, len(e.errors) > 0)
		for _, g := range []*generation{s.local, s.next} {
			if g != nil {
				n.credentials(g.Credentials)
				n.flags(g.shown)
			}
		}
		if l := s.link; l != nil {
			n.credentials(l.local)
			n.credentials(l.remote)
			n.flags(l.client && !w.mirrored, l.provisional, l.failed)
			if w.identities {
				n.identity(l.fingerprints, l.sctpPort)
			}
		}
		if w.identities {
			n.identity(e.config.Fingerprints, e.config.SCTPPort)
			n.flags(s.origin.session == w.ends[1-i].config.SessionID, len(e.name) > 1)
		}
		n.credentials(s.peer)
		n.credentials(s.replaced)
		n.credentials(s.revealed)
		for _, d := range []*described{s.pendingLocal, s.pendingRemote} {
			if d == nil {
				n.b = append(n.b, '.')
				continue
			}
			n.description(d.typ, d.Description)
		}
		// Of the current descriptions only the sections count: the credentials are those of the
		// link.
		for _, d := range []*described{s.currentLocal, s.currentRemote} {
			n.flags(d != nil, d != nil && len(d.Media) > 0, d != nil && transportSection(d.Description) != nil)
		}
		for _, m := range e.out {
			n.description(m.typ, m.d)
			n.rank(m.d.SessionVersion, e, w.ends[1-i])
		}
		n.b = append(n.b, '|')
	}
	return string(n.b)
}

// disagreement returns the first difference between the two endpoints after an exchange, or "".
func (w *world) disagreement() string {
	a, b := w.ends[0], w.ends[1]
	if a.State() != Stable || b.State() != Stable {
		return fmt.Sprintf("states %v and %v", a.State(), b.State())
	}
	if a.transport == nil && b.transport == nil {
		return ""
	}
	if a.transport == nil || b.transport == nil {
		return "only one side has a transport"
	}
	p, q := a.transport, b.transport
	switch {
	case p.Local != q.Remote || p.Remote != q.Local:
		return fmt.Sprintf("credentials %s %s and %s %s", p.Local.Ufrag, p.Remote.Ufrag, q.Remote.Ufrag, q.Local.Ufrag)
	case p.Client == q.Client:
		return "DTLS roles"
	case !p.Fingerprints[0].Equal(b.config.Fingerprints[0]) || !q.Fingerprints[0].Equal(a.config.Fingerprints[0]):
		return "DTLS identities"
	case p.SCTPPort != cmp.Or(b.config.SCTPPort, 5000) || q.SCTPPort != cmp.Or(a.config.SCTPPort, 5000):
		return "SCTP ports"
	case a.associations != b.associations:
		return fmt.Sprintf("associations %d and %d", a.associations, b.associations)
	case p.RemoteMaxMessageSize == math.MaxUint64:
		return "message size"
	}
	for _, e := range w.ends {
		if !e.s.local.isIn(e.s.currentLocal.Description) || e.s.local.Credentials != e.transport.Local {
			return "the local description and the transport"
		}
	}
	if x, y := outline(a.s.currentLocal.Description), outline(b.s.currentLocal.Description); x != y {
		return x + " and " + y
	}
	return ""
}

// outline returns a short form of a description: "BUNDLE a b; audio a inactive; application b".
func outline(d *sdp.Description) string {
	var parts []string
	for _, g := range d.Groups {
		parts = append(parts, strings.Join(append([]string{g.Semantics}, g.Mids...), " "))
	}
	for i := range d.Media {
		m := &d.Media[i]
		part := m.Kind + " " + m.Mid
		switch {
		case m.Rejected:
			part += " rejected"
		case !m.IsDataChannel():
			part += " " + m.Direction.String()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// connect negotiates a first agreement between two endpoints.
func (w *world) connect(t testing.TB) {
	t.Helper()
	w.ends[0].WantData()
	require.NoError(t, w.ends[0].setLocal(Offer))
	require.NoError(t, w.deliver(0))
	if w.ends[1].State() == HaveRemoteOffer {
		require.NoError(t, w.ends[1].setLocal(Answer))
	}
	require.NoError(t, w.deliver(1))
	require.Empty(t, w.disagreement())
	require.NotNil(t, w.ends[0].transport)
}
