package dtlsconn

// lastFlight repeats the server's last flight: ChangeCipherSpec and Finished.
//
// RFC 6347, section 4.2.4: while the client has not received the last flight it retransmits its
// own, and the server must answer with its last flight.
//
// The answer is triggered by the Finished in the client's flight, which is authentic and not a
// replay, so that only the peer can cause it. The plaintext records of the client's flight are
// ignored. The repeated Finished is encrypted again with the next sequence number: RFC 6347,
// section 4.1, requires a new number for a retransmission.
type lastFlight struct {
	finished []byte // plaintext of the handshake message; nil in a client
	next     uint64 // the next sequence number of epochHandshake
}

// init decrypts the Finished that pion/dtls has sealed, with an opener for the server's own
// direction.
func (f *lastFlight) init(own *opener, sealed []byte, next uint64) {
	f.next = next
	r, _, ok := nextRecord(sealed)
	if !ok {
		return
	}
	if plaintext, verdict := own.open(r); verdict == opened {
		f.finished = plaintext
	}
}

// append appends the datagram to dst. It reports false if there is none to repeat.
func (f *lastFlight) append(dst []byte, tx *sealer) ([]byte, bool) {
	if f.finished == nil || f.next > maxSequence {
		return dst, false
	}
	dst = appendRecordHeader(dst, contentChangeCipherSpec, epochHandshake, f.next, 1)
	dst = append(dst, 1)
	f.next++
	dst, err := tx.seal(dst, contentHandshake, f.finished)
	return dst, err == nil
}

// isFinished reports whether a handshake message of epochApplication is a Finished.
func isFinished(message []byte) bool { return len(message) > 0 && message[0] == handshakeFinished }
