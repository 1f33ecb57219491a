package goroutine_test

import (
	"sync"
	"testing"

	"github.com/rtcstack/rtcstack/internal/goroutine"
)

func TestIDsAreDistinct(t *testing.T) {
	own := goroutine.ID()
	if again := goroutine.ID(); own == 0 || again != own {
		t.Fatalf("%d, then %d", own, again)
	}
	var mu sync.Mutex
	seen := map[uint64]bool{own: true}
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			id := goroutine.ID()
			mu.Lock()
			defer mu.Unlock()
			if id == 0 || seen[id] {
				t.Errorf("goroutine %d twice", id)
			}
			seen[id] = true
		})
	}
	group.Wait()
}
