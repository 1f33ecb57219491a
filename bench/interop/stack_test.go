package interop_test

import "testing"

// testStack runs all tests with one other stack.
func testStack(t *testing.T, k *stack) {
	t.Run("channels", func(t *testing.T) {
		t.Parallel()
		bothRoles(t, func(t *testing.T, theyOffer bool) {
			s := newStackSession(t, k, stackOptions{theyOffer: theyOffer})
			testStackChannels(t, s)
			s.greet(s.agreed)
			testStackEmpty(t, s)
			testStackReopen(t, s)
			testStackCloses(t, s)
		})
	})
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		bothRoles(t, func(t *testing.T, theyOffer bool) {
			s := newStackSession(t, k, stackOptions{theyOffer: theyOffer, whole: true})
			testStackEcho(t, s)
			testStackBulk(t, s)
			testWeCloseToStack(t, s)
		})
	})
	t.Run("restart", func(t *testing.T) {
		t.Parallel()
		bothRoles(t, func(t *testing.T, theyOffer bool) {
			s := newStackSession(t, k, stackOptions{theyOffer: theyOffer})
			testStackRestart(t, s)
			if k.restarts {
				testRestartByStack(t, s)
			}
		})
	})
	t.Run("paths", func(t *testing.T) {
		t.Parallel()
		testStackPaths(t, k)
	})
}
