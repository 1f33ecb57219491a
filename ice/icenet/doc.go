// Package icenet runs an ICE agent over real networks: it opens sockets on the host's addresses, asks STUN servers, resolves names, and
// carries the agent's packets.
//
// [Conn] is for a program that wants a path to its peer: a net.Conn whose datagrams take whatever pair the agent has
// selected. The example of Conn is the shortest whole program.
//
// [Driver] is for an owner of an agent that has a mutex and timers of its own, as package rtc. It does nothing by itself but what takes a
// goroutine: to open and read sockets, and to resolve names.
//
// Everything else goes in here, each in a place of its own, when it is there: TURN servers beside STUN servers (Driver.resolveServers), whose
// allocations are links, as TCP connections and sockets shared by agents are (Network.Listen); mDNS names (Network.LookupNetIP); and
// interfaces that come and go (Driver.Gather, at any time).
package icenet
