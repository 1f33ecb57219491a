package rtc

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/rtcstack/rtcstack/stun"
)

const (
	// ipUDPHeaders is what the IPv6 and UDP headers take of the MTU.
	ipUDPHeaders = 40 + 8
	// dtlsOverhead is what the record layer takes: 37 bytes with AES-GCM (RFC 5288), rounded up for cipher suites
	// that pad.
	dtlsOverhead = 48
	gcmOverhead  = 37
	// maxEarlyDatagrams bounds the DTLS datagrams kept until the answer is known. A ClientHello in fragments is three.
	maxEarlyDatagrams = 8
)

// The first byte tells the layers apart (https://www.rfc-editor.org/rfc/rfc7983.html#section-7).
const (
	firstDTLS = 20
	lastDTLS  = 63
)

// path is where application data goes: the selected pair.
type path struct {
	socket *socket
	remote netip.AddrPort
}

// remoteTransport is what the answer has settled.
type remoteTransport struct {
	applied      bool
	client       bool // this side is the DTLS client
	ufrag, pwd   string
	fingerprints []sdp.Fingerprint
}

// apply starts the transports when offer and answer are known. offered tells whether local is the offer.
func (pc *PeerConnection) apply(local, remote *sdp.Description, offered bool) error {
	m, own := transportSection(remote), transportSection(local)
	if m == nil || own == nil {
		return nil
	}
	theirs := remote.TransportOf(m)
	switch {
	case !pc.remote.applied:
		if err := pc.startTransports(own, m, theirs, offered); err != nil {
			return err
		}
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.1: the side that made the offer controls.
		pc.agent.SetControlling(offered)
	case pc.restarting() && pc.restarts(remote):
		pc.restarted()
	default:
		return nil
	}
	pc.remote.ufrag, pc.remote.pwd = theirs.ICEUfrag, theirs.ICEPwd
	parameters := ice.RemoteParameters{Ufrag: theirs.ICEUfrag, Pwd: theirs.ICEPwd, Lite: remote.ICELite}
	if err := pc.agent.SetRemote(pc.now, parameters); err != nil {
		return wrapError(ErrInvalid, err, "set remote description")
	}
	for _, c := range pc.session.waiting {
		pc.addCandidateNow(c)
	}
	pc.session.waiting = nil
	if _, complete := remote.CandidatesOf(m); complete {
		pc.agent.SetRemoteComplete(pc.now)
	} else {
		pc.completeAt = pc.now.Add(pc.tuning.candidatesTimeout)
	}
	return nil
}

// startTransports makes the DTLS and SCTP associations, whose roles and parameters are now known.
func (pc *PeerConnection) startTransports(own, m *sdp.MediaDescription, theirs sdp.Transport, offered bool) error {
	offer, answer := own.Setup, theirs.Setup
	if !offered {
		offer, answer = answer, offer
	}
	answererIsClient, err := sdp.IsClient(offer, answer)
	if err != nil {
		return wrapError(ErrInvalid, err, "set remote description")
	}
	pc.remote = remoteTransport{applied: true, client: answererIsClient != offered, fingerprints: theirs.Fingerprints}
	if err := pc.startDTLS(); err != nil {
		return err
	}
	pc.startSCTP(m)
	return nil
}

func (pc *PeerConnection) iceLogger() *slog.Logger {
	if pc.log.Handler() == slog.DiscardHandler {
		return nil
	}
	return pc.log
}

// startDTLS makes the DTLS association. The handshake begins when there is a path, but what the peer has sent
// before that is not lost: its ClientHello would come again only a second later.
func (pc *PeerConnection) startDTLS() error {
	conn, err := dtlsconn.New(dtlsconn.Config{
		Client:      pc.remote.client,
		Certificate: pc.certificate,
		VerifyPeer:  pc.verifyPeer,
		MTU:         pc.settings.MTU - ipUDPHeaders,
		Ready:       pc.sendDTLS,
		Handshaked:  pc.onHandshaked,
		Data: func(plaintext []byte) {
			pc.lock()
			defer pc.unlock()
			if !pc.ended {
				pc.receivePlaintext(plaintext)
			}
		},
		Closed:       pc.onDTLSClosed,
		CipherSuites: pc.tuning.cipherSuites,
		// The client repeats its first flight until the peer has our description, too.
		HandshakeTimeout: pc.settings.ConnectTimeout,
		Logger:           pc.iceLogger(),
	})
	if err != nil {
		return wrapError(ErrFailure, err, "DTLS")
	}
	pc.dtls = conn
	for _, datagram := range pc.early {
		conn.Receive(datagram, pc.deliverP)
	}
	pc.early = nil
	return nil
}

// sendDTLS sends the datagrams that the DTLS association has queued, apart from the batches.
func (pc *PeerConnection) sendDTLS() {
	pc.handshake.mu.Lock()
	defer pc.handshake.mu.Unlock()
	var buf [2048]byte
	for {
		datagram, ok := pc.dtls.Transmit(buf[:0])
		if !ok {
			return
		}
		if p := pc.path.Load(); p != nil {
			pc.handshake.writer.Commit(append(pc.handshake.writer.Reserve(len(datagram)), datagram...), p.remote)
			_ = pc.handshake.writer.Flush(p.socket.Socket)
		}
	}
}

// verifyPeer compares the peer's certificate with the fingerprints of its description.
func (pc *PeerConnection) verifyPeer(der []byte) error {
	if pc.settings.DisableFingerprintVerification {
		return nil
	}
	return sdp.VerifyCertificate(der, pc.remote.fingerprints)
}

// onHandshaked is called once by the DTLS association, from a goroutine of its own.
func (pc *PeerConnection) onHandshaked(err error) {
	pc.lock()
	defer pc.unlock()
	switch {
	case pc.ended:
	case err != nil:
		pc.finish(StateFailed, wrapError(ErrFailure, err, "DTLS"))
	default:
		pc.dtlsUp = true
		pc.sctp.Connect(pc.now)
	}
}

// onDTLSClosed is called at most once, when the peer has closed the DTLS association, or an alert has.
func (pc *PeerConnection) onDTLSClosed(err error) {
	pc.lock()
	defer pc.unlock()
	pc.dtlsUp = false
	switch {
	case pc.ended:
	case err != nil && !pc.closing:
		pc.finish(StateFailed, wrapError(ErrFailure, err, "DTLS"))
	default:
		pc.closedByPeer(pc.sctp.State() == sctp.StateShutdownReceived || pc.sctp.State() == sctp.StateShutdownAckSent, nil)
	}
}

// receive handles a batch of datagrams from one socket: the mutex is taken once for all of them.
func (pc *PeerConnection) receive(s *socket, b *udp.Batch) {
	pc.lock()
	defer pc.unlock()
	for i := range b.Len() {
		if pc.ended {
			return
		}
		datagram, from := b.At(i)
		pc.receiveDatagram(s, from, datagram)
	}
}

func (pc *PeerConnection) receiveDatagram(s *socket, from netip.AddrPort, datagram []byte) {
	pc.counters.datagramsReceived++
	pc.counters.bytesReceived += uint64(len(datagram))
	switch {
	case len(datagram) == 0:
		pc.counters.unknownDropped++
	case firstDTLS <= datagram[0] && datagram[0] <= lastDTLS:
		onPath := pc.isPath(s, from)
		switch {
		case !onPath && !pc.agent.Permits(s.addr, from):
			pc.counters.strangersDropped++
		case !onPath && pc.dtls != nil:
			pc.receiveOffPath(s, from, datagram)
		case pc.dtls != nil:
			pc.dtls.Receive(datagram, pc.deliverP)
		case len(pc.early) < maxEarlyDatagrams && len(datagram) <= pc.settings.MTU:
			pc.early = append(pc.early, append([]byte(nil), datagram...))
		default:
			pc.counters.strangersDropped++
		}
	case stun.Is(datagram):
		pc.receiveSTUN(s.addr, from, datagram)
	default:
		pc.counters.unknownDropped++
	}
}

// receiveOffPath takes a DTLS datagram from another pair than the selected one, and tells the agent that the peer's traffic
// arrives there: anything in the handshake, then authentic records that are newer than all before.
func (pc *PeerConnection) receiveOffPath(s *socket, from netip.AddrPort, datagram []byte) {
	before, _ := pc.dtls.Newest()
	pc.dtls.Receive(datagram, pc.deliverP)
	if after, protected := pc.dtls.Newest(); !pc.ended && (!protected || after > before) {
		pc.agent.ReceivedData(pc.now, s.addr, from)
	}
}

// isPath tells whether a datagram comes over the path in use, which in an ICE restart is not the new agent's.
func (pc *PeerConnection) isPath(s *socket, from netip.AddrPort) bool {
	p := pc.path.Load()
	return p != nil && p.socket == s && p.remote == from
}

// receivePlaintext takes what a DTLS record held: an SCTP packet.
func (pc *PeerConnection) receivePlaintext(plaintext []byte) {
	pc.sctp.Receive(pc.now, plaintext)
}

// flush handles what an input made the cores say, sends what they want sent, and sets the timer. It runs at the end of
// every input.
func (pc *PeerConnection) flush() {
	if pc.ended {
		return
	}
	for again := true; again && !pc.ended; {
		again = pc.drainICE()
		if pc.sctp != nil && !pc.ended {
			again = pc.drainSCTP() || again
		}
	}
	pc.send()
	pc.setTimer()
}

// drainICE handles the events of the agent and batches its packets. It tells whether there were events.
func (pc *PeerConnection) drainICE() (events bool) {
	pc.agents(func(agent *ice.Agent) { events = pc.drainAgent(agent) || events })
	return events
}

func (pc *PeerConnection) drainAgent(agent *ice.Agent) (events bool) {
	for {
		e, ok := agent.Event()
		if !ok {
			break
		}
		events = true
		switch e := e.(type) {
		case ice.EventState:
			pc.iceStateChanged(e.State)
		case ice.EventLocalCandidate:
			pc.onLocalCandidate(agent, e.Candidate)
		case ice.EventGatheringComplete:
			pc.onGatheringComplete(agent)
		case ice.EventSelectedPair:
			pc.onSelectedPair(e.Pair)
		case ice.EventBaseFreed:
			pc.releaseSockets()
		}
	}
	for {
		packet, local, remote, ok := agent.Transmit(pc.now, pc.out.writer.Reserve(pc.settings.MTU))
		if !ok {
			return events
		}
		if s := pc.gather.socket(local); s != nil {
			pc.batch(s, packet, remote)
		}
	}
}

// batch adds a packet, in the place that was reserved for it, to the batch.
func (pc *PeerConnection) batch(s *socket, packet []byte, to netip.AddrPort) {
	if pc.out.socket != s {
		if pc.out.writer.Len() > 0 {
			// The packet lies behind those for the other socket: it is copied, once for each change of socket.
			packet = append([]byte(nil), packet...)
			pc.send()
			packet = append(pc.out.writer.Reserve(len(packet)), packet...)
		}
		pc.out.socket = s
	}
	pc.counters.datagramsSent++
	pc.counters.bytesSent += uint64(len(packet))
	if pc.out.writer.Commit(packet, to) {
		pc.send()
	}
}

// send hands the batch to the operating system. What it refuses is lost as on any network.
func (pc *PeerConnection) send() {
	if pc.out.socket == nil {
		pc.out.writer.Reset()
		return
	}
	if err := pc.out.writer.Flush(pc.out.socket.Socket); err != nil {
		pc.counters.sendErrors++
	}
}

// onSelectedPair makes the pair the path of DTLS. The handshake begins with the first.
func (pc *PeerConnection) onSelectedPair(pair ice.Pair) {
	s := pc.gather.socket(pair.Base)
	if s == nil {
		return
	}
	remote := pair.Remote.Addr
	if remote.Addr().IsLinkLocalUnicast() && remote.Addr().Is6() {
		remote = netip.AddrPortFrom(remote.Addr().WithZone(pair.Base.Addr().Zone()), remote.Port())
	}
	next := &path{socket: s, remote: remote}
	if last := pc.path.Swap(next); last != nil && *last != *next && pc.sctp != nil {
		pc.sctp.PathChanged(pc.now)
	}
	if !pc.dtlsStarted && pc.dtls != nil {
		pc.dtlsStarted = true
		pc.dtls.Start()
	}
}

func (pc *PeerConnection) iceStateChanged(s ice.State) {
	pc.setICEState(iceStates[s])
	switch s {
	case ice.StateChecking:
		pc.setState(StateConnecting)
	case ice.StateConnected, ice.StateCompleted:
		if pc.channels.up {
			pc.setState(StateConnected)
		} else if pc.state == StateDisconnected {
			pc.setState(StateConnecting)
		}
		if s == ice.StateCompleted {
			pc.releaseAt = pc.now.Add(pc.tuning.releaseDelay)
		}
	case ice.StateDisconnected:
		if pc.state == StateConnected || pc.state == StateConnecting {
			pc.setState(StateDisconnected)
		}
	case ice.StateFailed:
		if pc.closing {
			pc.finish(StateClosed, nil)
		} else {
			pc.setState(StateFailed)
		}
	}
}

var iceStates = [...]ICEState{
	ice.StateNew: ICEStateNew, ice.StateChecking: ICEStateChecking, ice.StateConnected: ICEStateConnected,
	ice.StateCompleted: ICEStateCompleted, ice.StateDisconnected: ICEStateDisconnected, ice.StateFailed: ICEStateFailed,
	ice.StateClosed: ICEStateClosed,
}

// setTimer sets the connection's one timer to what comes first. A timer that is set for an earlier time stays: when it
// fires for nothing it is set again, which is cheaper than moving it with every packet.
func (pc *PeerConnection) setTimer() {
	if pc.ended {
		return // the closed association may have a deadline left, but DTLS has told the peer already
	}
	at := earlier(earlier(pc.closeBy, pc.releaseAt), earlier(pc.completeAt, pc.channels.deadline()))
	pc.agents(func(agent *ice.Agent) { at = earlier(at, agent.Deadline()) })
	if pc.sctp != nil {
		at = earlier(at, pc.sctp.Deadline())
	}
	if at.IsZero() || (!pc.timerAt.IsZero() && !at.Before(pc.timerAt)) {
		return
	}
	pc.timerAt = at
	wait := max(at.Sub(pc.now), 0)
	if pc.timer == nil {
		pc.timer = time.AfterFunc(wait, pc.onTimer)
	} else {
		pc.timer.Reset(wait)
	}
}

func (pc *PeerConnection) onTimer() {
	pc.lock()
	defer pc.unlock()
	pc.timerAt = time.Time{}
	if pc.ended {
		return
	}
	pc.agents(func(agent *ice.Agent) { agent.Advance(pc.now) })
	if pc.sctp != nil {
		pc.sctp.Advance(pc.now)
		pc.onChannelTimer()
	}
	if !pc.completeAt.IsZero() && !pc.now.Before(pc.completeAt) {
		pc.remoteCandidatesComplete()
	}
	if !pc.releaseAt.IsZero() && !pc.now.Before(pc.releaseAt) {
		pc.releaseSockets()
	}
	traffic := pc.counters.datagramsReceived + pc.counters.datagramsSent
	if traffic-pc.trimmedAt < quietDatagrams {
		pc.trim()
	}
	pc.trimmedAt = traffic
	if !pc.closeBy.IsZero() && !pc.now.Before(pc.closeBy) {
		pc.log.Debug("close: the peer does not acknowledge what is buffered")
		pc.finish(StateClosed, nil)
	}
}

// quietDatagrams is how few datagrams between two timers mean that nothing but ICE is going on. Its timer comes at
// least every six seconds (RFC 7675 section 5.1), so that queues are kept through a transfer, and given back after it.
const quietDatagrams = 4

// trim gives the memory of empty queues back.
func (pc *PeerConnection) trim() {
	pc.queue.trim()
	if pc.sctp != nil {
		pc.sctp.Trim()
	}
	for _, dc := range pc.channels.byStream {
		dc.inbox.trim()
		dc.outbox.Trim()
	}
}

// earlier gives the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// drainSCTP handles the events and messages of the association, and batches its packets. It tells whether there were
// events or messages, which may have caused more to be sent.
func (pc *PeerConnection) drainSCTP() (more bool) {
	more = pc.handleSCTP()
	if !pc.ended {
		pc.transmitSCTP()
	}
	return more
}

func (pc *PeerConnection) transmitSCTP() {
	if carry := pc.tuning.carry; carry != nil {
		buf := make([]byte, 0, 2048)
		for packet, ok := pc.sctp.Transmit(pc.now, buf); ok; packet, ok = pc.sctp.Transmit(pc.now, buf) {
			carry(packet)
		}
		return
	}
	p := pc.path.Load()
	if !pc.dtlsUp || p == nil {
		return
	}
	pc.sendDTLS()
	if !pc.dtls.Fast() {
		pc.transmitSlowly()
		return
	}
	// A packet is written behind the room for the record's header, in the batch itself, and sealed in place.
	headroom := pc.dtls.Headroom()
	size := pc.maxSCTPMTU() + pc.dtls.Overhead()
	for {
		record := pc.out.writer.Reserve(size)
		packet, ok := pc.sctp.Transmit(pc.now, record[:headroom])
		if !ok {
			return
		}
		record, err := pc.dtls.Seal(record[:0], packet[headroom:])
		if err != nil {
			if errors.Is(err, dtlsconn.ErrSequenceExhausted) && !pc.ended {
				pc.finish(StateFailed, wrapError(ErrFailure, err, "DTLS"))
			}
			return
		}
		pc.batch(p.socket, record, p.remote)
	}
}

// transmitSlowly sends through the DTLS library, for cipher suites whose records we do not make ourselves.
func (pc *PeerConnection) transmitSlowly() {
	var buf [2048]byte
	for {
		packet, ok := pc.sctp.Transmit(pc.now, buf[:0])
		if !ok || pc.dtls.Write(packet) != nil {
			return
		}
		pc.sendDTLS()
	}
}

// sctpMTU is the size in bytes of the largest SCTP packet to begin with.
func (pc *PeerConnection) sctpMTU() int {
	return max(pc.settings.MTU-ipUDPHeaders-dtlsOverhead, sctp.MinMTU)
}

// maxSCTPMTU is the size of the largest one that path MTU discovery tries, or the same where the program has set the
// MTU. There is no need for caution: a probe that is too large is lost, and a smaller one follows.
func (pc *PeerConnection) maxSCTPMTU() int {
	if pc.settings.maxMTU == pc.settings.MTU {
		return pc.sctpMTU()
	}
	return pc.settings.maxMTU - ipUDPHeaders - gcmOverhead
}
