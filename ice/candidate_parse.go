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
	// maxCandidateLength bounds the text of one candidate. A line with every field at its greatest and a dozen
	// extensions stays under 1,000 bytes; the text comes from the peer.
	maxCandidateLength = 2048
	// maxExtensions bounds the extension attributes kept of one candidate.
	maxExtensions = 32
	// maxForeignFoundationLength bounds the foundation of a parsed candidate. The grammar has 1*32ice-char
	// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1); some servers send longer names.
	maxForeignFoundationLength = 256
	// maxComponent is the greatest component identifier
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.2.1).
	maxComponent = 256
	// maxPriority is 2^31-1, the greatest candidate priority
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.2).
	maxPriority = 1<<31 - 1
	// discardPort is the port of active TCP candidates, which nobody connects to
	// (https://www.rfc-editor.org/rfc/rfc6544.html#section-4.5).
	discardPort = 9
	// maxHostLength is the greatest length of a domain name in text.
	maxHostLength = 253
)

// ErrUnsupportedCandidate is wrapped by the errors for candidates that are well-formed and of a type or transport that this
// package does not know. "Implementations MUST ignore" them
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1): the peer has sent them for others.
var ErrUnsupportedCandidate = errors.New("unsupported candidate")

// The reasons that a *CandidateError wraps. ErrCandidateTransport and ErrCandidateType wrap ErrUnsupportedCandidate.
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

// CandidateError says why a candidate's text was refused.
type CandidateError struct {
	// Text is the refused text, cut to its first 128 bytes.
	Text string
	// Err is one of the ErrCandidate values.
	Err error
}

func (e *CandidateError) Error() string {
	return "ice: parse candidate " + strconv.Quote(e.Text) + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *CandidateError) Unwrap() error { return e.Err }

// ParseCandidate parses a candidate line of SDP, with or without its "a=": "candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host"
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-5.1). White space at the ends and a line break at the end
// are ignored. A host name in the place of the address is kept in Host. The error is a *CandidateError.
//
// Candidates of an unknown type or transport are errors that wrap ErrUnsupportedCandidate, for the caller to ignore.
//
// Beyond the grammar, ParseCandidate accepts what endpoints are known to send: no foundation, or one of up to 256
// characters with '=', '_', '-' or '#' among them; priorities of up to 32 bits; IPv6 addresses in brackets or with a zone,
// which says nothing outside the peer and is dropped; a TCP candidate without tcptype, which is active if its port is 9 and
// otherwise passive; an UDP candidate with tcptype, which is dropped; a related address that is none.
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
	// An unsupported candidate is one that is otherwise well-formed, so the reading goes on.
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

// parseAttributes parses what follows the type: raddr, rport, tcptype and extensions. The grammar puts raddr and rport
// first; some implementations do not, so any order is accepted.
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
			// The related address is for diagnosis only. A name, an address withheld or a misspelt one is dropped.
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

// completeTCPType sets the TCP type that https://www.rfc-editor.org/rfc/rfc6544.html#section-4.5 demands of every TCP
// candidate and of no other. Endpoints that are older than it send none.
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

// String returns the candidate as "candidate:1 1 udp …", without "a=". ParseCandidate reads it back.
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

// appendAddr appends an address as SDP wants it. A zone is local to this host and of no use to the peer.
func appendAddr(dst []byte, addr netip.Addr) []byte {
	return addr.WithZone("").AppendTo(dst)
}

// parseAddr parses an IP address, of which the zone is dropped; IPv4-mapped IPv6 becomes IPv4, which it is on the wire. IPv6 may
// stand in brackets.
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

// fields cuts a text at runs of spaces.
type fields struct{ rest string }

// next returns the next field, or "" at the end.
func (f *fields) next() string {
	f.rest = strings.TrimLeft(f.rest, " ")
	field, rest, _ := strings.Cut(f.rest, " ")
	f.rest = rest
	return field
}

// lacksFoundation reports whether the first field is missing: the text begins with a space, and the component, which is a number, is
// not its second field.
func (f *fields) lacksFoundation() bool {
	if !strings.HasPrefix(f.rest, " ") {
		return false
	}
	ahead := *f
	ahead.next()
	_, err := strconv.ParseUint(ahead.next(), 10, 16)
	return err != nil
}

// isHostName reports whether s can be a domain name. All-numeric last labels are misspelt IPv4 addresses.
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
