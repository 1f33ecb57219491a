package interop_test

import (
	"os/exec"
	"testing"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/stretchr/testify/require"
)

// startSquid starts Debian's squid with additional lines of configuration, and returns its port.
func startSquid(t *testing.T, dir, config string) (port string) {
	t.Helper()
	squid, err := lookSbin("squid")
	requirePeer(t, err)
	port = freeTCPPort(t)
	path := writeProxyFile(t, dir, "squid.conf", `
http_port 127.0.0.1:`+port+`
visible_hostname localhost
pid_filename none
cache deny all
access_log none
cache_log stdio:/dev/null
cache_store_log none
coredump_dir `+dir+`
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
acl forbidden port 1
http_access deny forbidden
`+config)
	startProxy(t, exec.Command(squid, "-N", "-f", path), port)
	return port
}

func TestProxySquid(t *testing.T) {
	server, err := startGreeter(t, "127.0.0.1")
	require.NoError(t, err)
	uri := "http://127.0.0.1:" + startSquid(t, proxyDirectory(t), "http_access allow all\n")

	t.Run("IPv4", func(t *testing.T) { testTunnel(t, uri, "127.0.0.1:"+server) })
	t.Run("name", func(t *testing.T) { testTunnel(t, uri, "localhost:"+server) })
	t.Run("IPv6", func(t *testing.T) {
		server, err := startGreeter(t, "::1")
		if err != nil {
			t.Skipf("no IPv6: %v", err)
		}
		testTunnel(t, uri, "[::1]:"+server)
	})
	t.Run("closed port", func(t *testing.T) {
		_, err := dialThrough(t, uri, "127.0.0.1:"+freeTCPPort(t))
		var e *proxy.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, proxy.ErrRefused)
		require.Equal(t, 503, e.Status)
	})
	t.Run("forbidden", func(t *testing.T) {
		_, err := dialThrough(t, uri, "127.0.0.1:1")
		var e *proxy.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, proxy.ErrRefused)
		require.Equal(t, "HTTP/1.1 403 Forbidden", e.StatusLine)
	})
}

func TestProxySquidWithCredentials(t *testing.T) {
	server, err := startGreeter(t, "127.0.0.1")
	require.NoError(t, err)
	dir := proxyDirectory(t)
	users := writeProxyFile(t, dir, "users", proxyUser+":"+proxyPasswordHash+"\n")
	port := startSquid(t, dir, `
auth_param basic program /usr/lib/squid/basic_ncsa_auth `+users+`
auth_param basic children 1 startup=1 idle=1
auth_param basic realm lab
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
`)

	t.Run("right", func(t *testing.T) {
		testTunnel(t, "http://"+proxyUser+":p%40ss%3A %25%C3%BC@127.0.0.1:"+port, "127.0.0.1:"+server)
	})
	for name, c := range map[string]struct {
		credentials string
		want        error
	}{
		"wrong": {proxyUser + ":wrong@", proxy.ErrAuthenticationFailed},
		"none":  {"", proxy.ErrAuthenticationRequired},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dialThrough(t, c.credentials+"127.0.0.1:"+port, "127.0.0.1:"+server)
			require.ErrorIs(t, err, c.want)
			var e *proxy.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, []string{`Basic realm="lab"`}, e.Challenges)
		})
	}
}
