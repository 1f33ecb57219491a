package deadline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline.Deadline
		d.Init()
		want := func(want bool, when string) {
			t.Helper()
			select {
			case <-d.Expired():
				if !want {
					t.Errorf("%s: expired", when)
				}
			default:
				if want {
					t.Errorf("%s: not expired", when)
				}
			}
		}
		time.Sleep(time.Hour)
		want(false, "none is set")

		d.Set(time.Now().Add(time.Second))
		waiting := d.Expired()
		d.Set(time.Now().Add(3 * time.Second))
		time.Sleep(2 * time.Second)
		want(false, "changed while a goroutine waits")
		time.Sleep(time.Second)
		synctest.Wait()
		want(true, "at the changed time")
		<-waiting

		d.Set(time.Time{})
		want(false, "removed")
		d.Set(time.Now().Add(-time.Second))
		want(true, "in the past")
		d.Set(time.Now().Add(time.Second))
		want(false, "in the future")
		time.Sleep(time.Second)
		synctest.Wait()
		d.Set(time.Now().Add(time.Second))
		want(false, "changed after it expired")
		d.Set(time.Time{})
	})
}

func TestEarlier(t *testing.T) {
	var never time.Time
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct{ a, b, want time.Time }{
		{never, never, never}, {first, never, first}, {never, first, first}, {first, second, first}, {second, first, first},
	} {
		if got := deadline.Earlier(c.a, c.b); !got.Equal(c.want) {
			t.Errorf("of %v and %v: %v", c.a, c.b, got)
		}
	}
}
