package sdp

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// fill sets every field below v to a value that is not zero.
func fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(1)
	default:
		t.Fatalf("a field of kind %v", v.Kind())
	}
}

// requireDisjoint fails if a and b, which are equal, share a slice.
func requireDisjoint(t *testing.T, a, b reflect.Value, path string) {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			requireDisjoint(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
		}
	case reflect.Slice:
		require.NotEqual(t, a.Pointer(), b.Pointer(), path)
		for i := range a.Len() {
			requireDisjoint(t, a.Index(i), b.Index(i), path+"[]")
		}
	}
}

func TestClone(t *testing.T) {
	var s Session
	fill(t, reflect.ValueOf(&s).Elem())
	var d Description
	fill(t, reflect.ValueOf(&d).Elem())
	section := d.Media[0].Clone()
	for _, pair := range [][2]any{{&s, s.Clone()}, {&d, d.Clone()}, {&d.Media[0], &section}} {
		require.Equal(t, pair[0], pair[1])
		requireDisjoint(t, reflect.ValueOf(pair[0]).Elem(), reflect.ValueOf(pair[1]).Elem(), "")
	}
	require.Equal(t, &Session{}, new(Session).Clone())
	require.Equal(t, &Description{}, new(Description).Clone())
}

// The methods of zero values do not panic, whatever zero values they are called with.
func TestZeroValues(t *testing.T) {
	for _, value := range []any{
		new(Attribute), new(Attributes), new(Codec), new(Description), new(Direction), new(Fingerprint), new(MediaDescription),
		new(ParseOptions), new(Session), new(Setup), new(SyntaxError), new(Transport), new(ValidationError),
	} {
		typ := reflect.TypeOf(value)
		for i := range typ.NumMethod() {
			method := typ.Method(i)
			arguments := []reflect.Value{reflect.New(typ.Elem())}
			for i := 1; i < method.Type.NumIn(); i++ {
				if in := method.Type.In(i); in.Kind() == reflect.Pointer {
					arguments = append(arguments, reflect.New(in.Elem()))
				} else {
					arguments = append(arguments, reflect.Zero(in))
				}
			}
			require.NotPanics(t, func() { method.Func.Call(arguments) }, "%v.%s", typ, method.Name)
		}
	}
}
