package ice

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/icechars"
)

const (
	// maxCandidateLength bounds the text of one candidate, which comes from the peer. A line with
	// every field at its greatest and a dozen extensions is shorter than 1,000 bytes.
	maxCandidateLength = 2048
	// maxExtensions bounds the extension attributes of one candidate.
	maxExtensions = 32
	// maxForeignFoundationLength bounds the foundation of a parsed candidate. The grammar allows 32
	// characters (RFC 8839, section 5.1); some servers send more.
	maxForeignFoundationLength = 256
	// maxComponent is the greatest component ID: RFC 8445, section 5.1.2.1.
	maxComponent = 256
	// maxPriority is the greatest candidate priority, 2^31-1: RFC 8445, section 5.1.2.
	maxPriority = 1<<31 - 1
	// discardPort is the port of active TCP candidates, which accept no connections: RFC 6544,
	// section 4.5.
	discardPort = 9
	// maxHostLength is the greatest length of a domain name in text.
	maxHostLength = 253
)

// ErrUnsupportedCandidate is wrapped by the errors for well-formed candidates of a type or
// transport that this package does not know. The receiver of such a candidate ignores it: RFC 8839,
// section 5.1.
var ErrUnsupportedCandidate = errors.New("unsupported candidate")

// The reasons that a [CandidateError] wraps. ErrCandidateTransport and ErrCandidateType wrap
// ErrUnsupportedCandidate. The errors of [Agent.AddRemoteCandidate] may wrap ErrCandidateType too.
var (
	ErrCandidatePrefix     = errors.New(`does not begin with "candidate:"`)
	ErrCandidateTooLong    = errors.New("too long")
	ErrCandidateTruncated  = errors.New("fields missing")
	ErrCandidateFoundation = errors.New("bad foundation")
	ErrCandidateComponent  = errors.New("component out of range")
	ErrCandidateTransport  = fmt.Errorf("%w: transport is neither udp nor tcp", ErrUnsupportedCandidate)
	ErrCandidatePriority   = errors.New("priority out of range")
	ErrCandidateAddress    = errors.New("not an address or host name")
	ErrCandidatePort       = errors.New("port out of range")
	ErrCandidateType       = fmt.Errorf("%w: unknown candidate type", ErrUnsupportedCandidate)
	ErrCandidateRelated    = errors.New("bad related address")
	ErrCandidateTCPType    = errors.New("bad tcptype")
	ErrCandidateExtension  = errors.New("bad extension attribute")
)

// CandidateError is the error of [ParseCandidate].
type CandidateError struct {
	// Text is the rejected text, cut to its first 128 bytes.
	Text string
	// Err is one of the ErrCandidate values.
	Err error
}

func (e *CandidateError) Error() string {
	return fmt.Sprintf("ice: parse candidate %q: %v", e.Text, e.Err)
}

// Unwrap returns the reason.
func (e *CandidateError) Unwrap() error { return e.Err }

// ParseCandidate parses a candidate line of SDP, with or without its "a=", such as
//
//	candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host
//
// (RFC 8839, section 5.1). It ignores white space at both ends. A host name in place of the address
// is stored in Host. The error is a *[CandidateError]. It wraps [ErrUnsupportedCandidate] for
// candidates of an unknown type or transport, which the caller should ignore.
//
// Beyond the grammar, ParseCandidate accepts these deviations, which occur in practice:
//
//   - a foundation that is missing, has up to 256 characters, or has '=', '_', '-' or '#' in it
//   - a priority of up to 32 bits
//   - an IPv6 address in brackets, or with a zone, which is removed
//   - a TCP candidate without tcptype: it is active if its port is 9, and passive otherwise
//   - a UDP candidate with tcptype, which is removed
//   - a related address that is not an address
func ParseCandidate(s string) (Candidate, error) {
	c, err := parseCandidate(s)
	if err != nil {
		if len(s) > 128 {
			s = s[:128]
		}
		return Candidate{}, &CandidateError{Text: s, Err: err}
	}
	return c, nil
}

func parseCandidate(s string) (c Candidate, err error) {
	if len(s) > maxCandidateLength {
		return c, ErrCandidateTooLong
	}
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "a=")
	s, ok := strings.CutPrefix(s, "candidate:")
	if !ok {
		return c, ErrCandidatePrefix
	}
	f := fields{rest: s}
	if !f.lacksFoundation() {
		c.Foundation = f.next()
		if !icechars.Accepted(c.Foundation, 1, maxForeignFoundationLength) {
			return c, ErrCandidateFoundation
		}
	}
	component, err := strconv.ParseUint(f.next(), 10, 16)
	if err != nil || component < 1 || component > maxComponent {
		return c, ErrCandidateComponent
	}
	c.Component = uint16(component)
	// An unsupported candidate must be well-formed otherwise, so that parsing continues.
	var unsupported error
	switch transport := f.next(); {
	case strings.EqualFold(transport, "udp"):
		c.Transport = TransportUDP
	case strings.EqualFold(transport, "tcp"):
		c.Transport = TransportTCP
	case transport == "":
		return c, ErrCandidateTruncated
	default:
		unsupported = ErrCandidateTransport
	}
	priority, err := strconv.ParseUint(f.next(), 10, 32)
	if err != nil || priority < 1 {
		return c, ErrCandidatePriority
	}
	c.Priority = uint32(priority)
	if err := c.parseAddress(&f); err != nil {
		return c, err
	}
	if f.next() != "typ" {
		return c, ErrCandidateTruncated
	}
	switch f.next() {
	case "host":
		c.Type = CandidateTypeHost
	case "srflx":
		c.Type = CandidateTypeServerReflexive
	case "prflx":
		c.Type = CandidateTypePeerReflexive
	case "relay":
		c.Type = CandidateTypeRelayed
	case "":
		return c, ErrCandidateTruncated
	default:
		if unsupported == nil {
			unsupported = ErrCandidateType
		}
	}
	if err := c.parseAttributes(&f); err != nil {
		return c, err
	}
	return c, unsupported
}

// parseAddress parses the connection address and the port.
func (c *Candidate) parseAddress(f *fields) error {
	host, port := f.next(), f.next()
	if host == "" || port == "" {
		return ErrCandidateTruncated
	}
	portNumber, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ErrCandidatePort
	}
	if addr, ok := parseAddr(host); ok {
		c.Addr = netip.AddrPortFrom(addr, uint16(portNumber))
	} else if isHostName(host) {
		c.Host, c.HostPort = host, uint16(portNumber)
	} else {
		return ErrCandidateAddress
	}
	return nil
}

// parseAttributes parses the fields after the type: raddr, rport, tcptype and extensions. The
// grammar puts raddr and rport first, but some implementations do not; any order is accepted.
func (c *Candidate) parseAttributes(f *fields) error {
	var relatedAddr netip.Addr
	var relatedPort uint64
	for {
		key := f.next()
		if key == "" {
			break
		}
		value := f.next()
		switch key {
		case "raddr":
			// The related address is for diagnosis only. A name, a withheld address and a malformed
			// one are removed.
			relatedAddr, _ = parseAddr(value)
			if value == "" || !icechars.Visible(value) {
				return ErrCandidateRelated
			}
		case "rport":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return ErrCandidateRelated
			}
			relatedPort = port
		case "tcptype":
			switch value {
			case "active":
				c.TCPType = TCPTypeActive
			case "passive":
				c.TCPType = TCPTypePassive
			case "so":
				c.TCPType = TCPTypeSimultaneousOpen
			default:
				return ErrCandidateTCPType
			}
		default:
			if len(c.Extensions) == maxExtensions || !icechars.Visible(key) || !icechars.Visible(value) {
				return ErrCandidateExtension
			}
			c.Extensions = append(c.Extensions, Extension{Key: key, Value: value})
		}
	}
	if relatedAddr.IsValid() {
		c.Related = netip.AddrPortFrom(relatedAddr, uint16(relatedPort))
	}
	c.completeTCPType()
	return nil
}

// completeTCPType sets the TCP type, which every TCP candidate must have and no other: RFC 6544,
// section 4.5. Endpoints older than RFC 6544 send none.
func (c *Candidate) completeTCPType() {
	port := c.Addr.Port()
	if c.Host != "" {
		port = c.HostPort
	}
	switch {
	case c.Transport != TransportTCP:
		c.TCPType = 0
	case c.TCPType != 0:
	case port == discardPort:
		c.TCPType = TCPTypeActive
	default:
		c.TCPType = TCPTypePassive
	}
}

// String returns the candidate line without "a=": "candidate:1 1 udp …". [ParseCandidate] reads it.
func (c Candidate) String() string { return string(c.Append(nil)) }

// Append appends the text of String to dst.
func (c Candidate) Append(dst []byte) []byte {
	dst = append(dst, "candidate:"...)
	dst = append(dst, c.Foundation...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(c.Component), 10)
	dst = append(dst, ' ')
	dst = append(dst, c.Transport.String()...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(c.Priority), 10)
	dst = append(dst, ' ')
	port := c.Addr.Port()
	if c.Host != "" {
		dst = append(dst, c.Host...)
		port = c.HostPort
	} else {
		dst = appendAddr(dst, c.Addr.Addr())
	}
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(port), 10)
	dst = append(dst, " typ "...)
	dst = append(dst, c.Type.String()...)
	if c.Related.Addr().IsValid() {
		dst = append(dst, " raddr "...)
		dst = appendAddr(dst, c.Related.Addr())
		dst = append(dst, " rport "...)
		dst = strconv.AppendUint(dst, uint64(c.Related.Port()), 10)
	}
	if c.TCPType != 0 {
		dst = append(dst, " tcptype "...)
		dst = append(dst, c.TCPType.String()...)
	}
	for _, x := range c.Extensions {
		dst = append(dst, ' ')
		dst = append(dst, x.Key...)
		if x.Value != "" {
			dst = append(dst, ' ')
			dst = append(dst, x.Value...)
		}
	}
	return dst
}

// appendAddr appends an address without its zone, which has a meaning on this host only.
func appendAddr(dst []byte, addr netip.Addr) []byte {
	return addr.WithZone("").AppendTo(dst)
}

// parseAddr parses an IP address and removes its zone. IPv4-mapped IPv6 becomes IPv4, as on the
// wire. An IPv6 address may be in brackets.
func parseAddr(s string) (netip.Addr, bool) {
	inner, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		var ok bool
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(inner)
	if err != nil || bracketed && !addr.Is6() || !icechars.Visible(addr.Zone()) {
		return netip.Addr{}, false
	}
	return addr.WithZone("").Unmap(), true
}

// fields splits a text at runs of spaces.
type fields struct{ rest string }

// next returns the next field, or "" at the end.
func (f *fields) next() string {
	f.rest = strings.TrimLeft(f.rest, " ")
	field, rest, _ := strings.Cut(f.rest, " ")
	f.rest = rest
	return field
}

// lacksFoundation reports whether the foundation is missing: the text begins with a space, and its
// second field is not a number, as the component would be.
func (f *fields) lacksFoundation() bool {
	if !strings.HasPrefix(f.rest, " ") {
		return false
	}
	ahead := *f
	ahead.next()
	_, err := strconv.ParseUint(ahead.next(), 10, 16)
	return err != nil
}

// isHostName reports whether s can be a domain name. A name whose last label is numeric is a
// malformed IPv4 address.
func isHostName(s string) bool {
	if len(s) == 0 || len(s) > maxHostLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetterOrDigit(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.ContainsFunc(last, func(r rune) bool { return r < '0' || r > '9' })
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
