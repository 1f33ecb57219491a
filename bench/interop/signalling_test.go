package interop_test

import "testing"

// signalling delivers the signals between two peers. Each signal is a job, and one goroutine runs the jobs in order.
type signalling struct {
	t     *testing.T
	jobs  chan func() error
	ended chan struct{}
}

func newSignalling(t *testing.T) signalling {
	return signalling{t: t, jobs: make(chan func() error, 1024), ended: make(chan struct{})}
}

// do queues a job, unless the signalling has ended.
func (s *signalling) do(job func() error) {
	select {
	case s.jobs <- job:
	case <-s.ended:
	}
}

// signal runs the jobs until the signalling ends.
func (s *signalling) signal() {
	for {
		select {
		case job := <-s.jobs:
			if err := job(); err != nil {
				s.t.Errorf("signalling: %v", err)
			}
		case <-s.ended:
			return
		}
	}
}
