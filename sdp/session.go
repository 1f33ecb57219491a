package sdp

// A Session is a session description as RFC 8866 defines it, uninterpreted.
//
// The zero value is a valid description of nothing: Append adds the lines that the grammar requires
// ("o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0").
type Session struct {
	Origin      Origin      // o=
	Name        string      // s=; empty is written "-"
	Information string      // i=
	URI         string      // u=
	Emails      []string    // e=
	Phones      []string    // p=
	Connection  Connection  // c=; the zero value for none
	Bandwidths  []Bandwidth // b=
	Times       []Time      // t=, r= and z=; none is written as t=0 0
	Attributes  Attributes  // a=
	Others      []Line      // lines of the session part without a field
	Media       []Media     // m= and the lines of its section
}

// An Origin identifies the writer and the version of a description (RFC 8866, section 5.2). Empty
// fields are written as in "- 0 0 IN IP4 0.0.0.0".
type Origin struct {
	Username       string // "-" for none
	SessionID      string // decimal digits; some peers send other words (hexadecimal, a UUID)
	SessionVersion string // as SessionID
	NetworkType    string // "IN"
	AddressType    string // "IP4" or "IP6"
	Address        string // an address or a host name
	// Raw is the value of a line that does not have the six fields, verbatim. If it is not empty,
	// it is written instead of them, and they have the values that were recognized in it.
	Raw string
}

// A Connection is the address to send to (RFC 8866, section 5.7).
type Connection struct {
	NetworkType string // "IN"
	AddressType string // "IP4" or "IP6"
	Address     string // an address or a host name; of multicast with "/TTL/number of addresses"
	// Raw is the value of a line that does not have the three fields, verbatim. If it is not empty,
	// it is written instead of them, and they have the values that were recognized in it.
	Raw string
}

// A Line is a line that is not of the grammar of RFC 8866: the y= and f= lines of GB/T 28181, a c=
// line without a value, and a second c= line of the session part. Append writes it at the end of
// its section.
type Line struct {
	Type  byte   // the letter
	Value string // the text behind '=', verbatim
}

// A Bandwidth is a proposed limit of the bandwidth (RFC 8866, section 5.8).
type Bandwidth struct {
	Type  string // "AS", "CT", "TIAS", …
	Value uint64 // kilobit/s for AS and CT, bit/s for TIAS
}

// A Time is a t= line with the r= and z= lines that follow it (RFC 8866, sections 5.9 to 5.11).
type Time struct {
	Start, Stop uint64   // seconds since 1900; 0: unbounded
	Repeats     []string // the r= lines, verbatim
	Zones       string   // the z= line, verbatim
	// Raw is the value of a t= line that is not two numbers ("now-"), verbatim. If it is not empty,
	// it is written instead of Start and Stop.
	Raw string
}

// A Media is a media section: an m= line and the lines that belong to it (RFC 8866, section 5.14).
type Media struct {
	Kind        string       // "audio", "video", "application", …
	Port        uint16       // 0 for a rejected or bundle-only section
	PortCount   uint16       // of "port/count"; 0 where there is no count
	Protocol    string       // "UDP/TLS/RTP/SAVPF", …
	Formats     []string     // at least one; some peers send none
	Title       string       // i=
	Connections []Connection // c=
	Bandwidths  []Bandwidth  // b=
	Attributes  Attributes   // a=
	Others      []Line       // lines without a field
}
