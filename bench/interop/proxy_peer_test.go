package interop_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/stretchr/testify/require"
)

// The credentials for the proxies, with characters that are encoded in a URI and in Basic authentication.
const (
	proxyUser     = "rtcuser"
	proxyPassword = "p@ss: %ü"
	// The hash of proxyPassword in the format of crypt(3): SHA-256, 5,000 rounds.
	proxyPasswordHash = "$5$rtcstack$PcpvDZBOoE0hnnWXiVIDuFIYdZcXErTviejYZuaLEv2"
)

// proxyGreeting is sent by the server behind the proxy before it echoes. It may arrive together with the answer of the
// proxy, and must be complete.
const proxyGreeting = "220 a server that speaks first\r\n"

// lookSbin is exec.LookPath, and also searches /usr/sbin, where Debian has daemons. PATH may not contain it.
func lookSbin(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// proxyDirectory returns a directory that a daemon can read and write after it has changed its user.
func proxyDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	return dir
}

func writeProxyFile(t *testing.T, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// freeTCPPort returns a port of 127.0.0.1 that was free a moment ago.
func freeTCPPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// startProxy runs a proxy until the end of the test. It returns when the proxy listens on the port.
func startProxy(t *testing.T, command *exec.Cmd, port string) {
	t.Helper()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = 5 * time.Second // a child process may still have its output open
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", command.Path, output.Bytes())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			require.FailNow(t, "the proxy ended", "%v", err)
		default:
		}
		require.True(t, time.Now().Before(deadline), "the proxy does not listen: %v", err)
	}
}

// startGreeter runs a server that sends proxyGreeting and then echoes, and returns its port.
func startGreeter(t *testing.T, host string) (port string, err error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.WriteString(conn, proxyGreeting)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func dialThrough(t *testing.T, uri, address string) (net.Conn, error) {
	t.Helper()
	config, err := proxy.Parse(uri)
	require.NoError(t, err)
	return (&proxy.Dialer{Proxy: config}).DialContext(t.Context(), "tcp", address)
}

// testTunnel sends a megabyte to the server of startGreeter, and checks the echo.
func testTunnel(t *testing.T, uri, address string) {
	t.Helper()
	conn, err := dialThrough(t, uri, address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))

	data := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data)
	go func() { _, _ = conn.Write(data) }()

	got := make([]byte, len(proxyGreeting)+len(data))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, proxyGreeting, string(got[:len(proxyGreeting)]))
	require.True(t, bytes.Equal(data, got[len(proxyGreeting):]))
}
