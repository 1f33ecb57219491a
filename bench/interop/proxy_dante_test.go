package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/stretchr/testify/require"
)

// startDante runs Debian's dante-server with the method of authentication and returns its port.
func startDante(t *testing.T, method string, environment ...string) (port string) {
	t.Helper()
	dante, err := lookSbin("danted")
	requirePeer(t, err)
	port = freeTCPPort(t)
	users := ""
	if os.Getuid() == 0 { // without root it cannot change its user
		users = "user.privileged: root\nuser.unprivileged: nobody\n"
	}
	path := writeProxyFile(t, proxyDirectory(t), "danted.conf", users+`
logoutput: stderr
internal: 127.0.0.1 port = `+port+`
external: lo
clientmethod: none
socksmethod: `+method+`
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 127.0.0.0/8 to: 0.0.0.0/0 port = 1 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: ::/0 }
`)
	command := exec.Command(dante, "-f", path, "-N", "1")
	command.Env = append(os.Environ(), environment...)
	startProxy(t, command, port)
	return port
}

func TestProxyDante(t *testing.T) {
	server, err := startGreeter(t, "127.0.0.1")
	require.NoError(t, err)
	uri := "socks5://127.0.0.1:" + startDante(t, "none")

	t.Run("IPv4", func(t *testing.T) { testTunnel(t, uri, "127.0.0.1:"+server) })
	t.Run("name", func(t *testing.T) { testTunnel(t, uri, "localhost:"+server) })
	t.Run("credentials that are not required", func(t *testing.T) {
		testTunnel(t, "socks5://u:p@"+uri[len("socks5://"):], "127.0.0.1:"+server)
	})
	t.Run("IPv6", func(t *testing.T) {
		server, err := startGreeter(t, "::1")
		if err != nil {
			t.Skipf("no IPv6: %v", err)
		}
		testTunnel(t, uri, "[::1]:"+server)
	})
	for name, c := range map[string]struct {
		address string
		want    proxy.Reply
	}{
		"closed port": {"127.0.0.1:" + freeTCPPort(t), proxy.ReplyConnectionRefused},
		"forbidden":   {"127.0.0.1:1", proxy.ReplyNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dialThrough(t, uri, c.address)
			require.ErrorIs(t, err, proxy.ErrRefused)
			var e *proxy.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, e.Reply)
		})
	}
	t.Run("HTTP", func(t *testing.T) {
		_, err := dialThrough(t, "http"+uri[len("socks5"):], "127.0.0.1:"+server)
		require.Error(t, err) // dante closes the connection without an answer
	})
}

// nssWrapper is a library that replaces the user database, since dante authenticates users of the system.
const nssWrapper = "libnss_wrapper.so"

func TestProxyDanteWithCredentials(t *testing.T) {
	found, _ := filepath.Glob("/usr/lib/*/" + nssWrapper)
	if len(found) == 0 {
		requirePeer(t, fmt.Errorf("no %s in /usr/lib (the package libnss-wrapper)", nssWrapper))
	}
	server, err := startGreeter(t, "127.0.0.1")
	require.NoError(t, err)

	passwd, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	group, err := os.ReadFile("/etc/group")
	require.NoError(t, err)
	dir := proxyDirectory(t)
	port := startDante(t, "username",
		"LD_PRELOAD="+nssWrapper,
		"NSS_WRAPPER_PASSWD="+writeProxyFile(t, dir, "passwd", string(passwd)+proxyUser+":x:4242:4242::/nonexistent:/bin/false\n"),
		"NSS_WRAPPER_GROUP="+writeProxyFile(t, dir, "group", string(group)+proxyUser+":x:4242:\n"),
		"NSS_WRAPPER_SHADOW="+writeProxyFile(t, dir, "shadow", proxyUser+":"+proxyPasswordHash+":19000:0:99999:7:::\n"),
	)
	address := "127.0.0.1:" + server

	t.Run("right", func(t *testing.T) {
		testTunnel(t, "socks5://"+proxyUser+":p%40ss%3A %25%C3%BC@127.0.0.1:"+port, address)
	})
	t.Run("wrong", func(t *testing.T) {
		_, err := dialThrough(t, "socks5://"+proxyUser+":wrong@127.0.0.1:"+port, address)
		require.ErrorIs(t, err, proxy.ErrAuthenticationFailed)
	})
	t.Run("none", func(t *testing.T) {
		_, err := dialThrough(t, "socks5://127.0.0.1:"+port, address)
		require.ErrorIs(t, err, proxy.ErrAuthenticationRequired)
	})
}
