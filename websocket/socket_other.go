//go:build !unix

package websocket

// socket is not used on this system: the Conn calls the stream.
type socket struct{}

func (s *socket) init(*Conn)                         {}
func (s *socket) usable() bool                       { return false }
func (s *socket) read() (int, error)                 { panic("unreachable") }
func (s *socket) tryWrite([]byte) (n int, err error) { panic("unreachable") }
