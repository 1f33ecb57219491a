package interop_test

import "testing"

// signalling stands between two peers: what each side says to the other is a job, and one goroutine does the jobs in order,
// as a signalling server would.
type signalling struct {
	t     *testing.T
	jobs  chan func() error
	ended chan struct{}
}

func newSignalling(t *testing.T) signalling {
	return signalling{t: t, jobs: make(chan func() error, 1024), ended: make(chan struct{})}
}

// do hands over a job.
func (s *signalling) do(job func() error) {
	select {
	case s.jobs <- job:
	case <-s.ended:
	}
}

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
