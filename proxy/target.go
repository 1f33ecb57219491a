package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/rtcstack/rtcstack/internal/authority"
)

// target is the address that the proxy is asked to connect to.
type target struct {
	name string     // a host name, in ASCII, if addr is not valid
	addr netip.Addr // an IP address without a zone
	port uint16
}

// parseTarget parses the arguments of [net.Dialer.DialContext], for TCP. It resolves names of
// services, but not host names.
func parseTarget(ctx context.Context, network, address string) (target, error) {
	invalid := func(err error) (target, error) {
		return target{}, fmt.Errorf("%w: %s %q: %w", ErrInvalidTarget, network, address, err)
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return invalid(net.UnknownNetworkError(network))
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return invalid(err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return invalid(err)
	}
	if port == 0 {
		return invalid(errors.New("port 0"))
	}
	t := target{port: uint16(port)}
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.Zone() != "":
			return invalid(errors.New("a zone names an interface of this host, not of the proxy"))
		case network == "tcp4" && !addr.Unmap().Is4(), network == "tcp6" && !addr.Is6():
			return invalid(errors.New("an address of the other family"))
		}
		t.addr = addr.Unmap()
		return t, nil
	}
	// Other characters could inject header fields into a request.
	if !authority.IsHostName(host) {
		return invalid(errors.New("not a host name"))
	}
	if !authority.IsASCII(host) {
		return invalid(errors.New("a host name outside of ASCII: give its A-labels (RFC 5890)"))
	}
	t.name = host
	return t, nil
}

// String returns host ":" port, with an IPv6 address in brackets: the authority form of a request
// target.
//
// RFC 9112, section 3.2.3.
func (t target) String() string {
	if t.addr.IsValid() {
		return netip.AddrPortFrom(t.addr, t.port).String()
	}
	return t.name + ":" + strconv.Itoa(int(t.port))
}
