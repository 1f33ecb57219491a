package sctp

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The methods of zero values do not panic, whatever zero values they are called with.
func TestZeroValues(t *testing.T) {
	for _, value := range []any{
		new(AbortError), new(Association), new(CauseCode), new(Config), new(Conn), new(ConfigError),
		new(CongestionControl), new(Event), new(EventKind), new(Message), new(Scheduler), new(State), new(StreamResetError),
	} {
		typ := reflect.TypeOf(value)
		for i := range typ.NumMethod() {
			method := typ.Method(i)
			require.NotPanics(t, func() {
				method.Func.Call(zeroArguments(method.Type, reflect.New(typ.Elem())))
			}, "%v.%s", typ, method.Name)
		}
	}
}

// zeroArguments returns the arguments of a method: the receiver, zero values, and pointers to them.
func zeroArguments(method reflect.Type, receiver reflect.Value) []reflect.Value {
	arguments := []reflect.Value{receiver}
	for i := 1; i < method.NumIn(); i++ {
		switch in := method.In(i); {
		case method.IsVariadic() && i == method.NumIn()-1:
		case in == reflect.TypeFor[context.Context]():
			arguments = append(arguments, reflect.ValueOf(context.Background()))
		case in.Kind() == reflect.Func:
			arguments = append(arguments, reflect.MakeFunc(in, func([]reflect.Value) []reflect.Value { return nil }))
		case in.Kind() == reflect.Pointer:
			arguments = append(arguments, reflect.New(in.Elem()))
		default:
			arguments = append(arguments, reflect.Zero(in))
		}
	}
	return arguments
}

// The zero value of an Association is one that has ended.
func TestZeroAssociation(t *testing.T) {
	var a Association
	now := time.Now()
	a.Connect(now)
	a.Receive(now, make([]byte, 100))
	a.Advance(now.Add(time.Hour))
	a.PathRestored(now)
	a.PathChanged(now, 1500, 1500)
	a.NotifySenderDry()
	a.GrowReceiveWindow(1 << 20)
	a.Trim()
	a.Shutdown(now)
	a.Abort(now, "reason")
	require.ErrorIs(t, a.Send(now, 0, 51, []byte("x"), SendOptions{}), ErrClosed)
	require.ErrorIs(t, a.ResetStream(now, 0), ErrClosed)
	require.ErrorIs(t, a.RequestStreamReset(now), ErrClosed)
	require.ErrorIs(t, a.ResetAssociation(now), ErrClosed)
	require.ErrorIs(t, a.AddStreams(now, 1, 1), ErrClosed)
	require.ErrorIs(t, a.SetStreamPriority(0, 1), ErrInvalidStream)
	require.ErrorIs(t, a.SetBufferedAmountLowThreshold(0, 1), ErrInvalidStream)
	_, ok := a.Transmit(now, nil)
	require.False(t, ok)
	_, ok = a.ReadMessage()
	require.False(t, ok)
	_, ok = a.Event()
	require.False(t, ok)
	require.Zero(t, a.Deadline())
	require.Equal(t, StateClosed, a.State())
	require.Equal(t, Stats{PacketsReceived: 1, BytesReceived: 100, ChecksumErrors: 1}, a.Stats())
	require.Zero(t, a.StreamStats(0))
	require.Zero(t, a.BufferedAmount()+a.Undelivered()+a.ReceiveWindow())
}

// The zero value of a Conn is a closed one.
func TestZeroConn(t *testing.T) {
	ctx := t.Context()
	for _, method := range []func(*Conn) error{
		func(c *Conn) error { return c.Send(ctx, 0, 51, []byte("x"), SendOptions{}) },
		func(c *Conn) error { _, err := c.Receive(ctx); return err },
		func(c *Conn) error { return c.ResetStream(ctx, 0) },
		func(c *Conn) error { return c.Shutdown(ctx) },
		func(c *Conn) error {
			var err error
			c.Do(func(a *Association, now time.Time) { err = a.Send(now, 0, 51, []byte("x"), SendOptions{}) })
			return err
		},
	} {
		require.Equal(t, ErrClosed, method(new(Conn)))
	}
	var c Conn
	require.NoError(t, c.Flush(ctx), "nothing is unacknowledged")
	require.Zero(t, c.Stats())
	c.Release(new(Message))
	c.Abort("reason")
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}
