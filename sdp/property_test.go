package sdp

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// changeOne sets one field within v to a value of the pools.
func changeOne(random *rand.Rand, v reflect.Value, words []string) {
	switch v.Kind() {
	case reflect.Struct:
		changeOne(random, v.Field(random.IntN(v.NumField())), words)
	case reflect.Slice:
		n := v.Len()
		if n > 0 && random.IntN(4) == 0 {
			v.Set(v.Slice3(0, n-1, n-1))
			return
		}
		if n == 0 || random.IntN(4) == 0 {
			element := reflect.New(v.Type().Elem()).Elem()
			changeOne(random, element, words)
			v.Set(reflect.Append(v.Slice3(0, n, n), element))
			return
		}
		changeOne(random, v.Index(random.IntN(n)), words)
	case reflect.String:
		v.SetString(words[random.IntN(len(words))])
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint8:
		v.SetUint(uint64([]byte{0, 1, 2, 3, 4, 5, 255, 'c', 'f', 'y', 'a', 'm', '\n'}[random.IntN(13)]))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint([]uint64{0, 1, 9, 5000, 65535}[random.IntN(5)])
	default:
		panic(v.Kind())
	}
}

// A description that Validate accepts can be written and parsed again, and the result is accepted
// too.
func TestWhatIsValidIsRead(t *testing.T) {
	const seed = 0x7a11d
	random := rand.New(rand.NewPCG(seed, 0))
	words := []string{
		"", " ", "x", "0", "1", "a b", " x", "x ", "a,b", "x\r\na=evil", "x\ny", "\x00", "a:b", "9", "IP4", "IP6", "::1", "192.0.2.1:5000",
		"webrtc-datachannel", "5000", "UDP/DTLS/SCTP", "DTLS/SCTP", "application", "audio", "BUNDLE", "sendonly", "inactive", "mid", "group",
		"candidate", "candidate:1 1 udp 1 192.0.2.1 9 typ host", "candidate: 1 udp 1 192.0.2.1 9 typ x", "candidate:1", "bundle-only", "setup",
		"active", "setup:active", "ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "tls-id", "sctp-port", "sctpmap", "max-message-size",
		"5000 webrtc-datachannel 16", "6000 webrtc-datachannel", "end-of-candidates", "ice-lite", "sha-256", "sha-1", "md5", "now-", "0 0", "=",
		"AbCdEfGhIjKlMnOpQrS-tUvW_x=", strings.Repeat("m", 256), "é", "- 1 2 IN IP4",
	}
	var texts []string
	for _, text := range descriptions {
		texts = append(texts, crlf(text))
	}
	texts = append(texts, crlf(everyLine), strings.Replace(chromeData, "o=- 3299318957091646788 5 IN IP4 127.0.0.1",
		"y=1\nf=\nt=now-\no=- -1 0x1 IN IP4\nc=IN IP4\nc=IN IP4 1", 1)+"a=\ny=1\nc=\nc=IN 1\n")
	valid := 0
	for range 20000 {
		d, err := ParseDescription(texts[random.IntN(len(texts))])
		require.NoError(t, err)
		for range 1 + random.IntN(4) {
			changeOne(random, reflect.ValueOf(d).Elem(), words)
		}
		if d.Validate() != nil {
			continue
		}
		valid++
		written := d.String()
		again, err := ParseDescription(written)
		require.NoError(t, err, "seed %#x: %+v written as %q", seed, d, written)
		require.NoError(t, again.Validate(), "seed %#x: %+v written as %q", seed, d, written)
		require.Equal(t, written, again.String(), "seed %#x: %+v", seed, d)
		require.Equal(t, len(d.Media), len(again.Media), "seed %#x: %q", seed, written)
	}
	require.Greater(t, valid, 2000, "too few were valid")
	require.Less(t, valid, 18000, "too few were not")
}
