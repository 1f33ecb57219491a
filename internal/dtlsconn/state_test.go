package dtlsconn

import (
	"bytes"
	"encoding/gob"
	"testing"

	"github.com/stretchr/testify/require"
)

// serialize is what pion/dtls does, for a type with more fields than we read.
func serialize(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, gob.NewEncoder(&b).Encode(v))
	return b.Bytes()
}

type fullState struct {
	Unknown          []string
	IsClient         bool
	MasterSecret     []byte
	PeerCertificates [][]byte
}

func TestStateDecoder(t *testing.T) {
	var d stateDecoder
	first := fullState{[]string{"x"}, true, bytes.Repeat([]byte{1}, 48), [][]byte{make([]byte, 300), {2}}}
	for i := range 3 {
		got, err := d.decode(serialize(t, first))
		require.NoError(t, err)
		require.Equal(t, exportedState{IsClient: true, MasterSecret: first.MasterSecret,
			PeerCertificates: first.PeerCertificates}, got, "time %d", i)
	}
	got, err := d.decode(serialize(t, fullState{MasterSecret: []byte{3}}))
	require.NoError(t, err)
	require.Equal(t, exportedState{MasterSecret: []byte{3}}, got, "nothing remains of the one before")

	// Another type, as after an update of pion/dtls.
	got, err = d.decode(serialize(t, struct{ CipherSuiteID uint16 }{7}))
	require.NoError(t, err)
	require.Equal(t, exportedState{CipherSuiteID: 7}, got)

	whole := serialize(t, first)
	for n := range whole {
		_, err := d.decode(whole[:n])
		require.ErrorIs(t, err, errState, "%d bytes", n)
	}
	got, err = d.decode(whole)
	require.NoError(t, err, "after failures")
	require.Equal(t, first.MasterSecret, got.MasterSecret)
	require.NotContains(t, string(d.input.AvailableBuffer()[:d.input.Available()]), string(first.MasterSecret), "secrets are wiped")
}
