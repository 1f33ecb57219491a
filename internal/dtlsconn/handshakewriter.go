package dtlsconn

import (
	"bytes"
	"sync"
)

// wire is the outgoing end: it hands datagrams to Config.Output one at a time and watches which record numbers
// pion/dtls has used. Once detached, nothing that pion/dtls still writes gets out.
type handshakeWriter struct {
	output func([]byte)

	mu       sync.Mutex
	detached bool
	next     [2]uint64 // one past the highest sequence number sent, of epochHandshake and epochApplication
	finished []byte    // the last record with a handshake message of epochApplication: our Finished
}

// write sends a datagram of pion/dtls.
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

// setOutput makes datagrams go to output, which before went nowhere.
func (w *handshakeWriter) setOutput(output func([]byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.output = output
}

// detach cuts pion/dtls off. What it returns is final: the next free sequence number of either epoch, and the record
// with our Finished.
func (w *handshakeWriter) detach() (next [2]uint64, finished []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.detached = true
	next, finished = w.next, w.finished
	w.finished = nil
	return next, finished
}
