package proxy_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/rtcstack/rtcstack/proxy"
	xproxy "golang.org/x/net/proxy"
)

// A Dialer is a proxy.Dialer and proxy.ContextDialer of golang.org/x/net/proxy: for example,
// PerHost goes around the proxy for some hosts.
func ExampleDialer_Dial() {
	config, err := proxy.Parse("http://proxy.example.org")
	if err != nil {
		panic(err)
	}
	perHost := xproxy.NewPerHost(&proxy.Dialer{Proxy: config}, xproxy.Direct)
	perHost.AddFromString("localhost,*.lan,127.0.0.0/8")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	conn, err := perHost.Dial("tcp", listener.Addr().String()) // directly
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Println(conn.RemoteAddr().String() == listener.Addr().String())
	// Output: true
}

// The scheme http, which golang.org/x/net/proxy does not have, is registered there.
func ExampleForwardThrough() {
	xproxy.RegisterDialerType("http", func(u *url.URL, forward xproxy.Dialer) (xproxy.Dialer, error) {
		config, err := proxy.Parse(u.String())
		if err != nil {
			return nil, err
		}
		return &proxy.Dialer{Proxy: config, Forward: proxy.ForwardThrough(forward)}, nil
	})

	u, err := url.Parse("http://127.0.0.1:1") // no proxy listens there
	if err != nil {
		panic(err)
	}
	dialer, err := xproxy.FromURL(u, xproxy.Direct)
	if err != nil {
		panic(err)
	}
	_, err = dialer.Dial("tcp", "example.org:443")
	fmt.Println(strings.HasPrefix(err.Error(), "proxy: dial (http://127.0.0.1:1): dial tcp 127.0.0.1:1"))
	// Output: true
}
