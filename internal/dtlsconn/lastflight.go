package dtlsconn

// lastFlight repeats the server's ChangeCipherSpec and Finished. The client, which knows that the handshake is over
// only from them, retransmits its own last flight while they are lost, and the server must answer.
// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.2.4
//
// The trigger is the Finished in the client's flight: it is authentic and passes the replay filter, so nobody else
// can make us send, and the rest of the flight, in plaintext, can be ignored. The repeated Finished is sealed anew
// with a number of the sealer, as RFC 6347 wants for a retransmission anyway.
type lastFlight struct {
	finished []byte // plaintext handshake message; nil in a client, whose last flight is not the last
	next     uint64 // next sequence number of epochHandshake
}

// init recovers the plaintext of the Finished that pion/dtls sealed, with an opener for our own direction.
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

// append appends the datagram to dst, or reports false when there is nothing to repeat.
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
