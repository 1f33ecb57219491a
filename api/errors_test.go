package rtc

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/websocket"
)

var classes = []error{ErrInvalid, ErrFailure, ErrNotAvailable, ErrTooSmall}

// wantClass checks that an error of the package matches this class and no other, and that its text
// is well-formed.
func wantClass(t *testing.T, err, class error) {
	t.Helper()
	require.ErrorIs(t, err, class)
	for _, other := range classes {
		if other != class {
			require.NotErrorIs(t, err, other)
		}
	}
	wantGoodText(t, err.Error())
}

// wantGoodText checks that the text of an error has the package's prefix, and no part twice.
func wantGoodText(t *testing.T, text string) {
	t.Helper()
	require.True(t, strings.HasPrefix(text, "rtc: "), text)
	seen := make(map[string]bool)
	for _, part := range strings.Split(text, ": ") {
		require.NotEmpty(t, strings.TrimSpace(part), text)
		require.False(t, seen[strings.ToLower(part)], "%q is there twice: %s", part, text)
		seen[strings.ToLower(part)] = true
	}
}

// No error text contains a part twice, for any operation of this package and any failure of the
// layers below. The texts are read from the source.
func TestErrorTextsSayNothingTwice(t *testing.T) {
	own := errorTexts(t, ".")
	require.Greater(t, len(own), 60)
	var below []string
	for _, dir := range []string{"../ice", "../sctp", "../sctp/dcep", "../sdp", "../websocket", "../proxy", "../stun", "../internal/dtlsconn"} {
		texts := errorTexts(t, dir)
		require.NotEmpty(t, texts, dir)
		below = append(below, texts...)
	}
	require.Greater(t, len(below), 150)
	for _, text := range own {
		require.False(t, strings.HasPrefix(strings.ToLower(text), "rtc:"), "the prefix is added by Error: %q", text)
		wantGoodText(t, wrapError(ErrFailure, wrapError(ErrFailure, errClosed, "%s", text), "send").Error())
		for _, cause := range below {
			wantGoodText(t, wrapError(ErrFailure, errors.New(cause), "%s", text).Error())
		}
	}
}

// verb matches a verb of a format.
var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// errorTexts returns the texts of the errors that a package creates, read from its source, with a
// different word for each verb.
func errorTexts(t *testing.T, dir string) (texts []string) {
	t.Helper()
	// The index of the argument that is the text of the error.
	text := map[string]int{"invalidf": 0, "failuref": 0, "notAvailablef": 0, "wrapError": 2, "New": 0, "Errorf": 0}
	files := must(filepath.Glob(filepath.Join(dir, "*.go")))
	require.NotEmpty(t, files)
	places := 0
	add := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text := verb.ReplaceAllStringFunc(must(strconv.Unquote(literal.Value)), func(string) string {
				places++
				return fmt.Sprint("place ", places)
			})
			texts = append(texts, text)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file := must(parser.ParseFile(token.NewFileSet(), name, nil, 0))
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				if i, ok := text[name]; ok && i < len(n.Args) {
					add(n.Args[i])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "text" {
					add(n.Value)
				}
			}
			return true
		})
	}
	return texts
}

// The errors of the exported functions, one of each kind, match one class, and their texts have no
// repetitions.
func TestErrorsOfThePublicFunctions(t *testing.T) {
	inNetwork(t, 1, testErrorsOfThePublicFunctions)
}

func testErrorsOfThePublicFunctions(t *testing.T, n *network) {
	tooLong := strings.Repeat("x", maxNameLength+1)
	open := n.pair(place{})
	dc, _ := open.connect("x", nil)
	idle := n.connection(manual)
	waiting, err := idle.CreateDataChannel("waiting", nil)
	require.NoError(t, err)
	closed := n.connection(Configuration{})
	closedChannel, err := closed.CreateDataChannel("closed", nil)
	require.NoError(t, err)
	require.NoError(t, closed.CloseAndWait())
	two := func(_ any, err error) error { return err }
	missing := filepath.Join(t.TempDir(), "missing.pem")
	offer := must(idle.CreateOffer())
	without := func(line string) SessionDescription {
		require.Contains(t, offer.SDP, line)
		d := offer
		d.SDP = strings.ReplaceAll(d.SDP, line, "x-"+line)
		return d
	}
	for name, c := range map[string]struct{ err, class error }{
		"ICE server":         {two(NewPeerConnection(Configuration{ICEServers: []string{"http:x"}})), ErrInvalid},
		"proxy":              {two(NewPeerConnection(Configuration{ProxyServer: "gopher:x"})), ErrInvalid},
		"bind address":       {two(NewPeerConnection(Configuration{BindAddress: "x"})), ErrInvalid},
		"certificate file":   {two(NewPeerConnection(Configuration{CertificatePEMFile: missing, KeyPEMFile: missing})), ErrInvalid},
		"certificate alone":  {two(NewPeerConnection(Configuration{CertificatePEMFile: missing})), ErrInvalid},
		"relay without TURN": {two(NewPeerConnection(Configuration{ICETransportPolicy: TransportPolicyRelay})), ErrInvalid},
		"MTU":                {two(NewPeerConnection(Configuration{MTU: 1})), ErrInvalid},

		"no description":         {two(idle.LocalDescription()), ErrNotAvailable},
		"no remote description":  {two(idle.RemoteDescription()), ErrNotAvailable},
		"no address":             {two(idle.LocalAddr()), ErrNotAvailable},
		"no stream":              {two(waiting.Stream()), ErrNotAvailable},
		"answer to nothing":      {two(idle.CreateAnswer()), ErrFailure},
		"set answer to nothing":  {idle.SetLocalDescription(DescriptionAnswer), ErrFailure},
		"no SDP":                 {idle.SetRemoteDescription(SessionDescription{Type: DescriptionOffer, SDP: "x"}), ErrInvalid},
		"no fingerprint":         {idle.SetRemoteDescription(without("a=fingerprint:")), ErrInvalid},
		"no credentials":         {idle.SetRemoteDescription(without("a=ice-pwd:")), ErrInvalid},
		"no type":                {idle.SetRemoteDescription(SessionDescription{SDP: offer.SDP, Type: 77}), ErrInvalid},
		"credentials":            {idle.SetLocalDescriptionInit(DescriptionOffer, LocalDescriptionInit{ICEUfrag: "x", ICEPwd: "y"}), ErrInvalid},
		"candidate":              {open.a.AddRemoteCandidate(Candidate{Candidate: "candidate:nonsense"}), ErrInvalid},
		"label":                  {two(idle.CreateDataChannel(tooLong, nil)), ErrInvalid},
		"stream in use":          {two(open.a.CreateDataChannel("y", &DataChannelInit{ManualStream: true, Stream: must(dc.Stream())})), ErrInvalid},
		"send before open":       {waiting.Send(nil), ErrFailure},
		"large message":          {dc.Send(make([]byte, dc.MaxMessageSize()+1)), ErrInvalid},
		"nothing to receive":     {two(dc.Receive()), ErrNotAvailable},
		"closed: channel":        {two(closed.CreateDataChannel("z", nil)), ErrFailure},
		"closed: offer":          {two(closed.CreateOffer()), ErrFailure},
		"closed: candidate":      {closed.AddRemoteCandidate(Candidate{}), ErrFailure},
		"closed: restart":        {closed.RestartICE(), ErrFailure},
		"closed: send":           {closedChannel.Send(nil), ErrFailure},
		"closed: read":           {two(closedChannel.ReadMessage(t.Context())), ErrFailure},
		"closed: write":          {closedChannel.WriteMessage(t.Context(), Message{}), ErrFailure},
		"WebSocket: URL":         {two(NewWebSocket("http://x", nil)), ErrInvalid},
		"WebSocket: host":        {two(NewWebSocket("wss://", nil)), ErrInvalid},
		"WebSocket: certificate": {two(NewWebSocketServer(WebSocketServerConfiguration{EnableTLS: true, CertificatePEMFile: missing, KeyPEMFile: missing}, nil)), ErrInvalid},
	} {
		require.ErrorIs(t, c.err, c.class, name)
		wantClass(t, c.err, c.class)
	}
}

// A status code and the fault behind it may have the same name.
func TestErrorOfAMessageThatIsTooBig(t *testing.T) {
	cause := &websocket.ProtocolError{Code: websocket.StatusMessageTooBig, Err: websocket.ErrMessageTooBig}
	require.EqualError(t, cause, "websocket: message too big")
	require.EqualError(t, wrapError(ErrFailure, cause, "WebSocket"), "rtc: WebSocket: message too big")
}
