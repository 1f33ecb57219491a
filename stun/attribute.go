package stun

import "fmt"

// AttributeType is the 16-bit type of an attribute. Types below 0x8000 are comprehension-required:
// an agent that does not know one in a request must reject the request (RFC 8489, section 14).
type AttributeType uint16

// Comprehension-required attributes.
const (
	AttributeMappedAddress          AttributeType = 0x0001 // RFC 8489
	AttributeChangeRequest          AttributeType = 0x0003 // RFC 5780
	AttributeUsername               AttributeType = 0x0006 // RFC 8489
	AttributeMessageIntegrity       AttributeType = 0x0008 // RFC 8489
	AttributeErrorCode              AttributeType = 0x0009 // RFC 8489
	AttributeUnknownAttributes      AttributeType = 0x000A // RFC 8489
	AttributeChannelNumber          AttributeType = 0x000C // RFC 8656
	AttributeLifetime               AttributeType = 0x000D // RFC 8656
	AttributeXORPeerAddress         AttributeType = 0x0012 // RFC 8656
	AttributeData                   AttributeType = 0x0013 // RFC 8656
	AttributeRealm                  AttributeType = 0x0014 // RFC 8489
	AttributeNonce                  AttributeType = 0x0015 // RFC 8489
	AttributeXORRelayedAddress      AttributeType = 0x0016 // RFC 8656
	AttributeRequestedAddressFamily AttributeType = 0x0017 // RFC 8656
	AttributeEvenPort               AttributeType = 0x0018 // RFC 8656
	AttributeRequestedTransport     AttributeType = 0x0019 // RFC 8656
	AttributeDontFragment           AttributeType = 0x001A // RFC 8656
	AttributeAccessToken            AttributeType = 0x001B // RFC 7635
	AttributeMessageIntegritySHA256 AttributeType = 0x001C // RFC 8489
	AttributePasswordAlgorithm      AttributeType = 0x001D // RFC 8489
	AttributeUserHash               AttributeType = 0x001E // RFC 8489
	AttributeXORMappedAddress       AttributeType = 0x0020 // RFC 8489
	AttributeReservationToken       AttributeType = 0x0022 // RFC 8656
	AttributePriority               AttributeType = 0x0024 // RFC 8445
	AttributeUseCandidate           AttributeType = 0x0025 // RFC 8445
	AttributePadding                AttributeType = 0x0026 // RFC 5780
	AttributeResponsePort           AttributeType = 0x0027 // RFC 5780
	AttributeConnectionID           AttributeType = 0x002A // RFC 6062
)

// Comprehension-optional attributes.
const (
	AttributeAdditionalAddressFamily AttributeType = 0x8000 // RFC 8656
	AttributeAddressErrorCode        AttributeType = 0x8001 // RFC 8656
	AttributePasswordAlgorithms      AttributeType = 0x8002 // RFC 8489
	AttributeAlternateDomain         AttributeType = 0x8003 // RFC 8489
	AttributeICMP                    AttributeType = 0x8004 // RFC 8656
	AttributeSoftware                AttributeType = 0x8022 // RFC 8489
	AttributeAlternateServer         AttributeType = 0x8023 // RFC 8489
	AttributeFingerprint             AttributeType = 0x8028 // RFC 8489
	AttributeICEControlled           AttributeType = 0x8029 // RFC 8445
	AttributeICEControlling          AttributeType = 0x802A // RFC 8445
	AttributeResponseOrigin          AttributeType = 0x802B // RFC 5780
	AttributeOtherAddress            AttributeType = 0x802C // RFC 5780
	AttributeThirdPartyAuthorization AttributeType = 0x802E // RFC 7635
	AttributeMobilityTicket          AttributeType = 0x8030 // RFC 8016
)

// Required reports whether the type is comprehension-required.
func (t AttributeType) Required() bool { return t < 0x8000 }

// String returns the RFC's name of the attribute ("XOR-MAPPED-ADDRESS"), or its number in
// hexadecimal.
func (t AttributeType) String() string {
	if name, ok := attributeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("0x%04X", uint16(t))
}

var attributeNames = map[AttributeType]string{
	AttributeMappedAddress:           "MAPPED-ADDRESS",
	AttributeChangeRequest:           "CHANGE-REQUEST",
	AttributeUsername:                "USERNAME",
	AttributeMessageIntegrity:        "MESSAGE-INTEGRITY",
	AttributeErrorCode:               "ERROR-CODE",
	AttributeUnknownAttributes:       "UNKNOWN-ATTRIBUTES",
	AttributeChannelNumber:           "CHANNEL-NUMBER",
	AttributeLifetime:                "LIFETIME",
	AttributeXORPeerAddress:          "XOR-PEER-ADDRESS",
	AttributeData:                    "DATA",
	AttributeRealm:                   "REALM",
	AttributeNonce:                   "NONCE",
	AttributeXORRelayedAddress:       "XOR-RELAYED-ADDRESS",
	AttributeRequestedAddressFamily:  "REQUESTED-ADDRESS-FAMILY",
	AttributeEvenPort:                "EVEN-PORT",
	AttributeRequestedTransport:      "REQUESTED-TRANSPORT",
	AttributeDontFragment:            "DONT-FRAGMENT",
	AttributeAccessToken:             "ACCESS-TOKEN",
	AttributeMessageIntegritySHA256:  "MESSAGE-INTEGRITY-SHA256",
	AttributePasswordAlgorithm:       "PASSWORD-ALGORITHM",
	AttributeUserHash:                "USERHASH",
	AttributeXORMappedAddress:        "XOR-MAPPED-ADDRESS",
	AttributeReservationToken:        "RESERVATION-TOKEN",
	AttributePriority:                "PRIORITY",
	AttributeUseCandidate:            "USE-CANDIDATE",
	AttributePadding:                 "PADDING",
	AttributeResponsePort:            "RESPONSE-PORT",
	AttributeConnectionID:            "CONNECTION-ID",
	AttributeAdditionalAddressFamily: "ADDITIONAL-ADDRESS-FAMILY",
	AttributeAddressErrorCode:        "ADDRESS-ERROR-CODE",
	AttributePasswordAlgorithms:      "PASSWORD-ALGORITHMS",
	AttributeAlternateDomain:         "ALTERNATE-DOMAIN",
	AttributeICMP:                    "ICMP",
	AttributeSoftware:                "SOFTWARE",
	AttributeAlternateServer:         "ALTERNATE-SERVER",
	AttributeFingerprint:             "FINGERPRINT",
	AttributeICEControlled:           "ICE-CONTROLLED",
	AttributeICEControlling:          "ICE-CONTROLLING",
	AttributeResponseOrigin:          "RESPONSE-ORIGIN",
	AttributeOtherAddress:            "OTHER-ADDRESS",
	AttributeThirdPartyAuthorization: "THIRD-PARTY-AUTHORIZATION",
	AttributeMobilityTicket:          "MOBILITY-TICKET",
}

// baseAttribute reports whether RFC 8489 itself defines the comprehension-required type t, which
// every agent must therefore understand.
func baseAttribute(t AttributeType) bool {
	switch t {
	case AttributeMappedAddress, AttributeUsername, AttributeMessageIntegrity, AttributeErrorCode,
		AttributeUnknownAttributes, AttributeRealm, AttributeNonce, AttributeMessageIntegritySHA256,
		AttributePasswordAlgorithm, AttributeUserHash, AttributeXORMappedAddress:
		return true
	}
	return false
}
