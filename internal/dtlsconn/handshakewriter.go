package dtlsconn

import (
	"bytes"
	"sync"
)

// handshakeWriter passes the datagrams that pion/dtls writes on to output, one at a time, and
// records the sequence numbers that it has used. Once detached, it passes nothing on.
type handshakeWriter struct {
	output func([]byte)

	mu       sync.Mutex
	detached bool
	next     [2]uint64 // the highest sequence number sent, plus 1, of epochHandshake and of epochApplication
	finished []byte    // the last record of epochApplication with a handshake message: our Finished
}

// write passes a datagram of pion/dtls on.
func (w *handshakeWriter) write(datagram []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.detached {
		return
	}
	for rest := datagram; ; {
		r, tail, ok := nextRecord(rest)
		if !ok {
			break
		}
		rest = tail
		if r.epoch > epochApplication {
			continue
		}
		w.next[r.epoch] = max(w.next[r.epoch], r.sequence+1)
		if r.epoch == epochApplication && r.contentType == contentHandshake {
			w.finished = bytes.Clone(r.raw)
		}
	}
	w.output(datagram)
}

// setOutput replaces output.
func (w *handshakeWriter) setOutput(output func([]byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.output = output
}

// detach ends the output of pion/dtls. It returns the next sequence number of each epoch, and the
// record with our Finished; write changes neither afterwards.
func (w *handshakeWriter) detach() (next [2]uint64, finished []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.detached = true
	next, finished = w.next, w.finished
	w.finished = nil
	return next, finished
}
