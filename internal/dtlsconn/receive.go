package dtlsconn

// Receive processes a datagram from the network. The bytes are borrowed for the call and may be
// overwritten: records are decrypted in place. Receive calls data, or Config.Data if data is nil,
// with the plaintext of each record of application data, borrowed for that call. Before the end of
// the handshake, and without a fast path, Config.Data is called later instead. The caller calls
// Transmit afterwards.
//
// RFC 6347, section 4.1.2.7: invalid records should be discarded without a reaction. Those that are
// malformed, replayed, of another epoch or not authentic are counted and dropped; none ends the
// association.
func (c *Conn) Receive(datagram []byte, data func(plaintext []byte)) {
	if rx := c.rx.Load(); rx != nil {
		c.receiveFast(rx, datagram, data)
		return
	}
	c.mu.Lock()
	if rx := c.rx.Load(); rx != nil {
		c.mu.Unlock()
		c.receiveFast(rx, datagram, data)
		return
	}
	defer c.mu.Unlock()
	switch {
	case c.state == stateClosed:
		c.counters.discarded.Add(1)
	case c.slow:
		c.push(datagram)
	case c.state == stateHandshaking:
		c.receiveHandshake(datagram)
	default:
		// Before Start, or between the end of the handshake and the return of Handshaked.
		c.keepEarly(datagram)
	}
}

func (c *Conn) receiveFast(rx *opener, datagram []byte, data func([]byte)) {
	if data == nil {
		data = c.cfg.Data
	}
	c.receiveRecords(rx, datagram, data)
}

// receiveHandshake passes a datagram to pion/dtls, except for its protected application data and
// alerts, which are kept until the end of the handshake: pion/dtls has room for one such record
// until Read is called, and its replay window would differ from rx'. It is called with mu held.
func (c *Conn) receiveHandshake(datagram []byte) {
	handshake := make([]byte, 0, len(datagram))
	rest := datagram
	for {
		r, tail, ok := nextRecord(rest)
		if !ok {
			break
		}
		rest = tail
		if r.epoch != epochHandshake && (r.contentType == contentApplicationData || r.contentType == contentAlert) {
			c.keepEarly(r.raw)
			continue
		}
		if r.epoch == epochHandshake && !c.plausible(r) {
			c.counters.discarded.Add(1)
			continue
		}
		handshake = append(handshake, r.raw...)
	}
	if len(rest) > 0 {
		c.counters.discarded.Add(1)
	}
	if len(handshake) == 0 {
		return
	}
	if c.standby != nil {
		c.chooseAttempt(handshake)
	}
	if !c.attempt.pipe.push(handshake) {
		c.counters.earlyDropped.Add(1)
	}
}

// plausible reports whether a plaintext record can be part of a handshake. Others are fatal errors
// for pion/dtls, so one forged datagram could end a handshake. It also stores fatal alerts in
// peerAlert.
func (c *Conn) plausible(r record) bool {
	f := r.fragment()
	switch r.contentType {
	case contentHandshake:
		return len(f) > 0
	case contentChangeCipherSpec:
		return len(f) == 1 && f[0] == 1
	case contentAlert:
		if len(f) != 2 {
			return false
		}
		if f[0] == alertFatal {
			c.peerAlert.Store(uint32(f[0])<<8 | uint32(f[1]))
		}
		return true
	}
	return false
}

// keepEarly keeps a datagram until it can be processed. It is called with mu held.
func (c *Conn) keepEarly(datagram []byte) {
	if !c.early.add(datagram) {
		c.counters.earlyDropped.Add(1)
	}
}

// push passes a datagram to pion/dtls. It is called with mu held.
func (c *Conn) push(datagram []byte) {
	if !c.attempt.pipe.push(append([]byte(nil), datagram...)) {
		c.counters.discarded.Add(1)
	}
}

// receiveRecords opens the records of a datagram of an established association.
func (c *Conn) receiveRecords(rx *opener, datagram []byte, data func([]byte)) {
	for len(datagram) > 0 {
		r, rest, ok := nextRecord(datagram)
		if !ok {
			c.counters.discarded.Add(1)
			return
		}
		datagram = rest
		if r.epoch != epochApplication || c.isClosed() {
			// Plaintext after the handshake is either forged or retransmitted; the Finished of the
			// retransmitted flight suffices. There is no later epoch.
			c.counters.discarded.Add(1)
			continue
		}
		plaintext, verdict := rx.open(r)
		switch verdict {
		case opened:
			c.receivePlaintext(r.contentType, plaintext, data)
		case replayed:
			c.counters.replayed.Add(1)
		case badMAC:
			c.counters.badMAC.Add(1)
		default:
			c.counters.discarded.Add(1)
		}
	}
}

// receivePlaintext processes the plaintext of an authentic record.
func (c *Conn) receivePlaintext(contentType byte, plaintext []byte, data func([]byte)) {
	switch contentType {
	case contentApplicationData:
		c.counters.recordsReceived.Add(1)
		c.counters.bytesReceived.Add(uint64(len(plaintext)))
		if data != nil {
			data(plaintext)
		}
	case contentAlert:
		c.receiveAlert(plaintext)
	case contentHandshake:
		c.repeatLastFlight(plaintext)
	default:
		c.counters.discarded.Add(1)
	}
}

// receiveAlert processes an authentic alert (RFC 5246, section 7.2). Warnings other than
// close_notify have no effect.
func (c *Conn) receiveAlert(plaintext []byte) {
	switch {
	case len(plaintext) != 2:
		c.counters.discarded.Add(1)
	case plaintext[1] == alertCloseNotify:
		// RFC 5246, section 7.2.1: "The other party MUST respond with a close_notify alert of its
		// own and close down the connection immediately, discarding any pending writes."
		c.end(nil)
	case plaintext[0] == alertFatal:
		c.end(&AlertError{Description: plaintext[1]})
	}
}

// repeatLastFlight processes a handshake message of the established association: it queues the last
// flight for a Finished. Any other message would start a renegotiation, which RFC 5246, section
// 7.4.1.1 allows to ignore.
func (c *Conn) repeatLastFlight(message []byte) {
	tx := c.tx.Load()
	if !isFinished(message) || tx == nil {
		c.counters.discarded.Add(1)
		return
	}
	if flight, ok := c.lastFlight.append(nil, tx); ok {
		c.counters.flightsRepeated.Add(1)
		c.out.add(flight)
	}
}
