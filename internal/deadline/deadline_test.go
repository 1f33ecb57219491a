package deadline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/stretchr/testify/require"
)

func passed(d *deadline.Deadline) bool {
	select {
	case <-d.Expired():
		return true
	default:
		return false
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline.Deadline
		d.Init()
		time.Sleep(time.Hour)
		require.False(t, passed(&d), "none is set")

		d.Set(time.Now().Add(time.Second))
		waiting := d.Expired()
		d.Set(time.Now().Add(3 * time.Second)) // changed while a goroutine waits
		time.Sleep(2 * time.Second)
		require.False(t, passed(&d))
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, passed(&d))
		<-waiting

		d.Set(time.Time{})
		require.False(t, passed(&d), "the deadline is removed")
		d.Set(time.Now().Add(-time.Second))
		require.True(t, passed(&d), "in the past")
		d.Set(time.Now().Add(time.Second))
		require.False(t, passed(&d))
		time.Sleep(time.Second)
		synctest.Wait()
		d.Set(time.Now().Add(time.Second)) // after it fired
		require.False(t, passed(&d))
		d.Set(time.Time{})
	})
}

func TestEarlier(t *testing.T) {
	var never time.Time
	first := time.Unix(1, 0)
	second := time.Unix(2, 0)
	require.Equal(t, never, deadline.Earlier(never, never))
	require.Equal(t, first, deadline.Earlier(first, never))
	require.Equal(t, first, deadline.Earlier(never, first))
	require.Equal(t, first, deadline.Earlier(first, second))
	require.Equal(t, first, deadline.Earlier(second, first))
}
