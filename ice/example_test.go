package ice_test

import (
	"fmt"

	"github.com/rtcstack/rtcstack/ice"
)

func ExampleParseCandidate() {
	c, err := ice.ParseCandidate("a=candidate:842163049 1 udp 1677729535 203.0.113.7 61764 typ srflx raddr 192.168.1.2 rport 61764 generation 0")
	fmt.Println(c.Type, c.Addr, "from", c.Related, err)
	_, err = ice.ParseCandidate("candidate:1 1 udp 2122260223 192.0.2.1 65536 typ host")
	fmt.Println(err)
	// Output:
	// srflx 203.0.113.7:61764 from 192.168.1.2:61764 <nil>
	// ice: parse candidate "candidate:1 1 udp 2122260223 192.0.2.1 65536 typ host": port out of range
}
