//go:build !windows

package udp

import "syscall"

// portTaken are the errors of a bind that may succeed with another port. EACCES is that of a
// privileged port.
var portTaken = []error{syscall.EADDRINUSE, syscall.EACCES}
