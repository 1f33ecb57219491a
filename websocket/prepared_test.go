package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

func TestPreparedMessageArrives(t *testing.T) {
	takeover := &compressionParams{false, false, 15, 15}
	for name, compression := range map[string]*compressionParams{
		"plain": nil, "context takeover": takeover, "no context takeover": {true, true, 15, 15}, "small windows": {false, false, 9, 8},
	} {
		cfg := connConfig{compression: compression, compressionThreshold: -1, maxMessageSize: -1}
		t.Run(name, func(t *testing.T) {
			pairs(t, cfg, cfg, func(t *testing.T, client, server *Conn) {
				for _, size := range []int{0, 1, 125, 126, 2000, maxCopy, maxCopy + 1, maxMaskedCopy + 1, 300 << 10} {
					want := append(bytes.Repeat([]byte("compressible "), size/26), pattern(size/2)...)
					m := NewPreparedMessage(MessageBinary, want)
					for _, c := range [][2]*Conn{{client, server}, {server, client}} {
						// The messages around it refer to each other where there is context
						// takeover.
						sent := make(chan error, 1)
						go func() {
							sent <- errors.Join(c[0].Write(background(), MessageText, []byte(strings.Repeat("before ", 20))),
								c[0].WritePrepared(background(), m), c[0].WritePrepared(background(), m),
								c[0].Write(background(), MessageText, []byte(strings.Repeat("before ", 20))))
						}()
						for i := range 4 {
							typ, got, err := c[1].Read(background())
							require.NoError(t, err)
							if i == 0 || i == 3 {
								require.Equal(t, strings.Repeat("before ", 20), string(got))
								continue
							}
							require.Equal(t, MessageBinary, typ)
							require.True(t, bytes.Equal(want, got), "%d bytes", size)
						}
						require.NoError(t, <-sent)
					}
				}
			})
		})
	}
}

// All servers send the same bytes, compressed once for each window size.
func TestPreparedMessageIsMadeOnce(t *testing.T) {
	data := []byte(strings.Repeat("hello ", 100))
	m := NewPreparedMessage(MessageText, data)
	data[0] = 'j' // the message has a copy
	plain := NewSender(Config{}, nil)
	require.Equal(t, plain.AppendMessage(nil, MessageText, []byte(strings.Repeat("hello ", 100))), plain.AppendPrepared(nil, m))

	compressed := NewSender(Config{Compression: &CompressionOptions{}}, nil)
	first := compressed.AppendPrepared(nil, m)
	require.Less(t, len(first), 100)
	require.Equal(t, byte(bitFin|bitRsv1|1), first[0])
	require.Equal(t, first, compressed.AppendPrepared(nil, m))
	require.Equal(t, first, NewSender(Config{Compression: &CompressionOptions{}}, nil).AppendPrepared(nil, m))

	f := m.compressed[15].Load()
	require.NotNil(t, f)
	require.Same(t, f, compressed.prepared(m))
	require.Nil(t, m.compressed[9].Load())
	small := NewSender(Config{Compression: &CompressionOptions{ServerMaxWindowBits: 9}}, nil)
	small.AppendPrepared(nil, m)
	require.NotNil(t, m.compressed[9].Load())

	// Smaller messages than the threshold, and those that would grow, are sent as they are.
	threshold := NewSender(Config{Compression: &CompressionOptions{Threshold: 601}}, nil)
	require.Equal(t, plain.AppendPrepared(nil, m), threshold.AppendPrepared(nil, m))
	random := NewPreparedMessage(MessageBinary, []byte("\x8f\x1c\xd2\x33\x07"))
	always := NewSender(Config{Compression: &CompressionOptions{Threshold: -1}}, nil)
	require.Equal(t, "\x82\x05\x8f\x1c\xd2\x33\x07", string(always.AppendPrepared(nil, random)))
}

func TestPreparedMessageIsSharedByGoroutines(t *testing.T) {
	m := NewPreparedMessage(MessageText, []byte(strings.Repeat("room ", 1000)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, bits := range []int{9, 12, 15} {
				s := NewSender(Config{Compression: &CompressionOptions{ServerMaxWindowBits: bits}}, nil)
				r := NewReceiver(Config{Client: true, Compression: &CompressionOptions{ServerMaxWindowBits: bits}})
				message, _, event, err := r.Receive(nil, s.AppendPrepared(nil, m))
				if err != nil || event != EventMessage || string(message) != strings.Repeat("room ", 1000) {
					t.Errorf("%d bits: %v %v", bits, event, err)
				}
			}
		})
	}
	wg.Wait()
}

// Each masked copy has a key of its own.
func TestPreparedMessageOfAClientIsMaskedAnew(t *testing.T) {
	key := uint32(0)
	s := NewSender(Config{Client: true}, func() uint32 { key++; return key })
	m := NewPreparedMessage(MessageText, []byte("hi"))
	require.Equal(t, "\x81\x82\x01\x00\x00\x00ii", string(s.AppendPrepared(nil, m)))
	require.Equal(t, "\x81\x82\x02\x00\x00\x00ji", string(s.AppendPrepared(nil, m)))
	require.Equal(t, "hi", string(m.plain.payload()))
}

func TestPreparedMessageErrors(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		require.ErrorIs(t, s.conn.WritePrepared(background(), &PreparedMessage{}), ErrMessageType)
		require.ErrorIs(t, s.conn.WritePrepared(background(), NewPreparedMessage(3, nil)), ErrMessageType)
		m := NewPreparedMessage(MessageText, nil)
		ctx, cancel := context.WithCancel(background())
		cancel()
		require.ErrorIs(t, s.conn.WritePrepared(ctx, m), context.Canceled)
		require.NoError(t, s.conn.WritePrepared(background(), m))
		s.wants("\x81\x00")
		// It waits while another message is sent in parts.
		w, err := s.conn.Writer(background(), MessageText)
		require.NoError(t, err)
		waiting := s.does(func() error { return s.conn.WritePrepared(background(), m) })
		require.False(t, waiting.now().done)
		_, _ = io.WriteString(w, "x")
		require.NoError(t, w.Close())
		require.Equal(t, result{done: true}, waiting.now())
		s.wants("\x81\x01x\x81\x00")
		s.conn.CloseNow()
		require.ErrorIs(t, s.conn.WritePrepared(background(), m), ErrClosed)
	})
}

func TestPreparedMessagesDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	for name, compression := range map[string]*compressionParams{
		"plain": nil, "context takeover": {false, false, 15, 15}, "no context takeover": {true, true, 15, 15},
	} {
		for _, size := range []int{100, 64 << 10} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				cfg := connConfig{compression: compression, compressionThreshold: -1}
				client, server := tcpPair(t, cfg, cfg)
				m := NewPreparedMessage(MessageText, bytes.Repeat([]byte("all work and no play "), size/21))
				buf := make([]byte, 0, 2*size)
				round := func() {
					for _, c := range [][2]*Conn{{client, server}, {server, client}} {
						written := c[0].WritePrepared(background(), m)
						_, got, err := c[1].ReadInto(background(), buf)
						if written != nil || err != nil || len(got) != size/21*21 {
							t.Fatal(written, err, len(got))
						}
					}
				}
				round()
				require.Less(t, testing.AllocsPerRun(100, round), 0.5)
			})
		}
	}
}

func BenchmarkPrepared(b *testing.B) {
	data := bytes.Repeat([]byte(`{"from":"alice","text":"hello everyone"}`), 25)
	for name, compression := range map[string]*CompressionOptions{"plain": nil, "deflate": {ServerNoContextTakeover: true}} {
		m := NewPreparedMessage(MessageText, data)
		s := NewSender(Config{Compression: compression}, nil)
		var dst []byte
		b.Run(name+"/each", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = s.AppendMessage(dst[:0], MessageText, data)
			}
		})
		b.Run(name+"/prepared", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = s.AppendPrepared(dst[:0], m)
			}
		})
	}
}
