package websocket

import "github.com/rtcstack/rtcstack/internal/deflate"

// offerDeflate returns the offer of a client with valid options.
//
// It always includes client_max_window_bits, with or without a value: this client accepts any bound
// that the server chooses.
//
// RFC 7692, section 7.1.2.2.
func offerDeflate(o CompressionOptions) deflateParameters {
	offer := deflateParameters{
		serverNoContextTakeover: o.ServerNoContextTakeover,
		clientNoContextTakeover: o.ClientNoContextTakeover,
		clientMaxWindowBits:     anyWindowBits,
	}
	if o.ServerMaxWindowBits < deflate.MaxWindowBits {
		offer.serverMaxWindowBits = o.ServerMaxWindowBits
	}
	if o.ClientMaxWindowBits < deflate.MaxWindowBits {
		offer.clientMaxWindowBits = o.ClientMaxWindowBits
	}
	return offer
}

// acceptDeflate returns the server's answer to the first offer that it accepts. If there is none,
// the connection has no compression, which is not an error.
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
			// RFC 7692, section 7.1.1.1: a server accepts the parameter by including it in the
			// response.
			serverNoContextTakeover: offer.serverNoContextTakeover || o.ServerNoContextTakeover,
			// RFC 7692, section 7.1.1.2: the offer is a hint that the client will use no context
			// takeover.
			clientNoContextTakeover: offer.clientNoContextTakeover || o.ClientNoContextTakeover,
		}
		// RFC 7692, section 7.1.2.1: "the same or smaller value as the offer". The response may
		// also have the parameter if the offer does not.
		if bits := offer.serverMaxWindowBits; bits != 0 {
			answer.serverMaxWindowBits = min(bits, o.ServerMaxWindowBits)
		} else if o.ServerMaxWindowBits < deflate.MaxWindowBits {
			answer.serverMaxWindowBits = o.ServerMaxWindowBits
		}
		// RFC 7692, section 7.1.2.2: in the response only if it is in the offer.
		switch bits := offer.clientMaxWindowBits; {
		case bits > 0:
			answer.clientMaxWindowBits = min(bits, o.ClientMaxWindowBits)
		case o.ClientMaxWindowBits < deflate.MaxWindowBits && bits == anyWindowBits:
			answer.clientMaxWindowBits = o.ClientMaxWindowBits
		case o.ClientMaxWindowBits < deflate.MaxWindowBits:
			continue // this client would use a full window
		}
		return answer, true
	}
	return deflateParameters{}, false
}

// agreed returns the parameters of a connection with this answer.
func (p deflateParameters) agreed() *compressionParams {
	c := &compressionParams{
		serverNoContextTakeover: p.serverNoContextTakeover,
		clientNoContextTakeover: p.clientNoContextTakeover,
		serverMaxWindowBits:     deflate.MaxWindowBits,
		clientMaxWindowBits:     deflate.MaxWindowBits,
	}
	if p.serverMaxWindowBits != 0 {
		c.serverMaxWindowBits = p.serverMaxWindowBits
	}
	if p.clientMaxWindowBits != 0 {
		c.clientMaxWindowBits = p.clientMaxWindowBits
	}
	return c
}

// checkAnswer is the client's check of the server's choice of extensions. offer is nil if none was
// offered. It returns nil and no reason if the server chose none, and a reason if the connection
// must fail.
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
		// The server accepts a parameter for itself only by including it in the response.
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
		// The offer promised these two, even if the response does not include them.
		c.clientNoContextTakeover = c.clientNoContextTakeover || offer.clientNoContextTakeover
		if offer.clientMaxWindowBits > 0 {
			c.clientMaxWindowBits = min(c.clientMaxWindowBits, offer.clientMaxWindowBits)
		}
	}
	return c, ""
}
