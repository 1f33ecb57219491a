package icenet

import (
	"cmp"
	"context"
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
	// maxResolving bounds the names that a peer can make us resolve at the same time.
	maxResolving = 16
	// maxPacket is the room for a packet of the agent.
	maxPacket = 700
)

// Server is a STUN server.
type Server struct {
	Host string // a name or an address
	Port uint16
}

// DriverConfig says what a Driver drives, for whom, and over what.
type DriverConfig struct {
	Servers []Server

	// Lock and Unlock are the owner's mutex, under which all methods of the Driver but Wait are called. When the driver takes it, it
	// has something to tell the agent: Unlock does what follows every input, that is to take events, to transmit, and to set a timer.
	Lock, Unlock func()
	// Receive handles what has arrived on a base. It is called by the reader of the base, without the mutex. The packets are
	// valid during the call.
	Receive func(base ice.BaseID, in *link.Inbound)

	// Bind, if valid, is the only address to use; 0.0.0.0 and :: stand for all of their family.
	Bind netip.Addr
	// FallBackToLoopback uses loopback addresses if the host has no others.
	FallBackToLoopback bool
	// PortFirst and PortLast, if PortFirst is not zero, are the range of ports to choose from.
	PortFirst, PortLast uint16

	Network Network // nil: that of the host
	// Links are used instead of opening any, if there are some.
	Links  []link.Link
	Logger *slog.Logger // nil: silent
}

// Driver runs an agent over a network. It is made by NewDriver, and for use under its owner's mutex.
//
// The owner calls, after each input, Event and Transmit until they return false, and sets a timer to the agent's Deadline. STUN packets
// that Receive is called with are for Agent().Receive. It calls the other methods of the agent itself, but for AddLocal, RemoveLocal,
// SetLocalComplete, AddRemoteCandidate, Event, Transmit and Close, in whose place the driver's methods are.
type Driver struct {
	config DriverConfig
	agent  *ice.Agent
	bases  []base
	path   link.Path // of the selected pair; the zero value if there is none

	opening   bool // a goroutine opens links
	again     bool // … and is to look again
	servers   int  // names of STUN servers being resolved
	resolving int  // names of remote candidates being resolved

	lastError error // of opening a link

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	closed bool
}

// base is a link and its identity in the agent.
type base struct {
	id    ice.BaseID
	link  link.Link
	addr  netip.AddrPort // that it is signalled with
	given bool           // by the owner
}

// NewDriver makes a driver and its agent. No goroutine runs, and no socket is opened, before Gather. The error is that of ice.NewAgent.
func NewDriver(agentConfig ice.Config, config DriverConfig) (*Driver, error) {
	for _, s := range config.Servers {
		if addr, err := netip.ParseAddr(s.Host); err == nil {
			agentConfig.STUNServers = append(slices.Clip(agentConfig.STUNServers), netip.AddrPortFrom(addr, s.Port))
		}
	}
	agent, err := ice.NewAgent(agentConfig)
	if err != nil {
		return nil, err
	}
	if config.Network == nil {
		config.Network = hostNetwork{}
	}
	return &Driver{config: config, agent: agent}, nil
}

// Agent returns the agent.
func (d *Driver) Agent() *ice.Agent { return d.agent }

// Gather looks at the addresses of the host as they are now, and gathers candidates: it opens links on new addresses, gives up those
// whose address is gone and that are not in use, asks the STUN servers, and then tells the agent that its bases are complete.
// It may be called at any time, and is after each Restart of the agent.
func (d *Driver) Gather() {
	if d.closed {
		return
	}
	if d.opening {
		d.again = true
		return
	}
	d.opening = true
	d.tasks.Go(d.open)
}

// openNow is Gather for an owner that waits for the sockets. It is called without the mutex, once, and returns an error if there is none.
func (d *Driver) openNow() error {
	d.config.Lock()
	d.opening = true
	d.config.Unlock()
	d.open()
	d.config.Lock()
	defer d.config.Unlock()
	if len(d.bases) == 0 {
		return cmp.Or(d.lastError, ice.ErrAddress)
	}
	return nil
}

// open is the goroutine that opens links, none of which is done under the mutex.
func (d *Driver) open() {
	for again := true; again; {
		var opened []base
		for _, l := range d.config.Links {
			opened = append(opened, base{link: l, addr: d.hostAddr(l), given: true})
		}
		if d.config.Links = nil; opened == nil {
			opened = d.openMissing()
		}
		d.config.Lock()
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

// openMissing opens a link on each address of the host that has none.
func (d *Driver) openMissing() (opened []base) {
	addrs, err := d.config.Network.Addresses(d.config.Bind, d.config.FallBackToLoopback)
	if err != nil {
		d.log(slog.LevelError, "cannot list the addresses of this host", "error", err)
	}
	d.config.Lock()
	if err == nil && !d.closed {
		d.removeGone(time.Now(), addrs)
	}
	given := false
	for _, b := range d.bases {
		given = given || b.given
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return b.addr.Addr() == a })
	}
	d.config.Unlock()
	if given {
		return nil
	}
	for _, addr := range addrs {
		l, err := d.config.Network.Listen(addr, d.config.PortFirst, d.config.PortLast)
		if err != nil {
			d.log(slog.LevelWarn, "cannot use a local address", "addr", addr, "error", err)
			d.lastError = err // read by openNow only
			continue
		}
		opened = append(opened, base{link: l, addr: l.LocalAddr()})
	}
	return opened
}

// removeGone gives up the links whose addresses the host has no more, but for the one in use: consent will tell whether it still works.
func (d *Driver) removeGone(now time.Time, addrs []netip.Addr) {
	for _, b := range slices.Clone(d.bases) {
		if !b.given && d.path.Link != b.link && !slices.Contains(addrs, b.addr.Addr()) {
			d.remove(now, b.id)
		}
	}
}

// add makes a base of a link, and starts its reader.
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

// hostAddr returns the address that a link is signalled with. One that is bound to all addresses is signalled with the first of them.
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

// readerEnded removes a base on which nothing will arrive any more.
func (d *Driver) readerEnded(id ice.BaseID, err error) {
	d.config.Lock()
	defer d.config.Unlock()
	if !d.closed {
		d.log(slog.LevelWarn, "a socket has failed", "error", err)
		d.remove(time.Now(), id)
	}
}

// remove takes a base from the agent and closes its link.
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

// Links returns the links that are open, in the order in which they were opened.
func (d *Driver) Links() []link.Link {
	links := make([]link.Link, len(d.bases))
	for i, b := range d.bases {
		links[i] = b.link
	}
	return links
}

// resolveServers resolves the names of STUN servers; the agent asks each as soon as its address is known.
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

// AddRemoteCandidate adds a candidate of the peer. One with a name in the place of its address is resolved first
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1), and ignored if that fails. The error is that of the agent.
func (d *Driver) AddRemoteCandidate(now time.Time, c ice.Candidate) error {
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

// resolve looks a name up in a goroutine of its own, which ends when the driver does, and then calls done under the mutex.
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

// Event returns the next event of the agent. EventBaseFreed has been handled: its link is closed.
func (d *Driver) Event() (ice.Event, bool) {
	e, ok := d.agent.Event()
	switch e := e.(type) {
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

// Path returns the path that application data takes, and nil while there is none: then nothing may be sent. It changes with the events
// of the agent.
func (d *Driver) Path() *link.Path {
	if d.path.Link == nil {
		return nil
	}
	return &d.path
}

// Transmit adds the next packet of the agent to a batch, and returns its size in bytes. ok is false if there is none.
func (d *Driver) Transmit(now time.Time, b *link.Batch) (size int, ok bool) {
	if len(d.bases) == 0 {
		return 0, false
	}
	// Which link it is for is known only afterwards. Mostly it is the first; if not, Commit copies the packet.
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

// Close closes the agent and its links, and ends what is under way. Its goroutines end soon; Wait waits for them.
func (d *Driver) Close() {
	if d.closed {
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
	d.path = link.Path{}
}

// Wait waits until no goroutine of the driver runs any more, after Close. It is called without the mutex, and not from Receive.
func (d *Driver) Wait() { d.tasks.Wait() }

func (d *Driver) log(level slog.Level, message string, args ...any) {
	if d.config.Logger != nil {
		d.config.Logger.Log(context.Background(), level, message, args...)
	}
}
