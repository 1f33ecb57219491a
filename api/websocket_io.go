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
	// maxPendingMessages and maxPendingBytes are the number of pending messages and their size from
	// which on a WebSocket stops reading. TCP has buffers of its own; while these are refilled, the
	// program reads from the inbox.
	maxPendingMessages = 1024
	maxPendingBytes    = 1 << 20
	// minReadBuffer is the size of the first buffer for a message, in bytes, and maxSizeHint that
	// of the largest one that is chosen because the previous message was as large. Memory follows
	// the bytes received, not the announced length.
	minReadBuffer = 1024
	maxSizeHint   = 64 << 10
	// maxBatchBytes is the size of the messages that are written before the buffered amount is
	// updated.
	maxBatchBytes = 64 << 10
	// maxIdleQueue is the length of the longest queue, in messages, whose memory an idle WebSocket
	// keeps.
	maxIdleQueue = 16
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
		// RFC 6455, section 8.1: the peer would have to fail the connection.
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

// flush starts a writer if there is something to write and none is running.
func (ws *WebSocket) flush() {
	if ws.writing || ws.conn == nil || ws.state == channelClosed {
		return
	}
	if ws.outbox.Len() > 0 || (ws.state == channelClosing && !ws.closeStarted) {
		ws.writing = true
		go ws.writer()
	}
}

// write is the goroutine that writes. It exists only while there is something to write: writing to
// TCP can block, and Send must not. Messages buffered in the meantime are written together.
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
	if ws.state == channelClosing && !ws.closeStarted {
		ws.closeHandshake()
	}
	ws.writing = false
	if ws.draining {
		ws.callbacks.changed.Broadcast()
	}
}

// writeBatch writes the first messages of the outbox, and returns their size.
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
	sizeHint := 0 // the size of the previous message, in bytes
	for {
		typ, b, err := readMessage(conn, sizeHint)
		if err != nil {
			b.Free()
			ws.finish(conn, err)
			return
		}
		sizeHint = min(len(b.B), maxSizeHint)
		b = shrunk(b)
		ws.receive(received{Message: Message{Data: b.B, IsText: typ == websocket.MessageText}, buffer: b})
	}
}

// readMessage reads a message into a pooled buffer. While it waits it holds a buffer of
// minReadBuffer bytes, which is usually enough, or none.
func readMessage(conn *websocket.Conn, sizeHint int) (websocket.MessageType, *bufpool.Buffer, error) {
	if sizeHint > minReadBuffer {
		return readLarge(conn, sizeHint)
	}
	b := bufpool.Get(minReadBuffer)
	typ, message, err := conn.ReadInto(context.Background(), b.B)
	switch {
	case err != nil:
	case len(message) > cap(b.B): // it has a new buffer; readLarge reads the next message
		b.Free()
		b = bufpool.Get(len(message))
		b.B = append(b.B, message...)
	default:
		b.B = b.B[:len(message)]
	}
	return typ, b, err
}

// readLarge waits for a message without a buffer, and then reads it into one that grows with it.
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

// shrunk copies a small message from a large buffer to a small one, because messages may wait for
// long.
func shrunk(b *bufpool.Buffer) *bufpool.Buffer {
	if cap(b.B) <= minReadBuffer || len(b.B) > cap(b.B)/4 {
		return b
	}
	small := bufpool.Get(len(b.B))
	small.B = append(small.B, b.B...)
	b.Free()
	return small
}

// receive puts a message into the inbox, and waits while the inbox is full.
func (ws *WebSocket) receive(m received) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.state != channelOpen {
		// As in browsers, messages are dropped unless the state is open.
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

// reconsider drops the messages that can no longer be read.
func (ws *WebSocket) reconsider() {
	if ws.unreadable() {
		ws.discard()
	}
}

// released frees the buffers of messages that have been read.
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

// trimLater starts a timer that releases the memory of long queues when they are no longer used.
func (ws *WebSocket) trimLater() {
	if ws.inbox.queue.Cap() <= maxIdleQueue && ws.outbox.Cap() <= maxIdleQueue || ws.trimming != nil {
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
