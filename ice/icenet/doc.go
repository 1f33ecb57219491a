// Package icenet runs ICE agents over real networks. It opens sockets on the addresses of the host,
// queries STUN servers, resolves names, and carries the packets of package ice.
//
// [Conn] is for a program that needs a path to its peer: a net.Conn for datagrams, which take
// whatever pair the agent has selected. Its example is the shortest whole program.
//
// [Driver], [DriverConfig] and [Network] are for packages of this module, because they use types of
// internal packages. A Driver serves an owner of an agent that has its own mutex and timers, such
// as package rtc. It does only what needs a goroutine: it opens and reads sockets, and resolves
// names.
//
// # Not implemented
//
// There are no TURN servers, no TCP candidates, and no sockets shared by several agents. Names of
// remote candidates are resolved by the resolver of the system, which may not know mDNS names. The
// package does not notice by itself that addresses of the host have changed: [Conn.Restart] and
// [Driver.Gather] look at the present ones.
package icenet
