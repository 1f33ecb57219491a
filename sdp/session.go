package sdp

// A Session is a session description as RFC 8866 defines it, uninterpreted.
//
// The zero value is a valid description of nothing: Append fills in what the grammar demands ("o=-
// 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0").
type Session struct {
	Origin      Origin      // o=
	Name        string      // s=; "-" where there is no meaningful name
	Information string      // i=
	URI         string      // u=
	Emails      []string    // e=
	Phones      []string    // p=
	Connection  Connection  // c=; the zero value for none
	Bandwidths  []Bandwidth // b=
	Times       []Time      // t=, r= and z=; none is written as t=0 0
	Attributes  Attributes  // a=
	Others      []Line      // lines of the session part that have no place above
	Media       []Media     // m= and what follows
}

// An Origin says who made the description (RFC 8866, section 5.2). Empty fields are written as in
// "- 0 0 IN IP4 0.0.0.0".
type Origin struct {
	Username       string // "-" for none
	SessionID      string // decimal digits, of any length; some peers send other words (hexadecimal, negative, a UUID)
	SessionVersion string // as SessionID
	NetworkType    string // "IN"
	AddressType    string // "IP4" or "IP6"
	Address        string // an address or a host name
	// Raw is the value of a line that does not have the six fields, verbatim. If it is not empty,
	// it is written in their place, and they hold what could be found in it.
	Raw string
}

// A Connection is where to send to (RFC 8866, section 5.7).
type Connection struct {
	NetworkType string // "IN"
	AddressType string // "IP4" or "IP6"
	Address     string // an address, with the TTL and number of addresses of multicast ("224.2.36.42/127/3"), or a host name
	// Raw is the value of a line that does not have the three fields, verbatim. If it is not empty,
	// it is written in their place, and they hold what could be found in it.
	Raw string
}

// A Line is a line that RFC 8866 does not have, or not in that place: the y= and f= of GB/T 28181,
// a c= without a value, and a second c= of the session part. Such lines are written at the end of
// their section.
type Line struct {
	Type  byte   // the letter
	Value string // what follows the '=', verbatim
}

// A Bandwidth is a proposed limit (RFC 8866, section 5.8).
type Bandwidth struct {
	Type  string // "AS", "CT", "TIAS", …
	Value uint64 // kilobit/s for AS and CT, bit/s for TIAS
}

// A Time is a t= line with the r= and z= lines that follow it (RFC 8866, sections 5.9 to 5.11).
type Time struct {
	Start, Stop uint64   // seconds since 1900; 0 for unbounded
	Repeats     []string // the r= lines, verbatim
	Zones       string   // the z= line, verbatim
	// Raw is the value of a t= line that is not two numbers ("now-"), verbatim. If it is not empty,
	// it is written in the place of Start and Stop.
	Raw string
}

// A Media is a media section: an m= line and the lines that follow it (RFC 8866, section 5.14).
type Media struct {
	Kind        string       // "audio", "video", "application", …
	Port        uint16       // 0 for a section that is refused, or bundled (RFC 9143)
	PortCount   uint16       // of "port/count"; 0 where there is no count
	Protocol    string       // "UDP/TLS/RTP/SAVPF", …
	Formats     []string     // at least one, which some peers do not know
	Title       string       // i=
	Connections []Connection // c=
	Bandwidths  []Bandwidth  // b=
	Attributes  Attributes   // a=
	Others      []Line       // lines that have no place above
}
