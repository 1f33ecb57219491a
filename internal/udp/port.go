package udp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// ListenPort binds a socket to an address and any free port of the range from first to last, both included. The search starts at a random one, so
// that ports are not reused at once. first 0 leaves the choice to the system. If all are taken, the error wraps the system's.
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
