package dtlsconn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// overUDP carries an endpoint's datagrams over a socket on the loopback interface, to remote or, if
// that is nil, to the source of the first datagram that arrives.
func overUDP(t *testing.T, e *endpoint, remote *net.UDPAddr) *net.UDPConn {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	peer := make(chan *net.UDPAddr, 1)
	if remote != nil {
		peer <- remote
	}
	e.intercept(func(datagram []byte) {
		to := <-peer
		peer <- to
		_, _ = socket.WriteToUDP(datagram, to)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := socket.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // connection refused: the other side is not there yet
			}
			select {
			case peer <- from:
			default:
			}
			e.receive(buf[:n])
		}
	}()
	t.Cleanup(func() {
		e.close()
		e.conn.Wait()
		_ = socket.Close()
		<-done
	})
	return socket
}

// openssl runs the openssl command until the end of the test.
func openssl(t *testing.T, arguments ...string) (stdin io.WriteCloser, lines chan string) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("RTC_TEST_PEERS") == "required" {
			t.Fatal("there is no openssl command")
		}
		t.Skip("there is no openssl command")
	}
	command := exec.Command(path, arguments...)
	stdin, err = command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = command.Stdout
	require.NoError(t, command.Start())
	lines = make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-done
		_ = command.Wait()
	})
	return stdin, lines
}

// wantLine waits for a line that contains text, and returns the rest of the line.
func wantLine(t *testing.T, lines chan string, text string) (rest string) {
	t.Helper()
	for {
		line := want(t, lines, "line with "+text)
		if _, rest, ok := strings.Cut(line, text); ok {
			return rest
		}
	}
}

var opensslSuites = map[string]bool{ // the value: has a fast path
	"ECDHE-ECDSA-AES128-GCM-SHA256": true,
	"ECDHE-ECDSA-AES256-GCM-SHA384": true,
	"ECDHE-ECDSA-CHACHA20-POLY1305": true,
	"ECDHE-ECDSA-AES256-SHA":        false,
}

// OpenSSL, the library of many WebRTC implementations, as the client.
func TestOpenSSLClient(t *testing.T) {
	for suite, fast := range opensslSuites {
		t.Run(suite, func(t *testing.T) {
			server := newEndpoint(t, false, nil)
			socket := overUDP(t, server, nil)
			server.conn.Start()
			stdin, lines := openssl(t, "s_client", "-dtls1_2", "-connect", socket.LocalAddr().String(), "-cipher", suite,
				"-cert", fixture("cert.pem"), "-key", fixture("ec.pem"))
			server.wantHandshaked()
			require.Equal(t, fast, server.conn.Fast())
			server.settle()
			wantOpenSSLConversation(t, server, stdin, lines)
			_ = stdin.Close() // s_client sends close_notify
			require.NoError(t, want(t, server.closed, "Closed"))
		})
	}
}

// OpenSSL as the server.
func TestOpenSSLServer(t *testing.T) {
	for suite, fast := range opensslSuites {
		t.Run(suite, func(t *testing.T) {
			stdin, lines := openssl(t, "s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-cipher", suite,
				"-Verify", "1", "-cert", fixture("cert.pem"), "-key", fixture("ec.pem"))
			// It prints the port that the system has chosen.
			address, err := net.ResolveUDPAddr("udp4", wantLine(t, lines, "ACCEPT "))
			require.NoError(t, err)
			client := newEndpoint(t, true, nil)
			overUDP(t, client, address)
			client.conn.Start()
			client.wantHandshaked()
			require.Equal(t, fast, client.conn.Fast())
			client.settle()
			wantOpenSSLConversation(t, client, stdin, lines)
			client.close()
			wantLine(t, lines, "DONE")
		})
	}
}

func wantOpenSSLConversation(t *testing.T, e *endpoint, stdin io.Writer, lines chan string) {
	t.Helper()
	for i := range 5 {
		e.transmit(fmt.Appendf(nil, "hello %d from us\n", i))
		wantLine(t, lines, fmt.Sprintf("hello %d from us", i))
		_, err := fmt.Fprintf(stdin, "hello %d from openssl\n", i)
		require.NoError(t, err)
		e.wantData(fmt.Appendf(nil, "hello %d from openssl\n", i))
	}
}
