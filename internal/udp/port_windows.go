package udp

import "golang.org/x/sys/windows"

// portTaken are the errors of a bind that may succeed with another port. WSAEACCES is that of a
// port in an excluded range.
var portTaken = []error{windows.WSAEADDRINUSE, windows.WSAEACCES}
