package rtc

import (
	"reflect"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/stretchr/testify/require"
)

// timersOf returns every timer and ticker that a value refers to, at any depth.
func timersOf(v any) map[uintptr]string {
	timers := map[uintptr]string{}
	type visit struct {
		at  uintptr
		typ reflect.Type
	}
	seen := map[visit]bool{}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			switch v.Type() {
			case reflect.TypeFor[*time.Timer](), reflect.TypeFor[*time.Ticker]():
				timers[v.Pointer()] = path
				return
			}
			if at := (visit{v.Pointer(), v.Type()}); !seen[at] {
				seen[at] = true
				walk(v.Elem(), path)
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem(), path)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case reflect.Slice, reflect.Array:
			switch v.Type().Elem().Kind() {
			case reflect.Pointer, reflect.Interface, reflect.Struct, reflect.Slice, reflect.Map:
				for i := range v.Len() {
					walk(v.Index(i), path)
				}
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				walk(v.MapIndex(key), path)
			}
		}
	}
	walk(reflect.ValueOf(v), "")
	return timers
}

// An established connection, with all its channels and layers, has one timer and one goroutine, the
// reader of its socket.
func TestOneTimerForAConnection(t *testing.T) {
	p := newTunedPair(t, Configuration{}, Configuration{}, tuning{ice: ice.Config{UnusedTimeout: time.Millisecond}})
	a, b := p.connect("x", nil)
	other, otherB := p.connect("y", nil)
	exchange(t, a, b, Message{Data: []byte("x")})
	exchange(t, other, otherB, Message{Data: []byte("y")})
	for _, pc := range []*PeerConnection{p.a, p.b} {
		pc.transport.dtls.Wait() // the goroutine of the handshake has ended and released its memory
		pc.mu.Lock()
		timers := timersOf(pc)
		pc.mu.Unlock()
		require.Len(t, timers, 1)
		for _, path := range timers {
			require.Equal(t, ".timer", path)
		}
	}
}
