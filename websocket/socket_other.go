//go:build !unix

package websocket

// socket is for system calls that do not block; here, the stream does it all.
type socket struct{}

func (s *socket) init(*Conn)                         {}
func (s *socket) usable() bool                       { return false }
func (s *socket) read() (int, error)                 { panic("unreachable") }
func (s *socket) tryWrite([]byte) (n int, err error) { panic("unreachable") }
