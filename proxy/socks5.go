package proxy

import (
	"encoding/binary"
	"strconv"
)

// Versions, methods, commands and address types of RFC 1928 and RFC 1929.
const (
	socksVersion       = 5
	negotiationVersion = 1 // of user name and password

	methodNoAuthentication = 0x00
	methodUsernamePassword = 0x02
	methodNoneAcceptable   = 0xff

	commandConnect = 1

	addressIPv4   = 1
	addressDomain = 3
	addressIPv6   = 4
)

// Reply is a reply code of SOCKS5.
//
// RFC 1928, section 6.
type Reply uint8

// The reply codes.
const (
	ReplySucceeded               Reply = 0
	ReplyGeneralFailure          Reply = 1
	ReplyNotAllowed              Reply = 2 // by the rule set of the proxy
	ReplyNetworkUnreachable      Reply = 3
	ReplyHostUnreachable         Reply = 4 // also, with many proxies, a name that does not resolve
	ReplyConnectionRefused       Reply = 5
	ReplyTTLExpired              Reply = 6
	ReplyCommandNotSupported     Reply = 7
	ReplyAddressTypeNotSupported Reply = 8
)

var replyNames = [...]string{
	ReplySucceeded:               "succeeded",
	ReplyGeneralFailure:          "general SOCKS server failure",
	ReplyNotAllowed:              "connection not allowed by ruleset",
	ReplyNetworkUnreachable:      "network unreachable",
	ReplyHostUnreachable:         "host unreachable",
	ReplyConnectionRefused:       "connection refused",
	ReplyTTLExpired:              "TTL expired",
	ReplyCommandNotSupported:     "command not supported",
	ReplyAddressTypeNotSupported: "address type not supported",
}

// String returns the words of RFC 1928.
func (r Reply) String() string {
	if int(r) < len(replyNames) {
		return replyNames[r]
	}
	return "unassigned reply " + strconv.Itoa(int(r))
}

// socks5Handshake is the CONNECT command of SOCKS5.
type socks5Handshake struct {
	target             target
	username, password string

	state  socks5State
	answer [maxNeed]byte // the part of the answer that the state waits for
	have   int           // the number of its bytes received
	want   int           // its size
}

// socks5State is the next part of the proxy's answers.
type socks5State uint8

const (
	stateMethod        socks5State = iota // VER, METHOD
	stateNegotiation                      // VER, STATUS
	stateReply                            // VER, REP, RSV, ATYP
	stateAddressLength                    // of a name
	stateAddress                          // BND.ADDR and BND.PORT
	stateTunnel
)

func (h *socks5Handshake) op() Op {
	if h.state <= stateNegotiation {
		return OpAuthenticate
	}
	return OpConnect
}

func (h *socks5Handshake) await(state socks5State, n int) { h.state, h.have, h.want = state, 0, n }

func (h *socks5Handshake) need() int { return h.want - h.have }

// start offers the methods.
//
// RFC 1928, section 3.
func (h *socks5Handshake) start(dst []byte) []byte {
	h.await(stateMethod, 2)
	if h.username == "" {
		return append(dst, socksVersion, 1, methodNoAuthentication)
	}
	return append(dst, socksVersion, 2, methodNoAuthentication, methodUsernamePassword)
}

func (h *socks5Handshake) receive(dst, answer []byte) ([]byte, error) {
	h.have += copy(h.answer[h.have:h.want], answer)
	if h.have < h.want {
		return dst, nil
	}
	part := h.answer[:h.want]
	switch h.state {
	case stateMethod:
		return h.method(dst, part[0], part[1])
	case stateNegotiation:
		// The version is that of the negotiation, 1, but some proxies send that of SOCKS, 5.
		if part[1] != 0 {
			return dst, &Error{Op: OpAuthenticate, Err: ErrAuthenticationFailed}
		}
		return h.request(dst), nil
	case stateReply:
		return dst, h.reply(part[0], Reply(part[1]), part[3])
	case stateAddressLength:
		h.await(stateAddress, int(part[0])+2)
	case stateAddress:
		h.await(stateTunnel, 0) // the address that the proxy connects from is ignored
	}
	return dst, nil
}

// method handles the proxy's choice of a method.
//
// RFC 1928, section 3.
func (h *socks5Handshake) method(dst []byte, version, method byte) ([]byte, error) {
	switch {
	case version != socksVersion:
		return dst, protocolError(OpAuthenticate, "version %d instead of 5", version)
	case method == methodNoneAcceptable:
		return dst, &Error{Op: OpAuthenticate, Err: ErrAuthenticationRequired}
	case method == methodNoAuthentication:
		return h.request(dst), nil
	case method != methodUsernamePassword || h.username == "":
		return dst, protocolError(OpAuthenticate, "method %d, which was not offered", method)
	}
	// RFC 1929, section 2.
	h.await(stateNegotiation, 2)
	dst = append(dst, negotiationVersion, byte(len(h.username)))
	dst = append(dst, h.username...)
	dst = append(dst, byte(len(h.password)))
	return append(dst, h.password...), nil
}

// request appends the request for the target.
//
// RFC 1928, section 4.
func (h *socks5Handshake) request(dst []byte) []byte {
	h.await(stateReply, 4)
	dst = append(dst, socksVersion, commandConnect, 0)
	switch addr := h.target.addr; {
	case addr.Is4():
		dst = append(dst, addressIPv4)
		dst = append(dst, addr.AsSlice()...)
	case addr.Is6():
		dst = append(dst, addressIPv6)
		dst = append(dst, addr.AsSlice()...)
	default:
		dst = append(dst, addressDomain, byte(len(h.target.name)))
		dst = append(dst, h.target.name...)
	}
	return binary.BigEndian.AppendUint16(dst, h.target.port)
}

// reply handles the fixed part of the reply. A refusal ends there, because some proxies then send
// no address.
func (h *socks5Handshake) reply(version byte, reply Reply, addressType byte) error {
	switch {
	case version != socksVersion:
		return protocolError(OpConnect, "version %d instead of 5", version)
	case reply != ReplySucceeded:
		return &Error{Op: OpConnect, Err: ErrRefused, Reply: reply}
	}
	switch addressType {
	case addressIPv4:
		h.await(stateAddress, 4+2)
	case addressIPv6:
		h.await(stateAddress, 16+2)
	case addressDomain:
		h.await(stateAddressLength, 1)
	default:
		return protocolError(OpConnect, "address type %d", addressType)
	}
	return nil
}
