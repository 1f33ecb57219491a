package udp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// ListenPort binds a socket to an address and a free port from first to last, both included, or any
// port if first is 0. The search starts at a random port, so that ports are not reused immediately.
// If all ports are taken, the error wraps that of the system.
func ListenPort(addr netip.Addr, first, last uint16, options Options) (*Socket, error) {
	if first == 0 {
		return Listen(netip.AddrPortFrom(addr, 0), options)
	}
	if last < first {
		return nil, fmt.Errorf("udp: port range %d to %d is empty", first, last)
	}
	count := int(last) - int(first) + 1
	start := rand.IntN(count)
	for i := 0; ; i++ {
		port := first + uint16((start+i)%count)
		s, err := Listen(netip.AddrPortFrom(addr, port), options)
		if err == nil {
			return s, nil
		}
		if !slices.ContainsFunc(portTaken, func(taken error) bool { return errors.Is(err, taken) }) {
			return nil, err
		}
		if i == count-1 {
			return nil, fmt.Errorf("udp: no free port from %d to %d: %w", first, last, err)
		}
	}
}
