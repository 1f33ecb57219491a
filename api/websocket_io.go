package rtc

import (
	"context"
	"io"
	"time"
	"unicode/utf8"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/websocket"
)

const (
	// maxPendingMessages is how many messages may wait in the inbox of a WebSocket before it is not read any more.
	maxPendingMessages = 1024
	// maxPendingBytes is how much may wait there, beside maxPendingMessages, before it is not
	// read any more: TCP has buffers of its own, this one keeps the program busy while they are refilled.
	maxPendingBytes = 1 << 20
	// minReadBuffer is the first buffer for a message, in bytes, and maxSizeHint the largest that is taken because
	// the message before was as large: memory goes by what has arrived, not by what is announced.
	minReadBuffer = 1024
	maxSizeHint   = 64 << 10
	// maxBatchBytes is after how many bytes of messages the buffered amount is counted anew.
	maxBatchBytes = 64 << 10
	// keptQueue is how long a queue may be, in messages, whose memory an idle WebSocket keeps.
	keptQueue = 16
)

// send buffers a message and wakes the writer.
func (ws *WebSocket) send(data []byte, isText bool) error {
	switch err := ws.writeError(); {
	case err != nil:
		return wrapError(ErrFailure, err, "send")
	case ws.state != channelOpen:
		return wrapError(ErrFailure, errNotOpenYet, "send")
	case len(data) > ws.maximum:
		return invalidf("send: message of %d bytes, at most %d", len(data), ws.maximum)
	case isText && !utf8.Valid(data):
		// The peer would have to fail the connection.
		//
		// RFC 6455, section 8.1.
		return invalidf("send: text that is not UTF-8")
	}
	m := outMessage{data: bufpool.Get(len(data)), isText: isText}
	m.data.B = append(m.data.B, data...)
	ws.outbox.Push(m)
	ws.trimLater()
	ws.setBuffered(ws.buffered + len(data))
	ws.counters.sent(len(data))
	return nil
}

// flush makes sure that a writer runs if there is something to write.
func (ws *WebSocket) flush() {
	if ws.writing || ws.conn == nil || ws.state == channelClosed {
		return
	}
	if ws.outbox.Len() > 0 || (ws.state == channelClosing && !ws.farewell) {
		ws.writing = true
		go ws.writer()
	}
}

// write is the goroutine that writes. It exists only while there is something to write: what would block is TCP, and
// Send must not. What has been sent meanwhile leaves together.
func (ws *WebSocket) write() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for ws.outbox.Len() > 0 && ws.state != channelClosed {
		size, err := ws.writeBatch()
		if err != nil {
			ws.abandon(err)
			break
		}
		if ws.state != channelClosed {
			ws.progress()
			ws.setBuffered(ws.buffered - size)
		}
	}
	if ws.state == channelClosing && !ws.farewell {
		ws.sayFarewell()
	}
	ws.writing = false
	if ws.settling {
		ws.callbacks.changed.Broadcast()
	}
}

// writeBatch writes the first messages of the outbox, and gives their size.
func (ws *WebSocket) writeBatch() (size int, err error) {
	var batch [16]outMessage
	n := 0
	for n < len(batch) && size < maxBatchBytes && ws.outbox.Len() > 0 {
		batch[n], _ = ws.outbox.Pop()
		size += len(batch[n].data.B)
		n++
	}
	ws.mu.Unlock()
	ctx := context.Background()
	for _, m := range batch[:n] {
		typ := websocket.MessageBinary
		if m.isText {
			typ = websocket.MessageText
		}
		if err == nil {
			err = ws.conn.WriteBuffered(ctx, typ, m.data.B)
		}
		m.data.Free()
	}
	if err == nil {
		err = ws.conn.Flush(ctx)
	}
	ws.mu.Lock()
	return size, err
}

// read is the goroutine that reads, from open to closed.
func (ws *WebSocket) read(conn *websocket.Conn) {
	sizeHint := 0 // the size of the message before, in bytes
	for {
		typ, b, err := readMessage(conn, sizeHint)
		if err != nil {
			b.Free()
			ws.finish(conn, err)
			return
		}
		sizeHint = min(len(b.B), maxSizeHint)
		b = fitted(b)
		ws.take(received{Message: Message{Data: b.B, IsText: typ == websocket.MessageText}, buffer: b})
	}
}

// readMessage reads a message into a buffer of the pool. While it waits for one it holds the smallest, in case that is
// enough, as it usually is, or none.
func readMessage(conn *websocket.Conn, sizeHint int) (websocket.MessageType, *bufpool.Buffer, error) {
	if sizeHint > minReadBuffer {
		return readLarge(conn, sizeHint)
	}
	b := bufpool.Get(minReadBuffer)
	typ, message, err := conn.ReadInto(context.Background(), b.B)
	switch {
	case err != nil:
	case len(message) > cap(b.B): // it is in memory of its own, and the next one comes by readLarge
		b.Free()
		b = bufpool.Get(len(message))
		b.B = append(b.B, message...)
	default:
		b.B = b.B[:len(message)]
	}
	return typ, b, err
}

// readLarge takes a buffer as soon as there is a message, and lets it grow with it.
func readLarge(conn *websocket.Conn, sizeHint int) (websocket.MessageType, *bufpool.Buffer, error) {
	typ, r, err := conn.Reader(context.Background())
	if err != nil {
		return 0, nil, err
	}
	b := bufpool.Get(sizeHint)
	for {
		if len(b.B) == cap(b.B) {
			b = b.Grow(1)
		}
		n, err := r.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		switch {
		case err == io.EOF:
			return typ, b, nil
		case err != nil:
			return typ, b, err
		}
	}
}

// fitted moves a small message out of a buffer for a large one: messages may wait for long.
func fitted(b *bufpool.Buffer) *bufpool.Buffer {
	if cap(b.B) <= minReadBuffer || len(b.B) > cap(b.B)/4 {
		return b
	}
	small := bufpool.Get(len(b.B))
	small.B = append(small.B, b.B...)
	b.Free()
	return small
}

// take puts a message into the inbox, and waits while that is full.
func (ws *WebSocket) take(m received) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.state != channelOpen {
		// "If ready state is not OPEN (1), then return."
		// https://websockets.spec.whatwg.org/#feedback-from-the-protocol
		m.buffer.Free()
		return
	}
	ws.counters.received(len(m.Data))
	ws.unhandled++
	ws.arrived(m)
	ws.trimLater()
	for ws.full() && ws.state == channelOpen && ws.cause == nil {
		ws.room.Wait()
	}
}

func (ws *WebSocket) full() bool {
	return ws.inbox.len() >= maxPendingMessages || ws.inbox.bytes >= maxPendingBytes
}

// reconsider drops what can no longer be read.
func (ws *WebSocket) reconsider() {
	if ws.unreadable() {
		ws.discard()
	}
}

// released gives the buffers of messages back that have been read.
func (ws *WebSocket) released(messages []received) {
	for i := range messages {
		messages[i].buffer.Free()
		messages[i] = received{}
	}
	ws.handled(len(messages))
	if !ws.full() {
		ws.room.Signal()
	}
}

// trimLater makes sure that the memory of queues that have grown is given back when they are not used any more.
func (ws *WebSocket) trimLater() {
	if ws.inbox.queue.Cap() <= keptQueue && ws.outbox.Cap() <= keptQueue || ws.trimming != nil {
		return
	}
	before := ws.counters
	ws.trimming = time.AfterFunc(ws.tuning.trimDelay, func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.trimming = nil
		if ws.state == channelClosed {
			return
		}
		if ws.counters == before {
			ws.inbox.trim()
			ws.outbox.Trim()
			ws.callbacks.trim()
		}
		ws.trimLater()
	})
}
