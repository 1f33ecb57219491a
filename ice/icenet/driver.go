package icenet

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// resolveTimeout bounds the resolution of one name of a STUN server or of a remote candidate.
	resolveTimeout = 5 * time.Second
	// maxResolving bounds the names from the peer that are being resolved.
	maxResolving = 16
	// maxPacket is an upper bound of the packets of an agent.
	maxPacket = 700
)

// Server is a STUN server.
type Server struct {
	Host string // a name or an address
	Port uint16
}

// DriverConfig configures a Driver. It is for packages of this module.
type DriverConfig struct {
	Servers []Server

	// Lock and Unlock are the owner's mutex. The owner holds it when it calls methods of the Driver
	// other than Wait. The Driver takes it for its own inputs to the agent. Unlock also performs
	// the work after every input: it takes the events, transmits, and sets the timer.
	Lock, Unlock func()
	// Receive handles the packets that have arrived on a base. The reader of the base calls it
	// without the mutex. The packets are valid during the call.
	Receive func(base ice.BaseID, in *link.Inbound)

	// Bind, if valid, is the only address to use; 0.0.0.0 and :: stand for all addresses of their
	// family.
	Bind netip.Addr
	// FallBackToLoopback uses loopback addresses if the host has no others.
	FallBackToLoopback bool
	// PortFirst and PortLast are the range of ports to choose from, both included. PortFirst 0
	// leaves the choice to the system.
	PortFirst, PortLast uint16

	Network Network // nil: that of the host
	// Links, if not empty, are used instead of opening any. They belong to the Driver.
	Links  []link.Link
	Logger *slog.Logger // nil: no logging
}

// Driver runs an agent over a network. It is for packages of this module, because its links are of
// an internal package; programs use [Conn]. Create it with [NewDriver]; the zero value is a closed
// Driver. Its methods are called with the owner's mutex held.
//
// After each input, the owner calls Event and Transmit until they return false, and sets a timer to
// the agent's Deadline. It calls ice.Agent.Receive with the STUN packets that arrive. In place of
// the agent's methods AddLocal, RemoveLocal, AddSTUNServer, SetLocalComplete, AddRemoteCandidate,
// Event, Transmit and Close, it uses those of the Driver; it calls all others itself.
type Driver struct {
	config DriverConfig
	agent  *ice.Agent
	bases  []base
	path   link.Path // of the selected pair; zero without one

	opening   bool // a goroutine opens links
	again     bool // it is to start again
	servers   int  // names of STUN servers being resolved
	resolving int  // names of remote candidates being resolved

	lastError error // of opening or reading a link

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	given  bool // DriverConfig has had Links
	closed bool
}

// base is a link and its identity in the agent.
type base struct {
	id   ice.BaseID
	link link.Link
	addr netip.AddrPort // the address that is signalled
}

// NewDriver returns a driver and its agent. It opens no socket and starts no goroutine before
// Gather. The error is that of ice.NewAgent; then the Links stay the caller's.
func NewDriver(agentConfig ice.Config, config DriverConfig) (*Driver, error) {
	for _, s := range config.Servers {
		if addr, err := netip.ParseAddr(s.Host); err == nil {
			server := netip.AddrPortFrom(addr, s.Port)
			agentConfig.STUNServers = append(slices.Clip(agentConfig.STUNServers), server)
		}
	}
	agent, err := ice.NewAgent(agentConfig)
	if err != nil {
		return nil, err
	}
	if config.Network == nil {
		config.Network = hostNetwork{}
	}
	return &Driver{config: config, agent: agent, given: len(config.Links) > 0}, nil
}

// Agent returns the agent, nil for the zero value.
func (d *Driver) Agent() *ice.Agent { return d.agent }

// ended reports whether the driver is closed, or is the zero value.
func (d *Driver) ended() bool { return d.closed || d.agent == nil }

// Gather gathers candidates on the present addresses of the host: it opens links on new addresses,
// closes the unused links of addresses that are gone, queries the STUN servers, and then calls
// ice.Agent.SetLocalComplete. It returns at once and may be called at any time. The owner calls it
// after each Restart of the agent.
func (d *Driver) Gather() {
	if d.ended() {
		return
	}
	if d.opening {
		d.again = true
		return
	}
	d.opening = true
	d.tasks.Go(d.open)
}

// openNow is Gather for an owner that waits for the sockets. It is called once, without the mutex,
// and returns the address of the first socket, or an error if there is none.
func (d *Driver) openNow() (netip.AddrPort, error) {
	d.config.Lock()
	d.opening = true
	d.config.Unlock()
	d.open()
	d.config.Lock()
	defer d.config.Unlock()
	if len(d.bases) == 0 {
		return netip.AddrPort{}, cmp.Or(d.lastError, ice.ErrAddress)
	}
	return d.bases[0].addr, nil
}

// open opens links, without the mutex, and adds them to the agent. It has a goroutine of its own.
func (d *Driver) open() {
	for again := true; again; {
		var opened []base
		var err error
		if d.given {
			opened = d.openGiven()
		} else {
			opened, err = d.openMissing()
		}
		d.config.Lock()
		if err != nil {
			d.lastError = err
		}
		now := time.Now()
		for _, b := range opened {
			if d.closed {
				_ = b.link.Close()
				continue
			}
			d.add(now, b)
		}
		again, d.again = d.again && !d.closed, false
		if !again {
			d.opening = false
			d.resolveServers(now)
		}
		d.config.Unlock()
	}
}

// openGiven returns the links that the owner has given, once.
func (d *Driver) openGiven() (opened []base) {
	d.config.Lock()
	links := d.config.Links
	d.config.Links = nil
	d.config.Unlock()
	for _, l := range links {
		opened = append(opened, base{link: l, addr: d.hostAddr(l)})
	}
	return opened
}

// openMissing opens a link on each address of the host that has none. The error is that of the last
// link that it could not open.
func (d *Driver) openMissing() (opened []base, lastError error) {
	addrs, err := d.config.Network.Addresses(d.config.Bind, d.config.FallBackToLoopback)
	if err != nil {
		d.log(slog.LevelError, "cannot list the addresses of this host", "error", err)
	}
	d.config.Lock()
	if err == nil && !d.closed {
		d.removeGone(time.Now(), addrs)
	}
	for _, b := range d.bases {
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return b.addr.Addr() == a })
	}
	d.config.Unlock()
	for _, addr := range addrs {
		l, err := d.config.Network.Listen(addr, d.config.PortFirst, d.config.PortLast)
		if err != nil {
			d.log(slog.LevelWarn, "cannot use a local address", "addr", addr, "error", err)
			lastError = err
			continue
		}
		opened = append(opened, base{link: l, addr: l.LocalAddr()})
	}
	return opened, lastError
}

// removeGone removes the links whose addresses the host no longer has. The link in use is kept:
// consent shows whether it still works.
func (d *Driver) removeGone(now time.Time, addrs []netip.Addr) {
	for _, b := range slices.Clone(d.bases) {
		if d.path.Link != b.link && !slices.Contains(addrs, b.addr.Addr()) {
			d.remove(now, b.id)
		}
	}
}

// add adds a link to the agent, and starts its reader.
func (d *Driver) add(now time.Time, b base) {
	id, err := d.agent.AddLocal(now, ice.Local{Addr: b.addr})
	if err != nil {
		d.log(slog.LevelWarn, "cannot use a socket", "addr", b.addr, "error", err)
		d.lastError = err
		_ = b.link.Close()
		return
	}
	b.id = id
	d.bases = append(d.bases, b)
	d.tasks.Go(func() {
		err := b.link.Serve(func(in *link.Inbound) { d.config.Receive(id, in) })
		if err != nil {
			d.readerEnded(id, err)
		}
	})
}

// hostAddr returns the address with which a link is signalled. For a link bound to all addresses it
// is the first of them.
func (d *Driver) hostAddr(l link.Link) netip.AddrPort {
	local := l.LocalAddr()
	if !local.Addr().IsUnspecified() {
		return local
	}
	addrs, err := d.config.Network.Addresses(local.Addr(), true)
	if err != nil || len(addrs) == 0 {
		return local
	}
	return netip.AddrPortFrom(addrs[0], local.Port())
}

// readerEnded removes a base whose reader has failed.
func (d *Driver) readerEnded(id ice.BaseID, err error) {
	d.config.Lock()
	defer d.config.Unlock()
	if !d.closed {
		d.log(slog.LevelWarn, "a socket has failed", "error", err)
		d.lastError = err
		d.remove(time.Now(), id)
	}
}

// remove removes a base from the agent and closes its link.
func (d *Driver) remove(now time.Time, id ice.BaseID) {
	d.agent.RemoveLocal(now, id)
	d.closeLink(id)
}

func (d *Driver) closeLink(id ice.BaseID) {
	d.bases = slices.DeleteFunc(d.bases, func(b base) bool {
		if b.id != id {
			return false
		}
		_ = b.link.Close()
		return true
	})
}

func (d *Driver) link(id ice.BaseID) link.Link {
	for _, b := range d.bases {
		if b.id == id {
			return b.link
		}
	}
	return nil
}

// Links returns the open links in the order in which they were opened.
func (d *Driver) Links() []link.Link {
	links := make([]link.Link, len(d.bases))
	for i, b := range d.bases {
		links[i] = b.link
	}
	return links
}

// resolveServers resolves the names of STUN servers. The agent queries each server as soon as its
// address is known.
func (d *Driver) resolveServers(now time.Time) {
	if d.closed {
		return
	}
	for _, s := range d.config.Servers {
		if _, err := netip.ParseAddr(s.Host); err == nil {
			continue
		}
		d.servers++
		d.resolve(s.Host, func(now time.Time, addrs []netip.Addr, err error) {
			if err != nil {
				d.log(slog.LevelWarn, "STUN server", "host", s.Host, "error", err)
			}
			for _, addr := range firstOfEachFamily(addrs) {
				if err := d.agent.AddSTUNServer(now, netip.AddrPortFrom(addr, s.Port)); err != nil {
					d.log(slog.LevelDebug, "STUN server", "addr", addr, "error", err)
				}
			}
			if d.servers--; d.servers == 0 && !d.opening {
				d.agent.SetLocalComplete(now)
			}
		})
	}
	if d.servers == 0 {
		d.agent.SetLocalComplete(now)
	}
}

// AddRemoteCandidate adds a candidate of the peer. A name in place of the address is resolved first
// (RFC 8839, section 5.1); the candidate is ignored if that fails or too many names are being
// resolved. The error is that of ice.Agent.AddRemoteCandidate.
func (d *Driver) AddRemoteCandidate(now time.Time, c ice.Candidate) error {
	if d.agent == nil {
		return fmt.Errorf("icenet: add remote candidate %v: %w", c, ice.ErrState)
	}
	if c.Host == "" {
		return d.agent.AddRemoteCandidate(now, c)
	}
	if d.resolving >= maxResolving {
		d.log(slog.LevelDebug, "remote candidate ignored: too many names", "host", c.Host)
		return nil
	}
	d.resolving++
	d.resolve(c.Host, func(now time.Time, addrs []netip.Addr, err error) {
		d.resolving--
		if err == nil && len(addrs) > 0 {
			err = d.agent.AddRemoteCandidate(now, c.WithAddr(firstOfEachFamily(addrs)[0]))
		}
		if err != nil {
			d.log(slog.LevelDebug, "remote candidate ignored", "host", c.Host, "error", err)
		}
	})
	return nil
}

// resolve resolves a name in a goroutine that ends with the driver, and then calls done with the
// mutex held.
func (d *Driver) resolve(host string, done func(now time.Time, addrs []netip.Addr, err error)) {
	if d.closed {
		return
	}
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(context.Background())
	}
	ctx, cancel := context.WithTimeout(d.ctx, resolveTimeout)
	d.tasks.Go(func() {
		defer cancel()
		addrs, err := d.config.Network.LookupNetIP(ctx, host)
		d.config.Lock()
		defer d.config.Unlock()
		if !d.closed {
			done(time.Now(), addrs, err)
		}
	})
}

// Event returns the next event of the agent. It has closed the link of an ice.EventBaseFreed.
func (d *Driver) Event() (ice.Event, bool) {
	if d.agent == nil {
		return ice.Event{}, false
	}
	e, ok := d.agent.Event()
	switch e.Kind {
	case ice.EventBaseFreed:
		d.closeLink(e.Base)
	case ice.EventSelectedPair:
		d.path = link.Path{}
		if l := d.link(e.Pair.Path.Base); l != nil {
			d.path = l.PathTo(e.Pair.Path.Remote)
		}
	case ice.EventPathLost:
		d.path = link.Path{}
	}
	return e, ok
}

// HasEvent reports whether Event would return one, at less cost.
func (d *Driver) HasEvent() bool { return d.agent != nil && d.agent.HasEvent() }

// Path returns the path for application data. It is nil while there is none; then the owner may
// send nothing but the packets of Transmit. The path changes with the events of the agent.
func (d *Driver) Path() *link.Path {
	if d.path.Link == nil {
		return nil
	}
	return &d.path
}

// Transmit adds the next packet of the agent to a batch and returns its size in bytes. It reports
// false if there is none.
func (d *Driver) Transmit(now time.Time, b *link.Batch) (size int, ok bool) {
	if len(d.bases) == 0 || d.agent.Idle(now) {
		return 0, false
	}
	// The link is known only afterwards. It is mostly the first one; otherwise Commit copies the
	// packet.
	at := link.Path{Link: d.bases[0].link}
	packet, path, ok := d.agent.Transmit(now, b.Reserve(&at, maxPacket))
	if !ok {
		return 0, false
	}
	if l := d.link(path.Base); l != nil {
		to := l.PathTo(path.Remote)
		b.Commit(&to, packet)
	}
	return len(packet), true
}

// Close closes the agent and its links, and cancels the resolution of names. The goroutines end,
// and the ports are free, soon after; Wait waits for that.
func (d *Driver) Close() {
	if d.ended() {
		return
	}
	d.closed = true
	d.agent.Close()
	if d.cancel != nil {
		d.cancel()
	}
	for _, b := range d.bases {
		_ = b.link.Close()
	}
	for _, l := range d.config.Links { // Gather has not taken them
		_ = l.Close()
	}
	d.config.Links = nil
	d.path = link.Path{}
}

// Wait waits, after Close, until all goroutines of the driver have ended and its sockets are
// closed. A socket on which datagrams are queued sends them first, for half a second at most. Wait
// is called without the mutex, and not from Receive.
func (d *Driver) Wait() { d.tasks.Wait() }

func (d *Driver) log(level slog.Level, message string, args ...any) {
	if d.config.Logger != nil {
		d.config.Logger.Log(context.Background(), level, message, args...)
	}
}
