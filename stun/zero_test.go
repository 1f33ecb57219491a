package stun

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// The methods of zero values do not panic, whatever zero values they are called with.
func TestZeroValues(t *testing.T) {
	for _, value := range []any{
		new(AttributeType), new(Builder), new(Class), new(Credentials), new(Family), new(ICMP), new(Key), new(Message), new(Method),
		new(ParseError), new(PasswordAlgorithm), new(ReservationToken), new(ResponseError), new(SecurityFeatures),
		new(Transaction), new(TransactionID), new(TransactionState), new(Type),
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
		case in.Kind() == reflect.Pointer:
			arguments = append(arguments, reflect.New(in.Elem()))
		default:
			arguments = append(arguments, reflect.Zero(in))
		}
	}
	return arguments
}

func TestZeroBuilder(t *testing.T) {
	var b Builder
	b.AddUint32(AttributePriority, 1)
	require.ErrorIs(t, b.Err(), ErrNoHeader)
	require.Empty(t, b.Bytes())
}

func TestNames(t *testing.T) {
	require.Equal(t, "IPv4", FamilyIPv4.String())
	require.Equal(t, "IPv6", FamilyIPv6.String())
	require.Equal(t, "0x03", Family(3).String())
	require.Equal(t, "none", SecurityFeatures(0).String())
	require.Equal(t, "password algorithms, username anonymity, 0x000001",
		(FeaturePasswordAlgorithms | FeatureUsernameAnonymity | 1).String())
}
