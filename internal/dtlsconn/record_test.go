package dtlsconn

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/ciphersuite"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

var fastSuites = []uint16{
	uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
	uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
	uint16(dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
}

// newProtection returns one direction's sealer and opener under a random key, and that key.
func newProtection(t testing.TB, id uint16) (tx *sealer, rx *opener, key, iv []byte) {
	t.Helper()
	s, ok := fastSuite(id)
	require.True(t, ok)
	key, iv = make([]byte, s.keySize), make([]byte, s.ivSize)
	_, _ = rand.Read(key)
	_, _ = rand.Read(iv)
	aead, err := s.aead(key)
	require.NoError(t, err)
	return newSealer(s, direction{aead, iv}, 0), newOpener(s, direction{aead, iv}), key, iv
}

func eachFastSuite(t *testing.T, test func(t *testing.T, id uint16)) {
	for _, id := range fastSuites {
		t.Run(CipherSuiteName(id), func(t *testing.T) { test(t, id) })
	}
}

// Records are compatible with a second implementation of RFC 5288 and RFC 7905, in both directions.
func TestRecordsAgainstPion(t *testing.T) {
	eachFastSuite(t, func(t *testing.T, id uint16) {
		tx, rx, key, iv := newProtection(t, id)
		var theirs interface {
			Encrypt(*recordlayer.RecordLayer, []byte) ([]byte, error)
			Decrypt(recordlayer.Header, []byte) ([]byte, error)
		}
		var err error
		if tx.explicit > 0 {
			theirs, err = ciphersuite.NewGCM(key, iv, key, iv)
		} else {
			theirs, err = ciphersuite.NewChaCha20Poly1305(key, iv, key, iv)
		}
		require.NoError(t, err)
		for _, size := range []int{1, 2, 15, 16, 17, 1200, maxPlaintext} {
			plaintext := make([]byte, size)
			_, _ = rand.Read(plaintext)

			sealed, err := tx.seal(nil, contentApplicationData, plaintext)
			require.NoError(t, err)
			decrypted, err := theirs.Decrypt(recordlayer.Header{}, bytes.Clone(sealed))
			require.NoError(t, err)
			require.Equal(t, plaintext, decrypted[recordHeaderSize:])

			content := &recordlayer.RecordLayer{
				Header:  recordlayer.Header{Epoch: epochApplication, Version: protocol.Version1_2, SequenceNumber: uint64(size)},
				Content: &protocol.ApplicationData{Data: plaintext},
			}
			raw, err := content.Marshal()
			require.NoError(t, err)
			encrypted, err := theirs.Encrypt(content, raw)
			require.NoError(t, err)
			r, rest, ok := nextRecord(encrypted)
			require.True(t, ok)
			require.Empty(t, rest)
			got, verdict := rx.open(r)
			require.Equal(t, opened, verdict)
			require.Equal(t, plaintext, got)
		}
	})
}

// A plaintext in the spare capacity of dst yields the same record as one elsewhere.
func TestSealInPlace(t *testing.T) {
	eachFastSuite(t, func(t *testing.T, id uint16) {
		tx, rx, _, _ := newProtection(t, id)
		message := []byte("the same bytes, wherever they lie")
		datagram := make([]byte, 0, 1500)
		for range 3 {
			spare := datagram[len(datagram)+tx.headroom() : cap(datagram)]
			plaintext := spare[:copy(spare, message)]
			var err error
			before := len(datagram)
			datagram, err = tx.seal(datagram, contentApplicationData, plaintext)
			require.NoError(t, err)
			require.Equal(t, tx.headroom()+len(message)+tagSize, len(datagram)-before)
		}
		// With too little spare capacity.
		datagram, err := tx.seal(datagram[:len(datagram):len(datagram)], contentApplicationData, message)
		require.NoError(t, err)
		all := records(datagram)
		require.Len(t, all, 4)
		for i, r := range all {
			require.EqualValues(t, i, r.sequence)
			got, verdict := rx.open(r)
			require.Equal(t, opened, verdict)
			require.Equal(t, message, got)
		}
	})
}

// RFC 6347, section 4.1.2.7: "In general, invalid records SHOULD be silently discarded, thus
// preserving the association".
func TestHostileDatagrams(t *testing.T) {
	eachFastSuite(t, func(t *testing.T, id uint16) {
		client, server := newPair(t, func(c *Config) { c.CipherSuites = []uint16{id} })
		const seed = 3
		rng := mathrand.New(mathrand.NewPCG(seed, 3))
		good := client.seal([]byte("good"))
		base := server.conn.Stats()

		// A change of any byte of a record is detected.
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << rng.IntN(8)
			server.receive(bad)
		}
		for n := range len(good) {
			server.receive(bytes.Clone(good[:n]))
		}
		for range 2000 {
			garbage := make([]byte, rng.IntN(80))
			for i := range garbage {
				garbage[i] = byte(rng.Uint32())
			}
			if len(garbage) >= recordHeaderSize && rng.IntN(2) == 0 {
				copy(garbage, good[:5])
				binary.BigEndian.PutUint16(garbage[11:], uint16(len(garbage)-recordHeaderSize))
			}
			server.receive(garbage)
		}
		require.Empty(t, server.data, "seed %d", seed)

		// An authentic record with more than 2^14 bytes of plaintext.
		tooLong := sealUnchecked(client, make([]byte, maxPlaintext+1))
		server.receive(tooLong)

		// Records of other epochs, and then a valid one in the same datagram.
		var datagram []byte
		other := make([]byte, 50)
		datagram = append(appendRecordHeader(datagram, contentApplicationData, 0, 9, len(other)), other...)
		datagram = append(appendRecordHeader(datagram, contentApplicationData, 2, 9, len(other)), other...)
		datagram = append(appendRecordHeader(datagram, contentAlert, 0, 10, 2), alertFatal, 42)
		datagram = append(datagram, good...)
		discarded := server.conn.Stats().Discarded
		server.receive(bytes.Clone(datagram))
		server.wantData([]byte("good"))
		require.EqualValues(t, 3, server.conn.Stats().Discarded-discarded)

		server.receive(bytes.Clone(good))
		stats := server.conn.Stats()
		require.EqualValues(t, 1, stats.Replayed-base.Replayed)
		require.NotZero(t, stats.BadMAC-base.BadMAC)
		require.NotZero(t, stats.Discarded-base.Discarded)
		require.EqualValues(t, 1, stats.RecordsReceived-base.RecordsReceived)

		require.Empty(t, server.closed)
		client.transmit([]byte("still here"))
		server.wantData([]byte("still here"))
	})
}

// sealUnchecked seals a record without the checks of Seal.
func sealUnchecked(e *endpoint, plaintext []byte) []byte {
	tx := e.conn.tx.Load()
	tx.mu.Lock()
	defer tx.mu.Unlock()
	length := len(plaintext)
	epochAndSequence := uint64(epochApplication)<<48 | tx.next
	nonce := tx.iv
	if tx.explicit > 0 {
		binary.BigEndian.PutUint64(nonce[4:], epochAndSequence)
	} else {
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(tx.iv[4:])^epochAndSequence)
	}
	var aad [aadSize]byte
	putAdditionalData(&aad, epochAndSequence, contentApplicationData, versionDTLS12, length)
	dst := appendRecordHeader(nil, contentApplicationData, epochApplication, tx.next, tx.explicit+length+tagSize)
	tx.next++
	dst = append(dst, nonce[nonceSize-tx.explicit:]...)
	return tx.aead.Seal(dst, nonce[:], plaintext, aad[:])
}

// Records that are reordered by thousands and duplicated are delivered once.
func TestReorderedAndDuplicatedRecords(t *testing.T) {
	client, server := newPair(t, nil)
	const seed, count = 4, replayWindow - 64
	rng := mathrand.New(mathrand.NewPCG(seed, 4))
	var datagrams [][]byte
	for i := range count {
		d := client.seal(fmt.Appendf(nil, "%d", i))
		datagrams = append(datagrams, d, d)
	}
	rng.Shuffle(len(datagrams), func(i, j int) { datagrams[i], datagrams[j] = datagrams[j], datagrams[i] })
	seen := map[string]int{}
	for _, d := range datagrams {
		server.conn.Receive(bytes.Clone(d), func(p []byte) { seen[string(p)]++ })
	}
	require.Len(t, seen, count, "seed %d", seed)
	for message, times := range seen {
		require.Equal(t, 1, times, "seed %d: %s", seed, message)
	}
	require.EqualValues(t, count, server.conn.Stats().Replayed)
}

// RFC 6347, section 4.1: "implementations MUST either abandon an association or rehandshake prior
// to allowing the sequence number to wrap".
func TestSequenceExhaustion(t *testing.T) {
	client, server := newPair(t, nil)
	tx := client.conn.tx.Load()
	tx.mu.Lock()
	tx.next = maxSequence - 2
	tx.mu.Unlock()
	var closeNotify []byte
	for range 2 {
		client.transmit([]byte("one of the last"))
		server.wantData([]byte("one of the last"))
	}
	deliver := client.intercept(func(datagram []byte) { closeNotify = datagram })
	dst := []byte("untouched")
	got, err := client.conn.Seal(dst, []byte("one too many"))
	client.drain()
	require.ErrorIs(t, err, ErrSequenceExhausted)
	require.Equal(t, dst, got)
	require.ErrorIs(t, want(t, client.closed, "Closed"), ErrSequenceExhausted)

	// The last number is that of close_notify.
	require.Len(t, records(closeNotify), 1)
	require.EqualValues(t, maxSequence, records(closeNotify)[0].sequence)
	deliver(closeNotify)
	require.NoError(t, want(t, server.closed, "Closed"))
	_, err = client.conn.Seal(nil, nil)
	require.ErrorIs(t, err, ErrClosed)
}

func TestSealErrors(t *testing.T) {
	fresh := newEndpoint(t, true, nil)
	_, err := fresh.conn.Seal(nil, []byte("x"))
	require.ErrorIs(t, err, ErrNotEstablished)
	require.ErrorIs(t, fresh.write([]byte("x")), ErrNotEstablished)
	require.Equal(t, MaxHeadroom, fresh.conn.Headroom())
	require.Equal(t, MaxOverhead, fresh.conn.Overhead())

	slow, _ := newPair(t, func(c *Config) { c.CipherSuites = []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA)} })
	_, err = slow.conn.Seal(nil, []byte("x"))
	require.ErrorIs(t, err, ErrNotFast)

	client, _ := newPair(t, nil)
	_, err = client.conn.Seal(nil, make([]byte, maxPlaintext+1))
	require.ErrorIs(t, err, ErrRecordTooLong)
	require.Equal(t, client.conn.Headroom()+tagSize, client.conn.Overhead())
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	eachFastSuite(t, func(t *testing.T, id uint16) {
		client, server := newPair(t, func(c *Config) { c.CipherSuites = []uint16{id} })
		const perDatagram = 3
		buf := make([]byte, 0, 1<<12)
		message := make([]byte, 1000)
		received := 0
		data := func(p []byte) { received += len(p) }
		allocs := testing.AllocsPerRun(200, func() {
			datagram := buf
			for range perDatagram {
				spare := datagram[len(datagram)+client.conn.Headroom() : cap(datagram)]
				var err error
				if datagram, err = client.conn.Seal(datagram, spare[:copy(spare[:len(message)], message)]); err != nil {
					t.Fatal(err)
				}
			}
			server.conn.Receive(datagram, data)
		})
		require.Zero(t, allocs)
		require.Equal(t, 201*perDatagram*len(message), received)
	})
}
