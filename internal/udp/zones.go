//go:build unix

package udp

import (
	"net"
	"strconv"
	"sync"
)

// maxZones bounds the cache. Further interfaces are looked up each time.
const maxZones = 64

// zones caches the names and numbers of interfaces, either of which may be the zone of a link-local
// address. A lookup takes several system calls. The zero value is ready. It may be used
// concurrently.
type zones struct {
	mu      sync.Mutex
	names   map[uint32]string
	indices map[string]uint32
}

func (z *zones) name(index uint32) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	if name, ok := z.names[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	if z.names == nil {
		z.names = make(map[uint32]string)
	}
	if len(z.names) < maxZones {
		z.names[index] = name
	}
	return name
}

// index returns the number of a zone, or 0 if there is none.
func (z *zones) index(name string) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	if index, ok := z.indices[name]; ok {
		return index
	}
	var index uint32
	if i, err := net.InterfaceByName(name); err == nil {
		index = uint32(i.Index)
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		index = uint32(n)
	} else {
		return 0 // not cached: the interface may appear
	}
	if z.indices == nil {
		z.indices = make(map[string]uint32)
	}
	if len(z.indices) < maxZones {
		z.indices[name] = index
	}
	return index
}
