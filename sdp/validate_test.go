package sdp

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// without returns the description of Chrome without the attributes whose lines begin with the keys.
func without(keys ...string) string {
	lines := strings.SplitAfter(chromeData, "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(line, "a="+key) })
	})
	return strings.Join(lines, "")
}

// with returns the description of Chrome with another value of an attribute.
func with(key, value string) string { return without(key) + "a=" + key + ":" + value + "\n" }

func TestValidateRefuses(t *testing.T) {
	const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n"
	for _, test := range []struct {
		name, text string
		media      int
		field      string
		missing    bool
	}{
		{"no media", "v=0\n", -1, "media", true},
		{"no ufrag", without("ice-ufrag"), 0, "ice-ufrag", true},
		{"no pwd", without("ice-pwd"), 0, "ice-pwd", true},
		{"no fingerprint", without("fingerprint"), 0, "fingerprint", true},
		{"nothing at all", data, 0, "ice-ufrag", true},
		// RFC 8839, section 5.4: 4 to 256 and 22 to 256 characters.
		{"short ufrag", with("ice-ufrag", "abc"), 0, "ice-ufrag", false},
		{"long ufrag", with("ice-ufrag", strings.Repeat("a", 257)), 0, "ice-ufrag", false},
		{"bad ufrag", with("ice-ufrag", "abc:d"), 0, "ice-ufrag", false},
		{"short pwd", with("ice-pwd", strings.Repeat("a", 21)), 0, "ice-pwd", false},
		{"long pwd", with("ice-pwd", strings.Repeat("a", 257)), 0, "ice-pwd", false},
		{"bad pwd", with("ice-pwd", strings.Repeat("a", 22)+"!"), 0, "ice-pwd", false},
		{"pwd with a space", with("ice-pwd", strings.Repeat("a", 22)+" a"), 0, "ice-pwd", false},
		// RFC 8122, section 5: MD2 and MD5 must not be used.
		{"md5", with("fingerprint", "md5 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F"), 0, "fingerprint", false},
		{"unknown hash", with("fingerprint", "sha3-256 "+fingerprintText), 0, "fingerprint", false},
		{"mid no token", with("mid", "a b"), 0, "mid", false},
		{"mid too long", with("mid", strings.Repeat("m", 256)), 0, "mid", false},
		{"mid twice", chromeData + "m=audio 0 RTP/AVP 0\na=mid:0\n", 1, "mid", false},
		{"second section without transport", chromeData + "m=audio 9 RTP/AVP 0\na=mid:1\n", 1, "ice-ufrag", true},
		{"bundled twice", "a=group:BUNDLE 0 0\n" + data, -1, "group", false},
		{"in two bundles", "a=group:BUNDLE 0 1\na=group:BUNDLE 2 1\n" + data, -1, "group", false},
		{"group mid", "a=group:BUNDLE a/b\n" + data, -1, "group", false},
		{"group semantics", "a=group:a/b\n" + data, -1, "group", false},
		// RFC 5888, section 5: the identification-tags of a group are those of sections.
		{"bundle of no section", strings.Replace(chromeData, "BUNDLE 0", "BUNDLE 0 gone", 1), -1, "group", false},
		{"group of no section", strings.Replace(chromeData, "a=group:BUNDLE 0", "a=group:LS gone", 1), -1, "group", false},
		{"group without a mid", without("mid"), -1, "group", false},
		// RFC 9143, section 7.3.3: a rejected section is not in the group.
		{"bundle of a rejected section", strings.Replace(chromeData, "BUNDLE 0", "BUNDLE 0 1", 1) + "m=audio 0 RTP/AVP 0\na=mid:1\n", -1, "group", false},
		{"rejected section first", strings.Replace(chromeData, "BUNDLE 0", "BUNDLE 1 0", 1) + "m=audio 0 RTP/AVP 0\na=mid:1\n", -1, "group", false},
		// RFC 8839, section 5.1.
		{"candidate without fields", with("candidate", "1"), 0, "candidate", false},
		{"candidate without foundation", with("candidate", "udp 1 192.0.2.1 9 typ host"), 0, "candidate", false},
		{"candidate without component", with("candidate", "1 udp udp 1 192.0.2.1 9 typ host"), 0, "candidate", false},
		{"candidate without priority", with("candidate", "1 1 udp high 192.0.2.1 9 typ host"), 0, "candidate", false},
		{"candidate without address", with("candidate", "1 1 udp 1 9 typ host"), 0, "candidate", false},
		{"candidate without port", with("candidate", "1 1 udp 1 192.0.2.1 typ host"), 0, "candidate", false},
		{"candidate port", with("candidate", "1 1 udp 1 192.0.2.1 65536 typ host"), 0, "candidate", false},
		{"candidate without type", with("candidate", "1 1 udp 1 192.0.2.1 9"), 0, "candidate", false},
		{"candidate with an empty type", with("candidate", "1 1 udp 1 192.0.2.1 9 typ"), 0, "candidate", false},
		{"candidate of a rejected section", chromeData + "m=audio 0 RTP/AVP 0\na=candidate:1\n", 1, "candidate", false},
		{"option", with("ice-options", "(a)"), 0, "ice-options", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := mustParse(t, test.text).Validate()
			var invalid *ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, test.media, invalid.Media, err)
			require.Equal(t, test.field, invalid.Field, err)
			require.Equal(t, test.missing, invalid.Missing, err)
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	longest := strings.Repeat("m", 255)
	for name, text := range map[string]string{
		"as it is":          chromeData,
		"shortest":          strings.ReplaceAll(with("ice-pwd", strings.Repeat("a", 22)), "+lKv", "a+/9"),
		"longest":           with("ice-pwd", strings.Repeat("a", 256)),
		"no mid":            without("mid", "group"),
		"no setup":          without("setup"),
		"longest mid":       strings.ReplaceAll(strings.ReplaceAll(chromeData, "BUNDLE 0", "BUNDLE "+longest), "mid:0", "mid:"+longest),
		"one hash is known": with("fingerprint", "md5 00") + "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\n",
		"rejected":          "m=audio 0 RTP/AVP 0\n",
		"one is rejected":   chromeData + "m=audio 0 RTP/AVP 0\na=mid:1\n",
		"two without mid":   without("mid", "group") + "m=audio 0 RTP/AVP 0\n",
		"bundle-only":       strings.Replace(chromeData, "BUNDLE 0", "BUNDLE 0 1", 1) + "m=audio 0 RTP/AVP 0\na=mid:1\na=bundle-only\n",
		"no format":         chromeData + "m=audio 9 UDP/TLS/RTP/SAVPF\n",
		"nothing but a=":    chromeData + "a=\n",
		"other lines":       chromeData + "y=1\nf=\n",
		// Some servers encode credentials in base64, with either alphabet, or print them. Browsers
		// accept that.
		"base64":                           with("ice-ufrag", "rBIAAW1gbWA=_1"),
		"base64url":                        strings.ReplaceAll(with("ice-pwd", "AbCdEfGhIjKlMnOpQrS-tUvW_x="), "+lKv", "ab-c_d"),
		"number sign":                      with("ice-ufrag", "ab#cd"),
		"a candidate of the future":        with("candidate", "1 1 quic 1 192.0.2.1 9 typ teleport"),
		"a candidate without a foundation": with("candidate", " 1 udp 2113667327 192.0.2.18 54400 typ host"),
		"in two groups":                    strings.Replace(chromeData, "a=group:BUNDLE 0", "a=group:BUNDLE 0\na=group:LS 0 0", 1),
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, mustParse(t, text).Validate()) })
	}
}

func TestValidationErrorSaysWhere(t *testing.T) {
	d := mustParse(t, strings.ReplaceAll(chromeData, "a=ice-ufrag:+lKv\n", ""))
	require.EqualError(t, d.Validate(), `sdp: media section 0 (mid "0"): no ice-ufrag`)
	d = mustParse(t, strings.ReplaceAll(chromeData, "a=ice-ufrag:+lKv\n", "a=ice-ufrag:"+strings.Repeat("x", 500)+"\n"))
	require.Less(t, len(d.Validate().Error()), 200, "a peer's text does not fill the log")
	require.EqualError(t, new(Description).Validate(), "sdp: no media")

	pwd := "short-secret"
	d = mustParse(t, strings.ReplaceAll(chromeData, "H9gnSA7N/gydRr6CruQSOayu", pwd))
	require.NotContains(t, d.Validate().Error(), pwd)
}

// Attributes with a field must not be among Attributes, where they could contradict the field.
func TestValidateRefusesAttributesWithAField(t *testing.T) {
	for _, key := range []string{
		"sendrecv", "sendonly", "recvonly", "inactive", "end-of-candidates", "setup:active", "ice-ufrag:abcd", "ice-pwd:x",
		"ice-options:ice2", "tls-id:x", "fingerprint:sha-1 00", "inactive ",
		"mid:1", "bundle-only", "candidate:1 1 udp 1 192.0.2.1 9 typ host", "max-message-size:1", "sctpmap:5000 webrtc-datachannel 1",
		"group:LS 0", "ice-lite", "extmap-allow-mixed",
	} {
		name, value, _ := strings.Cut(key, ":")
		attribute := Attribute{Key: name, Value: value}
		session := slices.Contains([]string{"group", "ice-lite", "extmap-allow-mixed"}, name)
		media := slices.Contains([]string{"mid", "bundle-only", "candidate", "max-message-size", "sctpmap"}, name)
		for section, fields := range map[int]bool{-1: !media, 0: !session} {
			d := mustParse(t, chromeData)
			d.Media[0].Direction = DirectionSendRecv
			list := &d.Attributes
			if section == 0 {
				list = &d.Media[0].Attributes
			}
			*list = append(*list, attribute)
			err := d.Validate()
			if !fields {
				require.NoError(t, err, "%s in section %d", key, section)
				continue
			}
			var invalid *ValidationError
			require.ErrorAs(t, err, &invalid, "%s in section %d", key, section)
			require.Equal(t, "attribute", invalid.Field)
			require.Equal(t, section, invalid.Media)
		}
	}
	// These have another meaning than the fields: a flag with a value, the mapping of another port.
	d := mustParse(t, chromeData)
	d.Media[0].Attributes = Attributes{{Key: "sendonly", Value: "x"}, {Key: "sctpmap", Value: "6000 bfcp 2"}, {Key: "ice-lite"}}
	require.NoError(t, d.Validate())
}

// A value from the user of a program must not be able to add lines to the description.
func TestValidateRefusesWhatCannotBeWritten(t *testing.T) {
	const evil = "x\r\na=evil"
	for name, change := range map[string]func(d *Description, m *MediaDescription){
		"username":          func(d *Description, _ *MediaDescription) { d.Username = evil },
		"username space":    func(d *Description, _ *MediaDescription) { d.Username = "a b" },
		"address":           func(d *Description, _ *MediaDescription) { d.Address = evil },
		"name":              func(d *Description, _ *MediaDescription) { d.Name = evil },
		"email":             func(d *Description, _ *MediaDescription) { d.Emails = []string{evil} },
		"phone":             func(d *Description, _ *MediaDescription) { d.Phones = []string{"\x00"} },
		"repeat":            func(d *Description, _ *MediaDescription) { d.Times = []Time{{Repeats: []string{evil}}} },
		"zone":              func(d *Description, _ *MediaDescription) { d.Times = []Time{{Zones: evil}} },
		"connection":        func(d *Description, _ *MediaDescription) { d.Connection.Address = evil },
		"bandwidth":         func(d *Description, _ *MediaDescription) { d.Bandwidths = []Bandwidth{{Type: evil}} },
		"attribute":         func(d *Description, _ *MediaDescription) { d.Attributes = Attributes{{Key: "x", Value: evil}} },
		"origin text":       func(d *Description, _ *MediaDescription) { d.OriginText = evil },
		"raw time":          func(d *Description, _ *MediaDescription) { d.Times = []Time{{Raw: evil}} },
		"raw connection":    func(d *Description, _ *MediaDescription) { d.Connection.Raw = evil },
		"other line":        func(d *Description, _ *MediaDescription) { d.Others = []Line{{'y', evil}} },
		"other type":        func(_ *Description, m *MediaDescription) { m.Others = []Line{{'a', "x"}} },
		"direction":         func(_ *Description, m *MediaDescription) { m.Direction = 9 },
		"session direction": func(d *Description, _ *MediaDescription) { d.Direction = 9 },
		"no format": func(d *Description, _ *MediaDescription) {
			d.Media = append(d.Media, MediaDescription{Kind: KindAudio, Transport: d.Media[0].Transport})
		},
		// The session part must be valid even if every section has attributes of its own.
		"session ufrag": func(d *Description, _ *MediaDescription) { d.ICEUfrag = evil },
		"session pwd":   func(d *Description, _ *MediaDescription) { d.ICEPwd = " x" },
		"session setup": func(d *Description, _ *MediaDescription) { d.Transport.Setup = 77 },
		"session hash":  func(d *Description, _ *MediaDescription) { d.Fingerprints = []Fingerprint{{Algorithm: SHA1}} },
		"rejected section": func(d *Description, _ *MediaDescription) {
			d.Media = append(d.Media, MediaDescription{Kind: KindAudio, Rejected: true, Transport: Transport{ICEUfrag: evil}})
		},
		"kind":              func(_ *Description, m *MediaDescription) { m.Kind = evil },
		"no kind":           func(_ *Description, m *MediaDescription) { m.Kind = "" },
		"protocol":          func(_ *Description, m *MediaDescription) { m.Protocol = evil },
		"format":            func(_ *Description, m *MediaDescription) { m.Formats = []string{"a b"} },
		"empty format":      func(_ *Description, m *MediaDescription) { m.Formats = []string{""} },
		"title":             func(_ *Description, m *MediaDescription) { m.Title = evil },
		"media connection":  func(_ *Description, m *MediaDescription) { m.Connections = []Connection{{Address: "a b"}} },
		"media bandwidth":   func(_ *Description, m *MediaDescription) { m.Bandwidths = []Bandwidth{{}} },
		"candidate":         func(_ *Description, m *MediaDescription) { m.Candidates = []string{"candidate:" + evil} },
		"candidate with a=": func(_ *Description, m *MediaDescription) { m.Candidates = []string{"a=candidate:1"} },
		"media attribute":   func(_ *Description, m *MediaDescription) { m.Attributes = Attributes{{Key: evil}} },
		"key with colon":    func(_ *Description, m *MediaDescription) { m.Attributes = Attributes{{Key: "a:b"}} },
		"no key":            func(_ *Description, m *MediaDescription) { m.Attributes = Attributes{{Value: "b"}} },
		"ufrag":             func(_ *Description, m *MediaDescription) { m.ICEUfrag = evil },
		"tls-id":            func(_ *Description, m *MediaDescription) { m.TLSID = evil },
		"setup":             func(_ *Description, m *MediaDescription) { m.Setup = 77 },
		"option":            func(_ *Description, m *MediaDescription) { m.ICEOptions = []string{""} },
		"hash":              func(_ *Description, m *MediaDescription) { m.Fingerprints[0].Algorithm = evil },
		"short hash":        func(_ *Description, m *MediaDescription) { m.Fingerprints[0].Value = []byte{1} },
		"no hash":           func(_ *Description, m *MediaDescription) { m.Fingerprints = append(m.Fingerprints, Fingerprint{}) },
	} {
		t.Run(name, func(t *testing.T) {
			d := mustParse(t, chromeData)
			require.NoError(t, d.Validate())
			change(d, &d.Media[0])
			var invalid *ValidationError
			require.ErrorAs(t, d.Validate(), &invalid)
		})
	}
}
