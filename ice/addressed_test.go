package ice

import (
	"net/netip"
	"time"
)

// addressed is an agent whose bases are named by their addresses, as in the simulated network and
// in the scripts.
type addressed struct{ *Agent }

// at returns the identity of the base with the address, or zero.
func (a addressed) at(local netip.AddrPort) BaseID {
	for _, b := range a.bases {
		if b.addr == canonical(local) {
			return b.id
		}
	}
	return 0
}

func (a addressed) path(local, remote netip.AddrPort) Path { return Path{a.at(local), remote} }

func (a addressed) AddLocal(now time.Time, addr netip.AddrPort) error {
	_, err := a.Agent.AddLocal(now, Local{Addr: addr})
	return err
}

func (a addressed) HasLocal(local netip.AddrPort) bool { return a.Agent.HasLocal(a.at(local)) }

func (a addressed) Receive(now time.Time, local, remote netip.AddrPort, packet []byte) {
	a.Agent.Receive(now, a.path(local, remote), packet)
}

func (a addressed) Permits(local, remote netip.AddrPort) bool {
	return a.Agent.Permits(a.path(local, remote))
}

func (a addressed) ReceivedData(now time.Time, local, remote netip.AddrPort) {
	a.Agent.ReceivedData(now, a.path(local, remote))
}

func (a addressed) Transmit(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	packet, path, ok := a.Agent.Transmit(now, dst)
	if b := a.base(path.Base); b != nil {
		local = b.addr
	}
	return packet, local, path.Remote, ok
}
