package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/rtcstack/rtcstack/proxy"
)

// connectProxy is a minimal HTTP proxy that supports CONNECT.
func connectProxy(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	target, err := net.Dial("tcp", r.RequestURI)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		defer target.Close()
		_, _ = io.Copy(target, buffered)
	}()
	defer client.Close()
	_, _ = io.Copy(client, target)
}

// An HTTP client that uses a proxy for all its connections.
func Example() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	server := httptest.NewServer(http.HandlerFunc(connectProxy))
	defer server.Close()

	config, err := proxy.Parse(server.URL) // http://127.0.0.1:PORT
	if err != nil {
		panic(err)
	}
	dialer := &proxy.Dialer{Proxy: config}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}

	response, err := client.Get(origin.URL)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Println(string(body))
	// Output: hello
}

func ExampleParse() {
	config, err := proxy.Parse("socks5://user:p%40ss@proxy.example.org")
	if err != nil {
		panic(err)
	}
	fmt.Println(config, config.Username, config.Password) // the text has no credentials
	// Output: socks5://proxy.example.org:1080 user p@ss
}

// The error shows the reason of a refusal.
func ExampleError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="lab"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer server.Close()
	config, err := proxy.Parse(server.URL)
	if err != nil {
		panic(err)
	}

	_, err = (&proxy.Dialer{Proxy: config}).DialContext(context.Background(), "tcp", "example.org:443")
	switch e := err.(*proxy.Error); e.Err {
	case proxy.ErrAuthenticationRequired:
		fmt.Println("credentials, please:", e.Challenges)
	case proxy.ErrRefused:
		fmt.Println("not there:", e.Status, e.Reply)
	default:
		fmt.Println(e)
	}
	// Output: credentials, please: [Basic realm="lab"]
}
