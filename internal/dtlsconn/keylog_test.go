package dtlsconn

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func keyLogLine(random, master byte) []byte {
	return fmt.Appendf(nil, "CLIENT_RANDOM %x %x\n", bytes.Repeat([]byte{random}, randomSize), bytes.Repeat([]byte{master}, masterSize))
}

func TestKeyLog(t *testing.T) {
	var l keyLog
	_, _, ok := l.take()
	require.False(t, ok, "nothing was written")

	l = keyLog{}
	for _, line := range [][]byte{keyLogLine(1, 2), keyLogLine(3, 4)} {
		n, err := l.Write(line)
		require.NoError(t, err)
		require.Equal(t, len(keyLogLine(0, 0)), n)
		require.Equal(t, make([]byte, n), line, "the secret does not stay in the line")
	}
	random, master, ok := l.take()
	require.True(t, ok)
	require.Equal(t, bytes.Repeat([]byte{3}, randomSize), random[:], "the last line counts")
	require.Equal(t, bytes.Repeat([]byte{4}, masterSize), master[:])
	require.Zero(t, l.master)
	_, err := l.Write(keyLogLine(5, 6))
	require.NoError(t, err)
	_, _, ok = l.take()
	require.False(t, ok, "once")
	require.Zero(t, l.master)

	l = keyLog{}
	_, err = l.Write(keyLogLine(1, 2))
	require.NoError(t, err)
	l.discard()
	require.Zero(t, l.master)
	_, _, ok = l.take()
	require.False(t, ok)
}

func TestKeyLogRejectsOtherLines(t *testing.T) {
	good := string(keyLogLine(1, 2))
	for _, line := range []string{
		"", "\n", "CLIENT_RANDOM", "CLIENT_RANDOM \n", good[:len(good)-2], good + "00", "CLIENT_HANDSHAKE_TRAFFIC_SECRET" + good[13:],
		good[:20] + "x" + good[21:], good[:100] + "x" + good[101:], good[:14] + good[16:],
	} {
		var l keyLog
		_, err := l.Write([]byte(line))
		require.ErrorIs(t, err, errKeyLog, "%q", line)
		_, _, ok := l.take()
		require.False(t, ok)
	}
}

// A handshake fails if the collected secrets are not its own: with another master secret or another
// random, in either role.
func TestKeysOfAnotherHandshakeAreRejected(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		for name, tamper := range map[string]func(*attempt){
			"master secret": func(at *attempt) {
				at.keyLog.mu.Lock()
				at.keyLog.master[5] ^= 1
				at.keyLog.mu.Unlock()
			},
			"client's random": func(at *attempt) {
				at.keyLog.mu.Lock()
				at.keyLog.clientRandom[5] ^= 1
				at.keyLog.mu.Unlock()
			},
			"server's random": func(at *attempt) {
				at.randoms.mu.Lock()
				at.randoms.hello[0].bytes[5] ^= 1
				at.randoms.mu.Unlock()
			},
			"no master secret": func(at *attempt) { at.keyLog.discard() },
			"no server's random": func(at *attempt) {
				at.randoms.mu.Lock()
				at.randoms.hello[0].known = 0
				at.randoms.mu.Unlock()
			},
		} {
			t.Run(role+"/"+name, func(t *testing.T) {
				client, server := newEndpoint(t, true, nil), newEndpoint(t, false, nil)
				connect(t, client, server)
				victim := client
				if role == "server" {
					victim = server
				}
				// ChangeCipherSpec is written after the keys are known, and before the handshake is
				// complete.
				var once sync.Once
				at := victim.conn.attempt
				observe := at.pipe.written
				at.pipe.written = func(datagram []byte) {
					if observe != nil {
						observe(datagram)
					}
					for _, r := range records(datagram) {
						if r.contentType == contentChangeCipherSpec {
							once.Do(func() { tamper(at) })
						}
					}
				}
				client.conn.Start()
				server.conn.Start()
				require.ErrorIs(t, want(t, victim.handshaked, "Handshaked"), errState)
				_, err := victim.conn.Seal(nil, []byte("x"))
				require.ErrorIs(t, err, ErrClosed)
			})
		}
	}
}

// After the handshake no attempt keeps the master secret in its key log, whether it has succeeded
// or failed.
func TestKeyLogIsWiped(t *testing.T) {
	for _, fail := range []bool{false, true} {
		t.Run(fmt.Sprintf("fail=%v", fail), func(t *testing.T) {
			reject := func(c *Config) {
				if fail {
					c.VerifyPeer = func([]byte) error { return fmt.Errorf("rejected") }
				}
			}
			client, server := newEndpoint(t, true, nil), newEndpoint(t, false, reject)
			connect(t, client, server)
			client.conn.Start()
			client.conn.mu.Lock()
			logs := []*keyLog{client.conn.attempt.keyLog, client.conn.standby.keyLog, server.conn.attempt.keyLog}
			client.conn.mu.Unlock()
			server.conn.Start()
			for _, e := range []*endpoint{client, server} {
				require.Equal(t, fail, want(t, e.handshaked, "Handshaked") != nil)
				e.conn.Wait()
			}
			for i, l := range logs {
				l.mu.Lock()
				require.Zero(t, l.master, "attempt %d", i)
				require.True(t, l.closed)
				l.mu.Unlock()
			}
		})
	}
}
