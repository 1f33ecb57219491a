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

// The SCTP ports. They differ because both ends have the same address.
const (
	usrsctpPort = 5000
	ourSCTPPort = 5001
)

// buildUsrsctp compiles testdata/usrsctp_peer.c with the installed C compiler and library.
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

// usrsctpMessage is a message that usrsctp received, without its bytes.
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
	lines    []string // other output
	unsent   int
	changed  chan struct{} // closed and replaced at each line
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
			p.handleLine(lines.Text())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the program as a crash would: it sends nothing to its peer.
func (p *usrsctpPeer) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
	_ = p.command.Wait()
}

func (p *usrsctpPeer) handleLine(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "message "):
		var m usrsctpMessage
		var unordered int
		if _, err := fmt.Sscanf(line, "message %d %d %d %d %x", &m.stream, &m.ppid, &unordered, &m.size, &m.sum); err != nil {
			p.t.Errorf("usrsctp_peer printed %q: %v", line, err)
		}
		m.unordered = unordered == 1
		p.messages = append(p.messages, m)
	case strings.HasPrefix(line, "error "):
		p.t.Errorf("usrsctp_peer printed %q", line)
	case line == "unsent":
		p.unsent++
	default:
		p.lines = append(p.lines, line)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// sendCommand writes a line to the program's standard input.
func (p *usrsctpPeer) sendCommand(format string, args ...any) {
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
			p.t.Fatalf("usrsctp: not within %v: %s; it printed %q", pionPatience, what, lines)
		}
	}
}

// awaitLine waits for a line that begins with prefix, and removes and returns it.
func (p *usrsctpPeer) awaitLine(prefix string) (line string) {
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

// next waits for the next message, and removes and returns it.
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

// usrsctpNoise returns the bytes of a message. The program computes the same ones.
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

// expected returns the record of a message of ours that has arrived at the program.
func expected(stream uint16, unordered bool, data []byte) usrsctpMessage {
	h := fnv.New64a()
	h.Write(data)
	return usrsctpMessage{stream: stream, ppid: ppidBinary, unordered: unordered, size: len(data), sum: h.Sum64()}
}

// usrsctpRole selects the sides that send INIT.
type usrsctpRole string

const (
	usrsctpBothConnect usrsctpRole = "both connect"
	usrsctpAccepts     usrsctpRole = "we connect"
	usrsctpConnects    usrsctpRole = "usrsctp connects"
)

// usrsctpOptions are the parameters of a usrsctpSession.
type usrsctpOptions struct {
	role         usrsctpRole // default: usrsctpBothConnect
	network      lossyNetwork
	interleaving bool
	mtu          int // of usrsctp, including the IP and UDP headers; default: 1280
	config       sctp.Config
}

// usrsctpSession has our association and usrsctp's, connected by a lossy pipe and a relay. Between the relay and usrsctp
// the packets are in UDP datagrams.
type usrsctpSession struct {
	t        *testing.T
	program  string
	options  usrsctpOptions
	relay    *net.UDPConn
	port     uint16        // usrsctp's UDP port
	initSent chan struct{} // receives a value when usrsctp has sent its first packet
	open     chan struct{} // the relay holds usrsctp's packets back until it is closed
	ours     *sctpEnd
	peer     *usrsctpPeer
}

func newUsrsctpSession(t *testing.T, program string, o usrsctpOptions) *usrsctpSession {
	t.Helper()
	if o.role == "" {
		o.role = usrsctpBothConnect
	}
	if o.mtu == 0 {
		o.mtu = 1280
	}
	o.config.SourcePort, o.config.DestinationPort = ourSCTPPort, usrsctpPort
	o.config.DisableInterleaving = !o.interleaving
	s := &usrsctpSession{t: t, program: program, options: o, initSent: make(chan struct{}, 1), open: make(chan struct{})}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %#x", seed)
	ourEnd, theirEnd := newLossyPipe(seed, o.network)
	s.startRelay(theirEnd)
	s.ours = newSCTPEnd(t, ourEnd, o.config)
	s.startPeer()
	switch o.role {
	case usrsctpAccepts:
		s.ours.input(s.ours.a.Connect)
	case usrsctpBothConnect:
		// The two INITs cross: the relay holds usrsctp's back. Ours has to wait for it, because usrsctp responds with an
		// ABORT while it neither connects nor listens.
		next(t, s.initSent, "usrsctp's INIT")
		s.ours.input(s.ours.a.Connect)
	}
	close(s.open)
	s.ours.event("we connect", sctp.EventConnected)
	require.Equal(t, "connected 1024 1024", s.peer.awaitLine("connected"))
	require.Equal(t, [2]uint16{1024, 1024}, s.ours.streams())
	return s
}

// freePort returns a UDP port for usrsctp, which needs a port number at its start. The port is below the ephemeral ports,
// so that the system does not assign it to another socket in the meantime.
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

// startRelay starts to forward packets between the pipe and usrsctp's UDP port.
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
				case s.initSent <- struct{}{}:
				default:
				}
				select {
				case <-s.open:
				case <-s.t.Context().Done():
					return
				}
			}
			if err == nil { // otherwise an ICMP error: usrsctp is not running
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

// startPeer starts a new usrsctp on the same ports.
func (s *usrsctpSession) startPeer() {
	s.t.Helper()
	relayPort := uint16(s.relay.LocalAddr().(*net.UDPAddr).Port)
	s.peer = startUsrsctp(s.t, s.program, s.port, relayPort, s.options.mtu, s.options.interleaving)
	if s.options.role == usrsctpAccepts {
		s.peer.sendCommand("listen")
		s.peer.awaitLine("waiting")
	} else {
		s.peer.sendCommand("connect")
	}
}

// usrsctpSends makes usrsctp send count messages of size bytes, with the seeds seed, seed+1, ...
func (s *usrsctpSession) usrsctpSends(stream uint16, size, seed, count int) {
	s.t.Helper()
	s.peer.sendCommand("send %d %d %d %d - 0", stream, size, seed, count)
}
