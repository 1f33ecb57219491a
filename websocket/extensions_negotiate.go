package websocket

// offerDeflate returns what a client offers. The options have been checked.
//
// client_max_window_bits is offered always, with or without a value: it says that
// this client can keep to whatever window the server wants.
//
// RFC 7692, section 7.1.2.2.
func offerDeflate(o CompressionOptions) deflateParameters {
	offer := deflateParameters{
		serverNoContextTakeover: o.ServerNoContextTakeover,
		clientNoContextTakeover: o.ClientNoContextTakeover,
		clientMaxWindowBits:     anyWindowBits,
	}
	if o.ServerMaxWindowBits < maxWindowBits {
		offer.serverMaxWindowBits = o.ServerMaxWindowBits
	}
	if o.ClientMaxWindowBits < maxWindowBits {
		offer.clientMaxWindowBits = o.ClientMaxWindowBits
	}
	return offer
}

// acceptDeflate is the server's choice: the first of the extensions that it can
// do, as it is configured, and the answer to it. Without one the connection has no
// compression, which is never an error.
//
// RFC 7692, section 5.1.
func acceptDeflate(offers []extension, o CompressionOptions) (answer deflateParameters, ok bool) {
	for _, e := range offers {
		if e.name != permessageDeflate {
			continue
		}
		offer, ok := parseDeflateParameters(e)
		if !ok {
			continue
		}
		answer := deflateParameters{
			// Section 7.1.1.1: "A server accepts an extension negotiation offer that includes
			// the "server_no_context_takeover" extension parameter by including [it]".
			serverNoContextTakeover: offer.serverNoContextTakeover || o.ServerNoContextTakeover,
			// Section 7.1.1.2: a hint in the offer, that costs the client nothing to be held to.
			clientNoContextTakeover: offer.clientNoContextTakeover || o.ClientNoContextTakeover,
		}
		// Section 7.1.2.1: "the same or smaller value as the offer"; it may also stand
		// in the response to an offer that has none.
		if bits := offer.serverMaxWindowBits; bits != 0 {
			answer.serverMaxWindowBits = min(bits, o.ServerMaxWindowBits)
		} else if o.ServerMaxWindowBits < maxWindowBits {
			answer.serverMaxWindowBits = o.ServerMaxWindowBits
		}
		// Section 7.1.2.2: not in the response unless in the offer.
		switch bits := offer.clientMaxWindowBits; {
		case bits > 0:
			answer.clientMaxWindowBits = min(bits, o.ClientMaxWindowBits)
		case o.ClientMaxWindowBits < maxWindowBits && bits == anyWindowBits:
			answer.clientMaxWindowBits = o.ClientMaxWindowBits
		case o.ClientMaxWindowBits < maxWindowBits:
			continue // this client would use the full window
		}
		return answer, true
	}
	return deflateParameters{}, false
}

// agreed returns what an answer has settled.
func (p deflateParameters) agreed() *compressionParams {
	c := &compressionParams{
		serverNoContextTakeover: p.serverNoContextTakeover,
		clientNoContextTakeover: p.clientNoContextTakeover,
		serverMaxWindowBits:     maxWindowBits,
		clientMaxWindowBits:     maxWindowBits,
	}
	if p.serverMaxWindowBits != 0 {
		c.serverMaxWindowBits = p.serverMaxWindowBits
	}
	if p.clientMaxWindowBits != 0 {
		c.clientMaxWindowBits = p.clientMaxWindowBits
	}
	return c
}

// checkAnswer is the client's check of what the server has chosen among the
// extensions that were offered: at most permessage-deflate, offer being nil if not even that.
// It returns nil where the server chose nothing, and a reason to fail the connection otherwise.
//
// RFC 6455, section 4.1.
// RFC 7692, section 7.1.
func checkAnswer(values []string, offer *deflateParameters) (c *compressionParams, reason string) {
	extensions, ok := parseExtensions(values)
	if !ok {
		return nil, "malformed Sec-WebSocket-Extensions"
	}
	for _, e := range extensions {
		if e.name != permessageDeflate || offer == nil {
			return nil, "extension " + e.name + " was not offered"
		}
		if c != nil {
			return nil, "extension " + e.name + " twice"
		}
		answer, ok := parseDeflateParameters(e)
		if !ok || answer.clientMaxWindowBits == anyWindowBits {
			return nil, "invalid parameters of " + e.name
		}
		// What was asked of the server is accepted by saying so, or not at all.
		if offer.serverNoContextTakeover && !answer.serverNoContextTakeover {
			return nil, serverNoContextTakeover + " was required"
		}
		if bits := offer.serverMaxWindowBits; bits != 0 && (answer.serverMaxWindowBits == 0 || answer.serverMaxWindowBits > bits) {
			return nil, serverMaxWindowBits + " exceeds the offer"
		}
		if bits := offer.clientMaxWindowBits; bits > 0 && answer.clientMaxWindowBits > bits {
			return nil, clientMaxWindowBits + " exceeds the offer"
		}
		c = answer.agreed()
		// These two were promised by the offer, whether the server says so or not.
		c.clientNoContextTakeover = c.clientNoContextTakeover || offer.clientNoContextTakeover
		if offer.clientMaxWindowBits > 0 {
			c.clientMaxWindowBits = min(c.clientMaxWindowBits, offer.clientMaxWindowBits)
		}
	}
	return c, ""
}
