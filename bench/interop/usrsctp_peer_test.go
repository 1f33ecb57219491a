package interop_test

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// The ports of SCTP itself, above the UDP ports: different ones, as both ends have the same address.
const (
	usrsctpPort = 5000
	ourSCTPPort = 5001
)

// buildUsrsctp makes the program of testdata/usrsctp_peer.c, with the C compiler and the library of this machine.
func buildUsrsctp(t *testing.T) (program string) {
	t.Helper()
	compiler, err := exec.LookPath("gcc")
	requirePeer(t, err)
	dir := t.TempDir()
	probe := filepath.Join(dir, "probe.c")
	require.NoError(t, os.WriteFile(probe, []byte("#include <usrsctp.h>\nint main(void) { return usrsctp_finish(); }\n"), 0o600))
	if output, err := exec.Command(compiler, "-o", filepath.Join(dir, "probe"), probe, "-lusrsctp").CombinedOutput(); err != nil {
		requirePeer(t, fmt.Errorf("usrsctp (the package libusrsctp-dev): %w: %s", err, output))
	}
	program = filepath.Join(dir, "usrsctp_peer")
	build := exec.Command(compiler, "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program,
		filepath.Join("testdata", "usrsctp_peer.c"), "-lusrsctp", "-lpthread")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// usrsctpMessage is a message that arrived at usrsctp, without its bytes.
type usrsctpMessage struct {
	stream    uint16
	ppid      uint32
	unordered bool
	size      int
	sum       uint64
}

// usrsctpPeer is the running program.
type usrsctpPeer struct {
	t       *testing.T
	command *exec.Cmd
	in      io.WriteCloser
	ended   chan struct{}

	mu       sync.Mutex
	messages []usrsctpMessage
	lines    []string // all others
	unsent   int
	changed  chan struct{} // closed and renewed with each line
}

func startUsrsctp(t *testing.T, program string, port, peerPort uint16, mtu int, interleaving bool) *usrsctpPeer {
	p := &usrsctpPeer{t: t, ended: make(chan struct{}), changed: make(chan struct{})}
	level := 0
	if interleaving {
		level = 1
	}
	p.command = exec.Command(program, fmt.Sprint(port), fmt.Sprint(peerPort), fmt.Sprint(mtu), fmt.Sprint(level))
	p.command.Stderr = os.Stderr
	var err error
	p.in, err = p.command.StdinPipe()
	require.NoError(t, err)
	out, err := p.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.line(lines.Text())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the program as a crash would: its peer is told nothing.
func (p *usrsctpPeer) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
	_ = p.command.Wait()
}

func (p *usrsctpPeer) line(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "message "):
		var m usrsctpMessage
		var unordered int
		if _, err := fmt.Sscanf(line, "message %d %d %d %d %x", &m.stream, &m.ppid, &unordered, &m.size, &m.sum); err != nil {
			p.t.Errorf("usrsctp says %q: %v", line, err)
		}
		m.unordered = unordered == 1
		p.messages = append(p.messages, m)
	case strings.HasPrefix(line, "error "):
		p.t.Errorf("usrsctp says %q", line)
	case line == "unsent":
		p.unsent++
	default:
		p.lines = append(p.lines, line)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// tell gives the program a line.
func (p *usrsctpPeer) tell(format string, args ...any) {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	require.NoError(p.t, err)
}

func (p *usrsctpPeer) until(what string, done func() bool) {
	p.t.Helper()
	limit := time.After(pionPatience)
	for {
		p.mu.Lock()
		ok, changed, lines := done(), p.changed, slices.Clone(p.lines)
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			p.t.Fatalf("usrsctp: not within %v: %s; it said %q", pionPatience, what, lines)
		}
	}
}

// hear takes the first line that begins with prefix.
func (p *usrsctpPeer) hear(prefix string) (line string) {
	p.t.Helper()
	p.until(prefix, func() bool {
		i := slices.IndexFunc(p.lines, func(l string) bool { return strings.HasPrefix(l, prefix) })
		if i >= 0 {
			line = p.lines[i]
			p.lines = slices.Delete(p.lines, i, i+1)
		}
		return i >= 0
	})
	return line
}

// next takes the next message.
func (p *usrsctpPeer) next(what string) (m usrsctpMessage) {
	p.t.Helper()
	p.until(what, func() bool {
		if len(p.messages) == 0 {
			return false
		}
		m, p.messages = p.messages[0], p.messages[1:]
		return true
	})
	return m
}

// usrsctpNoise makes the bytes of a message as the program does.
func usrsctpNoise(seed uint64, size int) []byte {
	b := make([]byte, size)
	x := seed*0x9e3779b97f4a7c15 + 1
	for i := range b {
		if i%8 == 0 {
			x ^= x >> 12
			x ^= x << 25
			x ^= x >> 27
		}
		b[i] = byte(x * 0x2545f4914f6cdd1d >> (8 * (i % 8)))
	}
	return b
}

// expected is what the program says of a message of ours.
func expected(stream uint16, unordered bool, data []byte) usrsctpMessage {
	h := fnv.New64a()
	h.Write(data)
	return usrsctpMessage{stream: stream, ppid: ppidBinary, unordered: unordered, size: len(data), sum: h.Sum64()}
}

// usrsctpRole says which side sends INIT.
type usrsctpRole string

const (
	bothCallEachOther usrsctpRole = "both connect"
	weCall            usrsctpRole = "we connect"
	usrsctpCalls      usrsctpRole = "usrsctp connects"
)

// usrsctpOptions says how to set up a usrsctpSession.
type usrsctpOptions struct {
	role         usrsctpRole // default: bothCallEachOther
	network      lossyNetwork
	interleaving bool
	mtu          int // of usrsctp's, IP and UDP headers included; default: 1280
	config       sctp.Config
}

// usrsctpSession is our association and usrsctp's, connected: packets go through a relay that treats them as its
// network says, and on to usrsctp in UDP.
type usrsctpSession struct {
	t       *testing.T
	program string
	options usrsctpOptions
	relay   *net.UDPConn
	port    uint16        // of usrsctp's
	called  chan struct{} // gets a value when usrsctp has sent its first packet
	open    chan struct{} // closed to let what usrsctp sends through
	ours    *sctpEnd
	peer    *usrsctpPeer
}

func newUsrsctpSession(t *testing.T, program string, o usrsctpOptions) *usrsctpSession {
	t.Helper()
	if o.role == "" {
		o.role = bothCallEachOther
	}
	if o.mtu == 0 {
		o.mtu = 1280
	}
	o.config.SourcePort, o.config.DestinationPort = ourSCTPPort, usrsctpPort
	o.config.DisableInterleaving = !o.interleaving
	s := &usrsctpSession{t: t, program: program, options: o, called: make(chan struct{}, 1), open: make(chan struct{})}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %#x", seed)
	ourEnd, theirEnd := newLossyPipe(seed, o.network)
	s.startRelay(theirEnd)
	s.ours = newSCTPEnd(t, ourEnd, o.config)
	s.startPeer()
	switch o.role {
	case weCall:
		s.ours.input(s.ours.a.Connect)
	case bothCallEachOther:
		// The two INITs cross: usrsctp's has left and waits in the relay. (Ours would meet an ABORT if usrsctp had
		// neither called nor listened.)
		next(t, s.called, "usrsctp's INIT")
		s.ours.input(s.ours.a.Connect)
	}
	close(s.open)
	s.ours.event("we connect", sctp.EventConnected)
	require.Equal(t, "connected 1024 1024", s.peer.hear("connected"))
	require.Equal(t, [2]uint16{1024, 1024}, s.ours.streams())
	return s
}

// freePort gives a port for usrsctp, which binds it by number. It is below those that systems give to sockets that want any,
// so that nobody gets it in between.
func freePort(t *testing.T) uint16 {
	const first, last = 20_000, 32_767
	for range 100 {
		port := first + rand.IntN(last-first+1)
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			require.NoError(t, conn.Close())
			return uint16(port)
		}
	}
	t.Fatalf("no free port from %d to %d", first, last)
	return 0
}

// startRelay carries packets between the pipe and usrsctp's UDP port.
func (s *usrsctpSession) startRelay(end *lossyEnd) {
	local := net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	s.port = freePort(s.t)
	var err error
	s.relay, err = net.ListenUDP("udp4", &local)
	require.NoError(s.t, err)
	require.NoError(s.t, s.relay.SetReadBuffer(4<<20))
	to := net.UDPAddr{IP: local.IP, Port: int(s.port)}
	var relaying sync.WaitGroup
	relaying.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, _, err := s.relay.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-s.open:
			default:
				select {
				case s.called <- struct{}{}:
				default:
				}
				select {
				case <-s.open:
				case <-s.t.Context().Done():
					return
				}
			}
			if err == nil { // else ICMP: usrsctp is not there
				_, _ = end.Write(buf[:n])
			}
		}
	})
	relaying.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := end.Read(buf)
			if err != nil {
				return
			}
			_, _ = s.relay.WriteToUDP(buf[:n], &to)
		}
	})
	s.t.Cleanup(func() {
		_, _ = s.relay.Close(), end.Close()
		relaying.Wait()
	})
}

// startPeer runs a new usrsctp on the same ports.
func (s *usrsctpSession) startPeer() {
	s.t.Helper()
	relayPort := uint16(s.relay.LocalAddr().(*net.UDPAddr).Port)
	s.peer = startUsrsctp(s.t, s.program, s.port, relayPort, s.options.mtu, s.options.interleaving)
	if s.options.role == weCall {
		s.peer.tell("listen")
		s.peer.hear("waiting")
	} else {
		s.peer.tell("connect")
	}
}

// usrsctpSends tells usrsctp to send count messages of size bytes, usrsctpNoise(seed), usrsctpNoise(seed+1), ...
func (s *usrsctpSession) usrsctpSends(stream uint16, size, seed, count int) {
	s.t.Helper()
	s.peer.tell("send %d %d %d %d - 0", stream, size, seed, count)
}
