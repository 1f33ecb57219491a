// Package stun builds and parses STUN messages (RFC 8489).
package stun
