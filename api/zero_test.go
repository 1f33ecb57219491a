package rtc

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// zeroValues are pointers to the zero values of all exported types with methods.
var zeroValues = []any{
	new(PeerConnection), new(DataChannel), new(Track), new(WebSocket), new(WebSocketServer), new(Configuration), new(UndeliveredError), new(Signal),
	new(State), new(ICEState), new(GatheringState), new(SignalingState), new(DescriptionType),
	new(CertificateType), new(TransportPolicy), new(Direction),
}

// exportedTypesWithMethods returns the names of the exported types that this package declares exported
// methods for.
func exportedTypesWithMethods(t *testing.T) (names []string) {
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			receiver := f.Recv.List[0].Type
			if p, ok := receiver.(*ast.StarExpr); ok {
				receiver = p.X
			}
			if name := receiver.(*ast.Ident).Name; ast.IsExported(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// No method of a zero value panics or blocks. Each fails, or acts as on a closed object.
func TestZeroValues(t *testing.T) {
	var covered []string
	for _, v := range zeroValues {
		covered = append(covered, reflect.TypeOf(v).Elem().Name())
	}
	require.Subset(t, covered, exportedTypesWithMethods(t))
	for _, v := range zeroValues {
		typ := reflect.TypeOf(v)
		for i := range typ.NumMethod() {
			t.Run(typ.Elem().Name()+"."+typ.Method(i).Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // a call that blocks for ever fails the test
					for _, nils := range []bool{false, true} {
						callZero(t, reflect.New(typ.Elem()).Method(i), nils)
					}
				})
			})
		}
	}
}

// callZero calls a method with zero arguments. A function argument is nil, or a function that must
// not be called.
func callZero(t *testing.T, method reflect.Value, nils bool) {
	var args []reflect.Value
	for i := range method.Type().NumIn() {
		in := method.Type().In(i)
		switch {
		case in == reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(t.Context()))
		case in.Kind() == reflect.Func && !nils:
			args = append(args, reflect.MakeFunc(in, func([]reflect.Value) []reflect.Value {
				t.Error("a callback was called")
				return nil
			}))
		case i == method.Type().NumIn()-1 && method.Type().IsVariadic():
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	for _, result := range method.Call(args) {
		switch r := result.Interface().(type) {
		case error:
			require.Negative(t, ErrorCode(r))
		case net.Conn:
			_, err := r.Write([]byte("x"))
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = r.Read(make([]byte, 1))
			require.ErrorIs(t, err, net.ErrClosed)
			require.NoError(t, r.SetDeadline(time.Now()))
			require.NoError(t, r.Close())
		}
	}
}

func TestZeroValuesAreClosed(t *testing.T) {
	var pc PeerConnection
	require.Equal(t, StateClosed, pc.State())
	require.Equal(t, ICEStateClosed, pc.ICEState())
	_, err := pc.CreateDataChannel("x", nil)
	require.ErrorIs(t, err, ErrFailure)
	require.EqualError(t, err, "rtc: closed: not made by this package")
	require.ErrorIs(t, pc.SetLocalDescription(DescriptionAuto), ErrFailure)
	require.ErrorIs(t, pc.RestartICE(), net.ErrClosed)
	for _, c := range []Channel{new(DataChannel), new(Track), new(WebSocket)} {
		require.True(t, c.IsClosed())
		require.False(t, c.IsOpen())
		require.ErrorIs(t, c.Send(nil), ErrFailure)
		require.ErrorIs(t, c.SendText("x"), net.ErrClosed)
		require.ErrorIs(t, c.WriteMessage(t.Context(), Message{}), net.ErrClosed)
		_, err := c.ReadMessage(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Receive()
		require.ErrorIs(t, err, ErrNotAvailable)
	}
}
