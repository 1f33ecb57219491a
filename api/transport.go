package rtc

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/internal/jsep"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/rtcstack/rtcstack/stun"
)

const (
	// dtlsOverhead is the size of a DTLS record in bytes without its content: 37 with AES-GCM (RFC
	// 5288), rounded up for cipher suites with padding.
	dtlsOverhead = 48
	gcmOverhead  = 37
	// relayOverhead is the largest overhead of a link: a Send indication (RFC 8656, section 10.1)
	// with the address of an IPv6 peer, and padding.
	relayOverhead = 20 + 24 + 4 + 3
	// maxEarlyDatagrams limits the DTLS datagrams that are kept until the answer is known. A
	// fragmented ClientHello has three.
	maxEarlyDatagrams = 8
)

// RFC 7983, section 7: the first byte of a datagram determines its protocol.
const (
	firstDTLS = 20
	lastDTLS  = 63
)

// transport carries the packets of the data channels, over SCTP in DTLS in ICE. Each of these is
// nil until the negotiation needs it. transport refers neither to descriptions nor to channels; the
// connection reads the events of ICE and SCTP from them, and those of DTLS from dtlsEvent.
type transport struct {
	*core
	identity identity

	ice        *icenet.Driver
	path       ice.Path  // the path of data, or the last one
	overhead   int       // the overhead of that path in bytes
	completeAt time.Time // when the peer is assumed to have no more candidates; zero: it is not
	agreed     bool      // offer and answer have agreed on a transport

	dtls         *dtlsconn.Conn
	association  int // counts the DTLS associations
	client       bool
	fingerprints []sdp.Fingerprint // of the peer's certificate
	started      bool              // the handshake has started
	established  bool              // the handshake is complete
	dtlsEvents   []dtlsEvent
	replaced     sync.WaitGroup // of the earlier associations, which are being closed
	early        [][]byte       // datagrams that arrived while dtls was nil

	sctp               *sctp.Association
	sctpClosed         bool // the peer has no association: sctp is not connected
	up                 bool // the association accepts messages
	remoteMessageLimit uint64

	batch      link.Batch
	awaitsRoom bool                   // the link is congested, and will call roomAgain
	deliver    func(plaintext []byte) // receivePlaintext; bound once, so that it allocates nothing
}

// identity is the certificate of this side.
type identity struct {
	certificate tls.Certificate
	fingerprint sdp.Fingerprint
}

// dtlsEvent is an event that a goroutine of the DTLS association has reported.
type dtlsEvent struct {
	closed bool // the association is closed; otherwise the handshake has ended
	err    error
}

func (t *transport) init(c *core, id identity) {
	t.core, t.identity = c, id
	t.deliver, t.overhead = t.receivePlaintext, link.IPUDPHeaders
	t.remoteMessageLimit = defaultRemoteMaxMessageSize
}

// ensureICE creates the ICE agent, or restarts it if it has other credentials than local.
func (t *transport) ensureICE(local jsep.Credentials) error {
	if t.ice != nil {
		if t.ice.Agent().HasCredentials(local.Ufrag, local.Pwd) {
			return nil
		}
		t.log.Info("ICE restart")
		return t.ice.Agent().Restart(t.now, local.Ufrag, local.Pwd)
	}
	config := t.tuning.ice
	if config.Patience == 0 {
		config.Patience = t.settings.ConnectTimeout
	}
	config.Ufrag, config.Pwd, config.Logger = local.Ufrag, local.Pwd, t.layerLogger()
	var servers []icenet.Server
	for _, u := range t.settings.stunServers {
		servers = append(servers, icenet.Server{Host: u.host, Port: u.port})
	}
	driver, err := icenet.NewDriver(config, icenet.DriverConfig{
		Servers: servers, Network: t.tuning.network,
		Lock: t.lock, Unlock: t.unlock, Receive: t.receive,
		Bind: t.settings.bind, FallBackToLoopback: true,
		PortFirst: t.settings.PortRangeBegin, PortLast: t.settings.PortRangeEnd,
		Logger: t.layerLogger(),
	})
	if err != nil {
		return err
	}
	t.ice = driver
	return nil
}

// gather starts gathering candidates for a generation of local credentials.
func (t *transport) gather(g jsep.Gather) error {
	if err := t.ensureICE(g.Credentials); err != nil {
		return err
	}
	if !t.agreed {
		t.ice.Agent().SetControlling(t.now, g.Controlling)
	}
	t.ice.Gather()
	return nil
}

// discard removes a generation of local credentials that was rolled back.
func (t *transport) discard(local jsep.Credentials) {
	if t.ice != nil {
		if ufrag, _ := t.ice.Agent().LocalCredentials(); ufrag == local.Ufrag {
			t.ice.Agent().CancelRestart(t.now)
		}
	}
}

// apply applies the transport that offer and answer have agreed on.
func (t *transport) apply(n *jsep.Transport) error {
	first := !t.agreed
	if first || n.Restart {
		if err := t.ensureICE(n.Local); err != nil {
			return err
		}
	}
	if first || n.NewAssociation {
		t.ice.Agent().SetControlling(t.now, n.Controlling)
	}
	t.agreed = true
	t.fingerprints = n.Fingerprints
	if n.NewAssociation {
		t.client = n.Client
		if err := t.startDTLS(); err != nil {
			return err
		}
	}
	if n.NewAssociation || n.NewSCTP {
		if err := t.startSCTP(n.SCTPPort); err != nil {
			return err
		}
	}
	remote := ice.RemoteParameters{
		Ufrag: n.Remote.Ufrag, Pwd: n.Remote.Pwd, Lite: n.RemoteLite, LocalUfrag: n.Local.Ufrag,
	}
	if first || n.Restart {
		if err := t.ice.Agent().SetRemote(t.now, remote); err != nil {
			return err
		}
		t.completeAt = t.now.Add(t.tuning.candidatesTimeout)
	}
	for _, text := range n.RemoteCandidates {
		if c, err := ice.ParseCandidate(text); err == nil {
			t.addRemoteCandidate(c)
		}
	}
	if n.RemoteCandidatesComplete {
		t.remoteComplete()
	}
	return nil
}

func (t *transport) addRemoteCandidate(c ice.Candidate) {
	if err := t.ice.AddRemoteCandidate(t.now, c); err != nil {
		t.log.Debug("remote candidate ignored", "error", err)
	}
}

// remoteComplete informs the agent that the peer has no more candidates.
func (t *transport) remoteComplete() {
	t.completeAt = time.Time{}
	t.ice.Agent().SetRemoteComplete(t.now)
}

// receive handles the datagrams that the reader of a base has read. It takes the mutex once for
// all.
func (t *transport) receive(base ice.BaseID, in *link.Inbound) {
	t.lock()
	defer t.unlock()
	for i := range in.Len() {
		if t.ended {
			return
		}
		datagram, from := in.At(i)
		t.receiveDatagram(ice.Path{Base: base, Remote: from}, datagram)
	}
}

func (t *transport) receiveDatagram(path ice.Path, datagram []byte) {
	t.counters.datagramsReceived++
	t.counters.bytesReceived += uint64(len(datagram))
	switch {
	case len(datagram) == 0:
		t.counters.unknownDropped++
	case firstDTLS <= datagram[0] && datagram[0] <= lastDTLS:
		t.receiveDTLS(path, datagram)
	case stun.Is(datagram):
		t.ice.Agent().Receive(t.now, path, datagram)
	default:
		t.counters.unknownDropped++
	}
}

func (t *transport) receiveDTLS(path ice.Path, datagram []byte) {
	onPath := path == t.path && t.ice.Path() != nil
	switch {
	case !onPath && !t.ice.Agent().Permits(path):
		t.counters.strangersDropped++
	case t.dtls == nil && len(t.early) < maxEarlyDatagrams && len(datagram) <= t.settings.MTU:
		t.early = append(t.early, append([]byte(nil), datagram...))
	case t.dtls == nil:
		t.counters.strangersDropped++
	case onPath:
		t.counters.records++
		t.dtls.Receive(datagram, t.deliver)
	default:
		t.counters.records++
		t.receiveOffPath(path, datagram)
	}
}

// receiveOffPath handles a DTLS datagram that arrived on another pair than the selected one. It
// reports the traffic of the peer there to the agent, which may follow the peer: any datagram
// during the handshake, then only authentic records newer than all before.
func (t *transport) receiveOffPath(path ice.Path, datagram []byte) {
	before, _ := t.dtls.Newest()
	t.dtls.Receive(datagram, t.deliver)
	if after, protected := t.dtls.Newest(); !t.ended && (!protected || after > before) {
		t.ice.Agent().ReceivedData(t.now, path)
	}
}

// receivePlaintext handles the content of a DTLS record: an SCTP packet.
func (t *transport) receivePlaintext(plaintext []byte) {
	if !t.sctpClosed {
		t.sctp.Receive(t.now, plaintext)
	}
}

// pathChanged handles the selection of a pair. The DTLS handshake starts with the first one.
func (t *transport) pathChanged(pair ice.Pair) {
	last := t.path
	t.path = pair.Path
	if path := t.ice.Path(); path != nil {
		t.overhead = path.Overhead
	}
	switch {
	case t.sctp == nil:
	case last == pair.Path: // the pair has changed, for example because of another mapping in a NAT
		t.sctp.PathRestored(t.now)
	default:
		t.sctp.PathChanged(t.now, t.sctpMTU(t.overhead), t.maxSCTPMTU(t.overhead))
	}
	t.startHandshake()
}

// ready reports whether all layers that offer and answer have agreed on are established.
func (t *transport) ready() bool { return t.up || t.sctpClosed && t.established }

// pathRestored is called when the peer answers again after silence.
func (t *transport) pathRestored() {
	if t.sctp != nil {
		t.sctp.PathRestored(t.now)
	}
}

// selected returns the pair of data, or the last one; ok is false while there is none.
func (t *transport) selected() (pair ice.Pair, ok bool) {
	if t.ice == nil {
		return ice.Pair{}, false
	}
	pair, ok = t.ice.Agent().Selected()
	return pair, ok && !t.ended
}

// advance processes expired timers.
func (t *transport) advance() {
	if t.ice != nil {
		t.ice.Agent().Advance(t.now)
	}
	// Without a path the time of the association does not advance, so that it does not give up the
	// peer.
	if t.sctp != nil && t.reachable() {
		t.sctp.Advance(t.now)
	}
	if !t.completeAt.IsZero() && !t.now.Before(t.completeAt) {
		t.remoteComplete()
	}
}

// reachable reports whether there is a path for data.
func (t *transport) reachable() bool {
	return t.tuning.carry != nil || t.ice != nil && t.ice.Path() != nil
}

// deadline returns the time of the next call of advance; zero: never.
func (t *transport) deadline() time.Time {
	at := t.completeAt
	if t.ice != nil {
		at = deadline.Earlier(at, t.ice.Agent().Deadline())
	}
	if t.sctp != nil && t.reachable() {
		at = deadline.Earlier(at, t.sctp.Deadline())
	}
	return at
}

// transmit adds the packets of all layers to the batch. ICE may always send its checks; DTLS and
// SCTP need a path with consent.
func (t *transport) transmit() {
	if carry := t.tuning.carry; carry != nil {
		t.transmitTo(carry)
		return
	}
	if t.ice == nil {
		return
	}
	for {
		size, ok := t.ice.Transmit(t.now, &t.batch)
		if !ok {
			break
		}
		t.count(size)
	}
	path := t.ice.Path()
	if path == nil {
		return
	}
	if t.dtls != nil {
		t.transmitDTLS(path)
	}
	if t.sctp != nil && t.established {
		t.transmitSCTP(path)
	}
}

func (t *transport) count(size int) {
	t.counters.datagramsSent++
	t.counters.bytesSent += uint64(size)
}

// send passes the batch to the links. A packet that the operating system refuses is lost, as on any
// network.
func (t *transport) send() {
	if t.batch.Flush() != nil {
		t.counters.sendErrors++
	}
}

// congested reports whether the link of a path has no room. If so, roomAgain is called when it has.
func (t *transport) congested(path *link.Path) bool {
	if !path.Link.Congested() {
		return false
	}
	if !t.awaitsRoom {
		t.awaitsRoom = path.Link.NotifyClear(t.roomAgain)
	}
	return t.awaitsRoom
}

func (t *transport) roomAgain() {
	t.lock()
	defer t.unlock()
	t.awaitsRoom = false
}

// endAssociation ends the association at once. If the peer has acknowledged everything, a SHUTDOWN
// precedes the ABORT: it shows the peer, without waiting for its answer, that no data is missing.
func (t *transport) endAssociation(acknowledged bool) {
	if t.sctp == nil {
		return
	}
	if t.up && acknowledged {
		t.sctp.Shutdown(t.now)
		t.transmit()
	}
	t.sctp.Abort(t.now, "")
	t.transmit() // the ABORT, or the end of a shutdown
}

// stop sends the batch and ends ICE. Only the close_notify of release is sent after it.
func (t *transport) stop() {
	t.send()
	t.completeAt = time.Time{}
	if t.ice != nil {
		t.ice.Agent().Close()
	}
}

// release closes DTLS and the links, and waits for their goroutines. It must not be called with the
// mutex held, which these goroutines take.
func (t *transport) release() {
	if t.dtls != nil {
		t.dtls.Close() // sends a close_notify
	}
	t.mu.Lock()
	if path := t.ice.Path(); path != nil && t.dtls != nil {
		t.transmitDTLS(path)
		t.send()
	}
	t.ice.Close()
	t.mu.Unlock()
	if t.dtls != nil {
		t.dtls.Wait()
	}
	t.ice.Wait()
	t.replaced.Wait()
}
