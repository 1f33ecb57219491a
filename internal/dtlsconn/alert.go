package dtlsconn

import (
	"fmt"

	"github.com/pion/dtls/v3/pkg/protocol/alert"
)

// Alert levels, and the description of close_notify (RFC 5246, section 7.2).
const (
	alertWarning     = 1
	alertFatal       = 2
	alertCloseNotify = 0
)

// AlertError is a fatal alert by which the peer ended the association.
type AlertError struct {
	// Description is the alert's number (RFC 5246, section 7.2.2), for example 42 for
	// bad_certificate.
	Description uint8
}

// Error implements error.
func (e *AlertError) Error() string {
	return fmt.Sprintf("dtls: the peer sent the fatal alert %d (%s)", e.Description, alert.Description(e.Description))
}
