//go:build !unix || aix

package udp

import "github.com/rtcstack/rtcstack/internal/link"

// directWriter does not exist on this system, which has no call that does not block.
type directWriter struct{}

func newDirectWriter(*Socket) (*directWriter, error) { return nil, nil }

func (*directWriter) send([]link.Datagram) (n int, err error) { return 0, nil }
